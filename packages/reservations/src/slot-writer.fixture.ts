/**
 * One slot and its writer, in memory: steps, events and lists as the engine has them.
 *
 * After every event it asserts that the version moves by one or not at all (I5) and that nothing is oversold (I1), and
 * after every command that the slot's figures are the sums of its reservations.
 */
import assert from 'node:assert/strict'
import type { CommandOutcome, ReservationCommand } from '@ironsys/contracts'
import { reservationDecider } from './decider.ts'
import type { SlotView } from './due.ts'
import type { Reservation, ReservationEvent, Slot } from './state.ts'

/** Far more steps than any test takes: a decision that never comes is a failure, not a test that hangs. */
const STEPS_MAX = 20_000

export interface Happened {
  readonly event: ReservationEvent
  readonly atMs: number
  /** Of the slot, after it. */
  readonly version: number
}

export class SlotWriter {
  header: Slot | null = null
  readonly rows = new Map<string, Reservation>()
  readonly history: Happened[] = []
  /** Rows of one list that a single look at the state has read, at most. */
  longestRead = 0
  readonly #remembered = new Map<string, CommandOutcome>()

  decide(command: ReservationCommand, atMs: number): CommandOutcome {
    const { key, rowIds, remembered } = reservationDecider.needs(command)
    const earlier = remembered ? this.#remembered.get(command.id) : undefined
    if (earlier !== undefined) return reservationDecider.repeat(command, earlier)
    const isHere = key !== null || rowIds.some((id) => this.rows.has(id))
    const outcome = this.#decideSteps(command, isHere, atMs)
    if (remembered) this.#remembered.set(command.id, outcome)
    this.#assertSums()
    return outcome
  }

  /** The rows of a list, in its order. */
  list(name: string, upTo = Number.POSITIVE_INFINITY): readonly Reservation[] {
    return this.#ownRows()
      .flatMap((row) => reservationDecider.listsOf(row).map((place) => ({ row, ...place })))
      .filter(({ list, at }) => list === name && at <= upTo)
      .sort((a, b) => a.at - b.at || (a.row.id < b.row.id ? -1 : 1))
      .map(({ row }) => row)
  }

  #decideSteps(command: ReservationCommand, isHere: boolean, atMs: number): CommandOutcome {
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      const decision = reservationDecider.decide(this.#view(isHere, steps), command, atMs)
      const events = 'step' in decision ? decision.step : decision.events
      for (const event of events) this.#apply(event, atMs)
      if (!('step' in decision)) return decision.outcome
      assert.notEqual(events.length, 0, 'a step without an event')
    }
    throw new Error(`${command.type} is not decided after ${STEPS_MAX} steps`)
  }

  #view(isHere: boolean, steps: number): SlotView {
    return {
      header: isHere ? this.header : null,
      row: (id) => this.rows.get(id),
      list: (name, upTo) => (isHere ? this.#read(name, upTo) : []),
      steps,
    }
  }

  *#read(name: string, upTo?: number): Iterable<Reservation> {
    let read = 0
    for (const row of this.list(name, upTo)) {
      read++
      this.longestRead = Math.max(this.longestRead, read)
      yield row
    }
  }

  #apply(event: ReservationEvent, atMs: number): void {
    const row = event.rowId === null ? undefined : this.rows.get(event.rowId)
    const before = this.header
    const after = reservationDecider.evolve({ header: before, row }, event, atMs)
    const moved = (after.header?.version ?? 0) - (before?.version ?? 0)
    if (after.header === null) this.rows.clear()
    else assert(moved === 0 || moved === 1, `${event.type} moves the version by ${moved}`)
    this.header = after.header
    if (after.row !== undefined) this.rows.set(after.row.id, after.row)
    if (this.header !== null) assertNotOversold(this.header)
    this.history.push({ event, atMs, version: this.header?.version ?? 0 })
  }

  /** Without those that a test has put there for another slot. */
  #ownRows(): readonly Reservation[] {
    return [...this.rows.values()].filter(({ slotId }) => slotId === this.header?.id)
  }

  #assertSums(): void {
    if (this.header === null) return
    const sums = { held: 0, confirmed: 0, waiting: 0 }
    for (const { status, quantity, expiresMs, place } of this.#ownRows()) {
      assert.equal(expiresMs !== null, status === 'held', 'only a hold has an end')
      assert.equal(place !== null, status === 'waitlisted', 'only who waits has a place')
      if (status === 'held') sums.held += quantity
      if (status === 'confirmed') sums.confirmed += quantity
      if (status === 'waitlisted') sums.waiting++
    }
    const { pool, waitlistCount } = this.header
    const figures = { held: pool.heldUnits, confirmed: pool.confirmedUnits, waiting: waitlistCount }
    assert.deepEqual(figures, sums)
  }
}

function assertNotOversold({ pool }: Slot): void {
  const { capacityUnits, overbookingBps, heldUnits, confirmedUnits } = pool
  const limit = BigInt(capacityUnits) + (BigInt(capacityUnits) * BigInt(overbookingBps)) / 10_000n
  assert(BigInt(heldUnits + confirmedUnits) <= limit, `oversold: ${JSON.stringify(pool)}`)
}
