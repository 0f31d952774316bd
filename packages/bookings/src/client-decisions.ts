/** What people ask of a booking: clients, and operators for erasure and retention. A deadline that is over went before. */
import type {
  BookCommand,
  CancelBookingCommand,
  ConfirmBookingCommand,
  EraseBookerCommand,
  RetireBookingCommand,
} from '@ironsys/contracts'
import { type BookingDecided, changed, nothing, outcomeOf, reservationIds } from './decision.ts'
import { bookingDocument } from './documents.ts'
import { type Booking, type BookingEvent, DEFAULT_HOLD_TTL_MS, PENDING_MS } from './state.ts'

const DAY_MS = 24 * 3600 * 1000

export function decideBook(booking: Booking | null, command: BookCommand, atMs: number): BookingDecided {
  if (booking !== null) return repeatBook(booking, command)
  const { mode, hold_ttl_seconds: ttlSeconds } = command
  const holdTtlMs = ttlSeconds === undefined ? DEFAULT_HOLD_TTL_MS : ttlSeconds * 1000
  const event: BookingEvent = {
    type: 'booking_requested',
    rowId: null,
    bookingId: command.id,
    userId: command.user_id,
    holdTtlMs: mode === 'hold' ? holdTtlMs : null,
    items: command.items.map((item) => ({
      slotId: item.slot_id,
      reservationId: item.reservation_id,
      quantity: item.quantity,
    })),
    bodyHash: command.body_hash ?? null,
    replyTo: command.reply_to ?? null,
    deadlineMs: atMs + PENDING_MS,
  }
  return { ...changed(null, [event], atMs), replyTo: null }
}

/** A create is refused by its own id and answered with the booking as it is today. */
function repeatBook(booking: Booking, command: BookCommand): BookingDecided {
  if (booking.bodyHash !== (command.body_hash ?? null)) return nothing({ code: 'idempotency-key-reused' })
  const today = nothing(outcomeOf(booking))
  // The same request, twice in the log: its sender waits for the end of pending, not for this.
  const isAwaited = booking.replyTo !== null && booking.replyTo === command.reply_to
  return isAwaited ? { ...today, replyTo: null } : today
}

export function decideConfirm(
  booking: Booking | null,
  command: ConfirmBookingCommand,
  atMs: number,
): BookingDecided {
  if (!isTheirs(booking, command)) return nothing({ code: 'booking-not-found' })
  switch (booking.status) {
    case 'held':
      return changed(
        booking,
        [{ type: 'booking_confirmed', rowId: null, confirms: reservationIds(booking) }],
        atMs,
      )
    case 'confirmed':
      return nothing(outcomeOf(booking))
    case 'expired':
      return nothing({ code: 'hold-expired', booking: bookingDocument(booking) })
    case 'pending':
    case 'rejected':
    case 'cancelled':
      return nothing({ code: 'not-confirmable', booking: bookingDocument(booking) })
  }
}

export function decideCancel(
  booking: Booking | null,
  command: CancelBookingCommand,
  atMs: number,
): BookingDecided {
  if (!isTheirs(booking, command)) return nothing({ code: 'booking-not-found' })
  switch (booking.status) {
    case 'pending':
    case 'held':
    case 'confirmed': {
      const releases = reservationIds(booking)
      const decided = changed(booking, [{ type: 'booking_cancelled', rowId: null, releases }], atMs)
      // One answer per decision: where nobody waits for the cancel, whoever waits for the booking gets it.
      return { ...decided, replyTo: command.reply_to ?? booking.replyTo }
    }
    case 'cancelled':
      return nothing(outcomeOf(booking))
    case 'rejected':
    case 'expired':
      return nothing({ code: 'not-cancellable', booking: bookingDocument(booking) })
  }
}

/** Somebody else's booking reads as unknown. */
function isTheirs(
  booking: Booking | null,
  { caller }: { readonly caller?: string | undefined },
): booking is Booking {
  return booking !== null && (caller === undefined || caller === booking.userId)
}

/** Done already, or somebody else's: there is nothing of the person in it. */
export function decideErase(booking: Booking | null, command: EraseBookerCommand): BookingDecided {
  if (booking === null) return nothing({ code: 'booking-not-found' })
  if (booking.userId !== command.user_id) return nothing({ code: 'ok' })
  const event: BookingEvent = { type: 'booker_erased', rowId: null, pseudonym: command.pseudonym }
  return { events: [event], outcome: { code: 'ok' } }
}

/** Kept for so long after its slots' ends, and after its own beginning: no repeat in the log may find it gone. */
export function decideRetire(
  booking: Booking | null,
  command: RetireBookingCommand,
  atMs: number,
): BookingDecided {
  if (booking === null) return nothing({ code: 'booking-not-found' })
  const overMs = Math.max(booking.createdMs, booking.endsMs ?? booking.createdMs)
  const isOpen = booking.deadlineMs !== null
  if (isOpen || overMs + command.keep_days * DAY_MS > atMs) return nothing({ code: 'not-over-yet' })
  return { events: [{ type: 'booking_retired', rowId: null }], outcome: { code: 'ok' } }
}
