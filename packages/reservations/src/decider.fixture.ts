/** given / when / then for one slot: `given(slot()).at(60).when(cancel('ann')).answers('ok').happens('…').now('…')`. */
import type { CommandOutcome, ReservationCommand } from '@ironsys/contracts'
import { expect } from 'vitest'
import { idOf, labelOf, msAt, noonMs } from './commands.fixture.ts'
import { type Happened, SlotWriter } from './slot-writer.fixture.ts'
import type { Reservation } from './state.ts'

/** What was there before: the commands are applied at second 0. */
export function given(...commands: readonly ReservationCommand[]): Scene {
  return new Scene().when(...commands)
}

export class Scene {
  readonly writer = new SlotWriter()
  #atMs = noonMs
  #outcome: CommandOutcome | undefined
  #since = 0

  /** What follows happens that many seconds after the beginning, by the log. */
  at(seconds: number): this {
    this.#atMs = msAt(seconds)
    return this
  }

  /** One after the other; what is asserted next is about the last one. */
  when(...commands: readonly ReservationCommand[]): this {
    for (const command of commands) {
      this.#since = this.writer.history.length
      this.#outcome = this.writer.decide(command, this.#atMs)
    }
    return this
  }

  get outcome(): CommandOutcome {
    if (this.#outcome === undefined) throw new Error('nothing has been decided yet')
    return this.#outcome
  }

  /** The events of the last command, in order. */
  get since(): readonly Happened[] {
    return this.writer.history.slice(this.#since)
  }

  get version(): number {
    return this.writer.header?.version ?? 0
  }

  /** The answer's code, and what else it has to say. */
  answers(code: CommandOutcome['code'], rest: object = {}): this {
    expect(this.outcome).toMatchObject({ ...rest, code })
    return this
  }

  /** Exactly the events of the last command: `hold_expired ann`, `slot_updated`. */
  happens(...events: readonly string[]): this {
    expect(this.since.map(nameOf)).toEqual(events)
    return this
  }

  /** How reservations stand: `ann held until 60`, `bob confirmed`. Ends are in seconds, as {@link at}. */
  now(...reservations: readonly string[]): this {
    const named = reservations.map((text) => this.row(text.split(' ')[0] ?? ''))
    expect(named.map(stand)).toEqual(reservations)
    return this
  }

  /** The slot's figures. */
  counts(figures: { held?: number; confirmed?: number; waiting?: number; version?: number }): this {
    const { pool, waitlistCount, version } = this.writer.header ?? {}
    const all = { held: pool?.heldUnits, confirmed: pool?.confirmedUnits, waiting: waitlistCount, version }
    expect(all).toMatchObject(figures)
    return this
  }

  row(label: string): Reservation {
    const row = this.writer.rows.get(idOf(label))
    if (row === undefined) throw new Error(`there is no reservation ${label}`)
    return row
  }
}

function nameOf({ event }: Happened): string {
  return event.rowId === null ? event.type : `${event.type} ${labelOf(event.rowId)}`
}

function stand({ id, status, expiresMs }: Reservation): string {
  const until = expiresMs === null ? '' : ` until ${(expiresMs - noonMs) / 1000}`
  return `${labelOf(id)} ${status}${until}`
}
