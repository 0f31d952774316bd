/** What the writers of slots say to a booking. They say it at least once, in any order, and perhaps too late. */
import type { HoldOverdueCommand, ItemDecidedCommand } from '@ironsys/contracts'
import { type BookingDecided, changed, nothing, outcomeOf, reservationIds } from './decision.ts'
import type { Booking, BookingEvent, BookingItem } from './state.ts'

/**
 * The last agreement makes the booking, the first refusal ends it; whoever waits for that is answered. An answer that
 * comes again, or to a booking that is over, changes nothing: what the slot holds was released when it ended.
 */
export function decideItem(
  booking: Booking | null,
  command: ItemDecidedCommand,
  atMs: number,
): BookingDecided {
  if (booking === null) return nothing({ code: 'booking-not-found' })
  const item = booking.items.find(({ reservationId }) => reservationId === command.reservation_id)
  if (booking.status !== 'pending' || item?.status !== 'asked') return nothing(outcomeOf(booking))
  const slotEndMs = command.slot_end_time === null ? null : Date.parse(command.slot_end_time)
  const { replyTo } = booking
  if (command.code !== 'held') {
    const { slotId, reservationId } = item
    const event: BookingEvent = {
      type: 'booking_rejected',
      rowId: null,
      reason: command.code,
      refused: { slotId, reservationId, slotEndMs },
      releases: reservationIds(booking).filter((id) => id !== reservationId),
    }
    return { ...changed(booking, [event], atMs), replyTo }
  }
  const held: BookingEvent = { type: 'item_held', rowId: null, reservationId: item.reservationId, slotEndMs }
  const isLast = booking.items.every((other) => other === item || other.status === 'held')
  if (!isLast) return changed(booking, [held], atMs)
  return { ...changed(booking, [held, agreement(booking, atMs)], atMs), replyTo }
}

/** All slots hold what was asked. */
function agreement(booking: Booking, atMs: number): BookingEvent {
  const { holdTtlMs } = booking
  if (holdTtlMs === null) {
    return { type: 'booking_confirmed', rowId: null, confirms: reservationIds(booking) }
  }
  return { type: 'booking_held', rowId: null, deadlineMs: atMs + holdTtlMs }
}

/** A booking that is still open says so by its deadline. Any other has told the slot before, and does so again. */
export function decideOverdue(booking: Booking | null, command: HoldOverdueCommand): BookingDecided {
  const { reservation_id: reservationId } = command
  const item = booking?.items.find((each) => each.reservationId === reservationId)
  const answer = overdueAnswer(booking, item)
  const outcome = booking === null ? { code: 'booking-not-found' as const } : outcomeOf(booking)
  if (answer === null) return nothing(outcome)
  return { events: [{ type: 'overdue_answered', rowId: null, reservationId, answer }], outcome }
}

/** Units that no booking, or none that knows of them, can ever confirm are released. */
function overdueAnswer(booking: Booking | null, item: BookingItem | undefined): 'confirm' | 'cancel' | null {
  if (booking === null || item === undefined) return 'cancel'
  switch (booking.status) {
    case 'pending':
    case 'held':
      return null
    case 'confirmed':
      return 'confirm'
    case 'rejected':
    case 'cancelled':
    case 'expired':
      return 'cancel'
  }
}
