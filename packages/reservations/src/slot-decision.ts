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

/** A reservation as it is now is the answer. */
export function outcomeOf(reservation: Reservation | undefined): CommandOutcome {
  if (reservation === undefined) throw new Error('a decision left no reservation')
  return { code: reservation.reason ?? 'ok', reservation: reservationDocument(reservation) }
}

/** A reservation as a decision about it has just left it. Whoever has just joined the line is its last. */
export function outcomeAfter({ header, row }: Change<Slot, Reservation>): CommandOutcome {
  const outcome = outcomeOf(row)
  const { reservation } = outcome
  if (header === null || reservation?.status !== 'waitlisted') return outcome
  return { ...outcome, reservation: { ...reservation, waitlist_position: header.waitlistCount } }
}
