/** What a decision about a booking is made of. */
import type { CommandOutcome, ReservationId } from '@ironsys/contracts'
import type { Decided, Decision } from '@ironsys/engine'
import { bookingDocument } from './documents.ts'
import { evolve } from './evolve.ts'
import type { Booking, BookingEvent } from './state.ts'

export type BookingDecided = Decided<BookingEvent, CommandOutcome>
export type BookingDecision = Decision<BookingEvent, CommandOutcome>

export function nothing(outcome: CommandOutcome): BookingDecided {
  return { events: [], outcome }
}

/** A booking as it is now is the answer. */
export function outcomeOf(booking: Booking): CommandOutcome {
  return { code: booking.reason ?? 'ok', booking: bookingDocument(booking) }
}

/** The events, and the booking after them as the answer. */
export function changed(
  booking: Booking | null,
  events: readonly BookingEvent[],
  atMs: number,
): BookingDecided {
  let header = booking
  for (const event of events) header = evolve({ header, row: undefined }, event, atMs).header
  if (header === null) throw new Error('a decision left no booking')
  return { events, outcome: outcomeOf(header) }
}

export function reservationIds({ items }: Pick<Booking, 'items'>): readonly ReservationId[] {
  return items.map((item) => item.reservationId)
}
