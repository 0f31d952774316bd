/** State as the outside sees it. */
import { availableUnits } from '@ironsys/capacity'
import {
  type ReservationDocument,
  type SlotDocument,
  timeText,
  timeTextOrNull,
  transitionDocument,
} from '@ironsys/contracts'
import type { Reservation, Slot } from './state.ts'

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
    sales_open_at: timeTextOrNull(slot.salesOpenMs),
    sales_close_at: timeTextOrNull(slot.salesCloseMs),
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
