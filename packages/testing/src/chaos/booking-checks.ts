/** Several slots or none, whatever happened on the way. */
import { type Check, checkEach, type Evidence, grouped } from './evidence.ts'
import type { BookingFact } from './facts.ts'
import { illegalStep, lifeText } from './lives.ts'

export const bookingsAllOrNone: Check = {
  name: 'bookings-all-or-none',
  promise:
    'of a confirmed booking every reservation is confirmed, of any other none is held, confirmed or waited for',
  run: (evidence) => {
    const parts = grouped(evidence.facts.reservations, ({ bookingId }) => bookingId)
    const bookings = checkEach(evidence.facts.bookings, (booking) =>
      faultsOf(booking, evidence).map(
        (fault) => `booking ${booking.id} (${lifeText(booking.life)}): ${fault}`,
      ),
    )
    const strays = [...parts].flatMap(([bookingId, rows]) => {
      const items = new Set(
        evidence.bookings.get(bookingId)?.items.map(({ reservationId }) => reservationId) ?? [],
      )
      return rows.filter(({ id }) => !items.has(id)).map(({ id }) => `reservation ${id}: not of ${bookingId}`)
    })
    return { checked: bookings.checked, violations: [...bookings.violations, ...strays] }
  },
}

function faultsOf(booking: BookingFact, { reservations }: Evidence): readonly string[] {
  const { id, status, items, userId } = booking
  return items.flatMap(({ reservationId, slotId, quantity }) => {
    const row = reservations.get(reservationId)
    if (row === undefined) return status === 'confirmed' ? [`${reservationId} is missing`] : []
    const isIts =
      row.bookingId === id && row.slotId === slotId && row.quantity === quantity && row.userId === userId
    if (!isIts) return [`${reservationId} is not what was asked for`]
    const fits =
      status === 'confirmed'
        ? row.status === 'confirmed'
        : row.status === 'cancelled' || row.status === 'rejected'
    return fits ? [] : [`${reservationId} is ${row.status}`]
  })
}

export const bookingsLiveOnce: Check = {
  name: 'bookings-live-once',
  promise: 'a booking goes one way: of a confirmation, a cancellation and its end in time one wins',
  run: ({ facts }) =>
    checkEach(facts.bookings, ({ id, status, life }) => {
      const illegal = illegalStep('booking', life)
      const last = life.at(-1)?.status
      return [
        ...(illegal === null ? [] : [`booking ${id}: ${illegal}`]),
        ...(last === status ? [] : [`booking ${id}: is ${status}, and became ${last}`]),
      ]
    }),
}
