/**
 * The blocks of commands whose rates are compared, each at a slot with next to nothing in it and at one with 100,000 live
 * holds and as many in line.
 *
 * `reserve`: confirmed at once. `hold+confirm`: each confirmed {@link PAIR_LAG} commands after it was held. `confirm`: of
 * holds from before the worker's start, so that each row comes from the database. `cancel+promote`: of holds, each of which
 * gives its unit to the first in line. The small slots of the last two have as many holds, and waiters, as the block needs.
 */
import { cancel, confirm, createSlot, type LogCommand, reserve, slotIdIn, type Wish } from './commands.ts'

export const mixes = ['reserve', 'hold+confirm', 'confirm', 'cancel+promote'] as const
export type Mix = (typeof mixes)[number]

export type Size = 'small' | 'large'

export interface Block {
  readonly mix: Mix
  readonly size: Size
  readonly round: number
  readonly commands: readonly LogCommand[]
}

export interface Plan {
  /** To be decided before. */
  readonly setup: Iterable<LogCommand>
  /** To be called when all of the setup has been appended: the commands name what it made. */
  readonly blocks: () => readonly Block[]
  /** By slot and status, how many reservations there must be at the end. */
  readonly expected: ReadonlyMap<string, Readonly<Record<string, number>>>
}

const PAIR_LAG = 2000
const ROOM_UNITS = 1_000_000
const TTL_SECONDS = 7 * 24 * 3600

const hold: Wish = { quantity: 1, mode: 'hold', hold_ttl_seconds: TTL_SECONDS }
const plain: Wish = { quantity: 1, mode: 'confirm' }
const queued: Wish = { ...hold, join_waitlist: true }
/** One unit more than is free at a slot with room. */
const tooLarge: Wish = { ...queued, quantity: ROOM_UNITS }

export interface Sizes {
  readonly rows: number
  readonly commands: number
  readonly rounds: number
}

export function planBlocks(partition: number, { rows, commands, rounds }: Sizes): Plan {
  const numbers = Array.from({ length: rounds }, (_, index) => index + 1)
  const spacious = new Slot(slotIdIn(partition), rows + ROOM_UNITS - 1, rows, tooLarge)
  const full = new Slot(slotIdIn(partition), rows, rows, queued)
  const small = new Map(numbers.map((n) => [n, new Slot(slotIdIn(partition), commands, commands, queued)]))
  const held = new Map(numbers.map((n) => [n, new Slot(slotIdIn(partition), ROOM_UNITS, commands, null)]))
  const empty = (): Slot => new Slot(slotIdIn(partition), ROOM_UNITS, 0, null)
  const plains = new Map(numbers.map((n) => [n, empty()]))
  const pairs = new Map(numbers.map((n) => [n, empty()]))
  const slots = [spacious, full, ...[small, held, plains, pairs].flatMap((each) => [...each.values()])]
  const confirmed = { confirmed: commands }
  const promoted = (n: number, count: number) => ({ held: count, waitlisted: count - n, cancelled: n })
  const spaciousExpected = {
    held: rows - rounds * commands,
    waitlisted: rows,
    confirmed: rounds * (2 * commands + commands / 2),
  }
  return {
    setup: setupOf(slots),
    blocks: () => numbers.flatMap((n) => round(n, commands, { spacious, full, small, held, plains, pairs })),
    expected: new Map<string, Readonly<Record<string, number>>>([
      [spacious.id, spaciousExpected],
      [full.id, promoted(rounds * commands, rows)],
      ...[...small.values()].map((slot) => [slot.id, promoted(commands, commands)] as const),
      ...[...held.values()].map((slot) => [slot.id, confirmed] as const),
      ...[...plains.values()].map((slot) => [slot.id, confirmed] as const),
      ...[...pairs.values()].map((slot) => [slot.id, { confirmed: commands / 2 }] as const),
    ]),
  }
}

interface Slots {
  readonly spacious: Slot
  readonly full: Slot
  readonly small: ReadonlyMap<number, Slot>
  readonly held: ReadonlyMap<number, Slot>
  readonly plains: ReadonlyMap<number, Slot>
  readonly pairs: ReadonlyMap<number, Slot>
}

function round(number: number, count: number, slots: Slots): readonly Block[] {
  const { spacious, full } = slots
  const of = (mix: Mix, small: Slot | undefined, large: Slot, made: (slot: Slot) => LogCommand[]) => {
    if (small === undefined) throw new RangeError(`round ${number} has no slot`)
    const both: Block[] = [
      { mix, size: 'small', round: number, commands: made(small) },
      { mix, size: 'large', round: number, commands: made(large) },
    ]
    // Who comes first takes turns, so that a machine that slows down slows both.
    return number % 2 === 1 ? both : both.reverse()
  }
  return [
    ...of('reserve', slots.plains.get(number), spacious, ({ id }) =>
      repeated(count, () => reserve(id, plain)),
    ),
    ...of('hold+confirm', slots.pairs.get(number), spacious, ({ id }) => pairsAt(id, count / 2)),
    ...of('confirm', slots.held.get(number), spacious, (slot) => slot.takeHeld(count).map(confirm)),
    ...of('cancel+promote', slots.small.get(number), full, (slot) => slot.takeHeld(count).map(cancel)),
  ]
}

/** `rows` live holds, then as many in line unless there is no `waiter`. */
class Slot {
  readonly id: string
  readonly #capacity: number
  readonly #rows: number
  readonly #waiter: Wish | null
  readonly #held: string[] = []

  constructor(id: string, capacity: number, rows: number, waiter: Wish | null) {
    this.id = id
    this.#capacity = capacity
    this.#rows = rows
    this.#waiter = waiter
  }

  *setup(): Iterable<LogCommand> {
    yield createSlot(this.id, this.#capacity, true)
    for (let n = 0; n < this.#rows; n++) {
      const command = reserve(this.id, hold)
      this.#held.push(command.id)
      yield command
    }
    if (this.#waiter === null) return
    for (let n = 0; n < this.#rows; n++) yield reserve(this.id, this.#waiter)
  }

  /** Holds of the setup, spread over all of them; none twice. */
  takeHeld(count: number): readonly string[] {
    const every = Math.floor(this.#held.length / count)
    const taken = new Set(this.#held.filter((_, index) => index % every === 0).slice(0, count))
    const left = this.#held.filter((id) => !taken.has(id))
    this.#held.splice(0, this.#held.length, ...left)
    return [...taken]
  }
}

function* setupOf(slots: readonly Slot[]): Iterable<LogCommand> {
  for (const slot of slots) yield* slot.setup()
}

function pairsAt(slotId: string, count: number): LogCommand[] {
  const lag = Math.min(PAIR_LAG, Math.floor(count / 2))
  const holds = repeated(count, () => reserve(slotId, hold))
  const confirms = holds.map(({ id }) => confirm(id))
  const between = holds.slice(lag).flatMap((each, index) => [each, ...confirms.slice(index, index + 1)])
  return [...holds.slice(0, lag), ...between, ...confirms.slice(count - lag)]
}

function repeated<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make)
}
