/** State as the outside sees it. */
import { availableUnits } from '@ironsys/capacity'
import type { ReservationDocument, SlotDocument } from '@ironsys/contracts'
import type { Reservation, Slot, Transition } from './state.ts'

export function slotDocument(slot: Slot): SlotDocument {
  return {
    id: slot.id,
    name: slot.name,
    start_time: timeText(slot.startMs),
    end_time: timeText(slot.endMs),
    status: slot.status,
    capacity: slot.pool.capacityUnits,
    reserved_count: slot.pool.heldUnits + slot.pool.confirmedUnits,
    held_count: slot.pool.heldUnits,
    waitlist_count: slot.waitlistCount,
    available: availableUnits(slot.pool),
    hold_ttl_seconds: slot.holdTtlMs === null ? null : slot.holdTtlMs / 1000,
    max_per_user: slot.maxPerUser,
    waitlist: slot.hasWaitlist,
    sales_open_at: slot.salesOpenMs === null ? null : timeText(slot.salesOpenMs),
    sales_close_at: slot.salesCloseMs === null ? null : timeText(slot.salesCloseMs),
    ...(slot.metadata === null ? {} : { metadata: slot.metadata }),
    version: slot.version,
  }
}

/** Without the place in line, which follows from the others. */
export function reservationDocument(reservation: Reservation): ReservationDocument {
  const { reason, expiresMs, bookingId, metadata } = reservation
  return {
    id: reservation.id,
    slot_id: reservation.slotId,
    user_id: reservation.userId,
    quantity: reservation.quantity,
    status: reservation.status,
    ...(reason === null ? {} : { reason }),
    created_at: timeText(reservation.createdMs),
    // A booking's hold has no end of its own.
    ...(expiresMs === null || bookingId !== null ? {} : { expires_at: timeText(expiresMs) }),
    ...(bookingId === null ? {} : { booking_id: bookingId }),
    transitions: reservation.transitions.map(transitionDocument),
    slot_version: reservation.slotVersion,
    ...(metadata === null ? {} : { metadata }),
  }
}

function transitionDocument({ status, atMs, reason }: Transition) {
  return { status, at: timeText(atMs), ...(reason === null ? {} : { reason }) }
}

/** The latest text of each place; a batch has few different times, and three or four of them in turns. */
const recentTimes = Array.from({ length: 61 }, () => ({ ms: 0, text: new Date(0).toISOString() }))

/** RFC 3339, UTC, milliseconds. */
export function timeText(ms: number): string {
  const recent = recentTimes[ms % 61]
  if (recent === undefined) return new Date(ms).toISOString()
  if (ms !== recent.ms) {
    recent.text = new Date(ms).toISOString()
    recent.ms = ms
  }
  return recent.text
}
