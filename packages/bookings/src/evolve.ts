/** What each event makes of a booking: the only way anything changes. */
import type { BookingStatus, TransitionReason } from '@ironsys/contracts'
import type { Change } from '@ironsys/engine'
import type { Booking, BookingEvent, BookingItem, BookingRequested } from './state.ts'

/** Applies an event. Throws on one that cannot come here. */
export function evolve(
  { header }: Change<Booking, never>,
  event: BookingEvent,
  atMs: number,
): Change<Booking, never> {
  return { header: after(header, event, atMs), row: undefined }
}

function after(header: Booking | null, event: BookingEvent, atMs: number): Booking | null {
  switch (event.type) {
    case 'booking_requested':
      return requested(event, atMs)
    case 'overdue_answered':
      return header
    case 'booking_retired':
      return null
    case 'booker_erased':
      return { ...next(present(header, event)), userId: event.pseudonym, bodyHash: null }
    default:
      return moved(next(present(header, event)), event, atMs)
  }
}

function requested(event: BookingRequested, atMs: number): Booking {
  const { bookingId: id, userId, holdTtlMs, bodyHash, replyTo, deadlineMs } = event
  return {
    version: 1,
    id,
    userId,
    status: 'pending',
    holdTtlMs,
    createdMs: atMs,
    deadlineMs,
    endsMs: null,
    reason: null,
    failedSlotId: null,
    bodyHash,
    replyTo,
    items: event.items.map((item) => ({ ...item, status: 'asked' })),
    transitions: [{ status: 'pending', atMs, reason: null }],
  }
}

type Moved = Exclude<
  BookingEvent,
  { type: 'booking_requested' | 'overdue_answered' | 'booking_retired' | 'booker_erased' }
>

function moved(booking: Booking, event: Moved, atMs: number): Booking {
  switch (event.type) {
    case 'item_held':
      return answered(booking, event, 'held')
    case 'booking_held':
      return { ...became(booking, 'held', null, atMs), deadlineMs: event.deadlineMs }
    case 'booking_confirmed':
      return became(booking, 'confirmed', null, atMs)
    case 'booking_rejected': {
      const { reason, refused } = event
      const rejected = { ...became(booking, 'rejected', reason, atMs), reason }
      if (refused === null) return rejected
      return { ...answered(rejected, refused, 'refused'), failedSlotId: refused.slotId }
    }
    case 'booking_cancelled':
      return became(booking, 'cancelled', 'by-request', atMs)
    case 'booking_expired':
      return became(booking, 'expired', 'hold-expired', atMs)
  }
}

function answered(
  booking: Booking,
  answer: { readonly reservationId: string; readonly slotEndMs: number | null },
  status: BookingItem['status'],
): Booking {
  const items = booking.items.map((item) =>
    item.reservationId === answer.reservationId ? { ...item, status } : item,
  )
  const { slotEndMs } = answer
  if (slotEndMs === null) return { ...booking, items }
  return { ...booking, items, endsMs: Math.max(slotEndMs, booking.endsMs ?? slotEndMs) }
}

/** Whoever waited for the end of pending is answered with it. */
function became(
  booking: Booking,
  status: BookingStatus,
  reason: TransitionReason | null,
  atMs: number,
): Booking {
  const transitions = [...booking.transitions, { status, atMs, reason }]
  return { ...booking, status, deadlineMs: null, replyTo: null, transitions }
}

function next(booking: Booking): Booking {
  return { ...booking, version: booking.version + 1 }
}

function present(booking: Booking | null, event: BookingEvent): Booking {
  if (booking === null) throw new Error(`${event.type} without its booking`)
  return booking
}
