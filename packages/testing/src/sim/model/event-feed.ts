/** The events of one commit, in their order, as they will leave: what the model follows and judges. */
import { topics } from '@ironsys/contracts'
import type { OutboxSegment } from '@ironsys/engine'

/** An event as its message says it. */
export interface ObservedEvent {
  readonly type: string
  readonly slotId: string
  readonly reservationId: string | null
  /** The slot's version after it. */
  readonly version: number
  readonly atMs: number
}

export class EventFeed {
  readonly #events: readonly ObservedEvent[]
  #taken = 0

  constructor(events: readonly ObservedEvent[]) {
    this.#events = events
  }

  /** The next one; undefined at the end. */
  get next(): ObservedEvent | undefined {
    return this.#events[this.#taken]
  }

  take(): void {
    this.#taken++
  }
}

/** The events of a segment; its commands for other keys are left out. */
export function eventsOf(segment: OutboxSegment | null): readonly ObservedEvent[] {
  return (segment?.messages ?? [])
    .filter(({ topic }) => topic === topics.reservationEvents)
    .map(({ value }) => {
      const { type, slot_id, reservation_id, version, at } = JSON.parse(value)
      return { type, slotId: slot_id, reservationId: reservation_id ?? null, version, atMs: Date.parse(at) }
    })
}
