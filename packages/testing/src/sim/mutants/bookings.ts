/** Several slots or none. */
import { edit, type Mutant } from './mutant.ts'

const answers = 'packages/bookings/src/slot-answers.ts'

export const bookingMutants: readonly Mutant[] = [
  {
    name: 'booking-confirmed-early',
    what: 'a booking is made by the first slot that agrees',
    edits: [
      edit(
        answers,
        "other === item || other.status === 'held'",
        "other === item || other.status !== 'refused'",
      ),
    ],
  },
  {
    name: 'booking-forgets-an-item',
    what: 'a booking that ends at its deadline or is cancelled releases all slots but the first',
    edits: [
      edit(
        'packages/bookings/src/decider.ts',
        'const releases = reservationIds(booking)',
        'const releases = reservationIds(booking).slice(1)',
      ),
      edit(
        'packages/bookings/src/client-decisions.ts',
        'const releases = reservationIds(booking)',
        'const releases = reservationIds(booking).slice(1)',
      ),
    ],
  },
  {
    name: 'rejected-booking-keeps-holds',
    what: 'when one slot refuses, the others keep what they hold',
    edits: [
      edit(
        answers,
        'releases: reservationIds(booking).filter((id) => id !== reservationId),',
        'releases: [],',
      ),
    ],
  },
  {
    name: 'booking-deadline-ignored',
    what: 'a booking that was held for long can still be confirmed, and nobody ends it',
    edits: [edit('packages/bookings/src/decider.ts', 'header.deadlineMs <= atMs', 'header.deadlineMs <= 0')],
  },
  {
    name: 'booking-taken-apart',
    what: 'a reservation of a booking can be confirmed and cancelled by itself',
    edits: [
      edit(
        'packages/reservations/src/reservation-decisions.ts',
        'if (row.bookingId !== (command.booking_id ?? null)) return',
        'if (row.bookingId === command.id) return',
      ),
    ],
  },
  {
    name: 'anybody-may-end-a-booking',
    what: 'somebody else may confirm and cancel a booking',
    edits: [
      edit(
        'packages/bookings/src/client-decisions.ts',
        '(caller === undefined || caller === booking.userId)',
        "(caller !== '' || caller === booking.userId)",
      ),
    ],
  },
  {
    name: 'booked-hold-expires',
    what: 'the hold of a booking ends by itself where nobody has heard of the booking for long',
    edits: [
      edit(
        'packages/reservations/src/due.ts',
        'if (row.bookingId === null) return expiry(row)',
        "if (row.bookingId !== '') return expiry(row)",
      ),
    ],
  },
  {
    name: 'follow-ups-lost',
    what: 'the commands that follow from an event are not sent',
    edits: [
      edit(
        'packages/engine/src/batch-in-progress.ts',
        'this.#messages.push(...binding.followUps(key, event, position))',
        'binding.followUps(key, event, position)',
      ),
    ],
  },
]
