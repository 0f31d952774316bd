/** State as the outside sees it. */
import { type BookingDocument, timeText, transitionDocument } from '@ironsys/contracts'
import type { Booking } from './state.ts'

export function bookingDocument(booking: Booking): BookingDocument {
  const { reason, failedSlotId, deadlineMs } = booking
  return {
    id: booking.id,
    user_id: booking.userId,
    status: booking.status,
    ...(reason === null ? {} : { reason }),
    ...(failedSlotId === null ? {} : { failed_slot_id: failedSlotId }),
    items: booking.items.map(({ slotId, quantity, reservationId }) => ({
      slot_id: slotId,
      quantity,
      reservation_id: reservationId,
    })),
    created_at: timeText(booking.createdMs),
    // How long slots may take to answer is no promise to anybody.
    ...(booking.status !== 'held' || deadlineMs === null ? {} : { expires_at: timeText(deadlineMs) }),
    transitions: booking.transitions.map(transitionDocument),
  }
}
