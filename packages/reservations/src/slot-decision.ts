/** What a decision about a slot or a reservation is made of. */
import type { CommandOutcome } from '@ironsys/contracts'
import type { Change, Decided, Step } from '@ironsys/engine'
import { reservationDocument } from './documents.ts'
import type { Reservation, ReservationEvent, Slot } from './state.ts'

export interface Decision extends Decided<ReservationEvent, CommandOutcome> {
  /** More free units, or fewer of the user's own holds, might have led to another answer. */
  readonly lacksUnits?: boolean
}

export type SlotDecision = Decision | Step<ReservationEvent>

export function nothing(outcome: CommandOutcome): Decision {
  return { events: [], outcome }
}

/** A reservation as it is now is the answer; its document is made when somebody reads it, which often nobody does. */
export function outcomeOf(reservation: Reservation | undefined): CommandOutcome {
  if (reservation === undefined) throw new Error('a decision left no reservation')
  return outcomeWith(reservation.reason ?? 'ok', reservation)
}

export function outcomeWith(code: CommandOutcome['code'], row: Reservation): CommandOutcome {
  return {
    code,
    get reservation() {
      return reservationDocument(row)
    },
  }
}

/** A reservation as a decision about it has just left it. Whoever has just joined the line is its last. */
export function outcomeAfter({ header, row }: Change<Slot, Reservation>): CommandOutcome {
  const outcome = outcomeOf(row)
  if (header === null || row?.status !== 'waitlisted') return outcome
  return {
    code: outcome.code,
    reservation: { ...reservationDocument(row), waitlist_position: header.waitlistCount },
  }
}
