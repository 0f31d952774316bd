/**
 * What the writer of a booking knows: the booking with its items, and what the slots have answered. Times are Unix ms.
 *
 * A booking is a saga over the slots of its items: each is asked for a hold that has no end of its own; the booking
 * alone decides what becomes of all of them.
 *
 *   pending ──all held──▶ held ──confirm──▶ confirmed      mode `confirm` goes from pending to confirmed at once
 *   pending ──one refused, or no answer in time──▶ rejected
 *   held ──deadline──▶ expired
 *   pending, held, confirmed ──cancel──▶ cancelled
 *
 * Invariants:
 * 1. There is a deadline exactly while it is pending or held. Log time alone decides: at the deadline it is over.
 * 2. Confirmed means that every item is held by its slot, and that each of these holds is told to be confirmed.
 * 3. Who leaves pending, held or confirmed for an end tells every slot that may hold units to release them; the log keeps
 *    that behind the request for them. So in the end all units are confirmed, or none is held.
 */
import {
  type BookingId,
  type BookingStatus,
  limits,
  type RejectionCode,
  type ReservationId,
  type SlotId,
  type TransitionReason,
} from '@ironsys/contracts'
import type { DomainEvent, Header } from '@ironsys/engine'

/** How long the slots may take to answer, milliseconds. No client waits for an answer as long. */
export const PENDING_MS = 60_000
/** How long a held booking waits for its confirmation where nothing was said, milliseconds. */
export const DEFAULT_HOLD_TTL_MS = limits.defaultHoldTtlSeconds * 1000

export const itemStatuses = ['asked', 'held', 'refused'] as const

/** What is asked of one slot. */
export interface ItemRequest {
  readonly slotId: SlotId
  readonly reservationId: ReservationId
  readonly quantity: number
}

export interface BookingItem extends ItemRequest {
  /** What the slot has answered while the booking was pending. */
  readonly status: (typeof itemStatuses)[number]
}

export interface Booking extends Header {
  readonly id: BookingId
  readonly userId: string
  readonly status: BookingStatus
  /** How long it is held once all slots have agreed; null where it is confirmed at once: its mode is `confirm`. */
  readonly holdTtlMs: number | null
  readonly createdMs: number
  /** Pending: when it is given up. Held: when it expires. Else null. */
  readonly deadlineMs: number | null
  /** When the last of its slots is over, as far as they have answered. */
  readonly endsMs: number | null
  /** Why it was rejected. */
  readonly reason: RejectionCode | null
  readonly failedSlotId: SlotId | null
  /** Of the request, when it had an idempotency key. */
  readonly bodyHash: string | null
  /** Where a client waits for the end of pending. */
  readonly replyTo: string | null
  /** At most one per slot. */
  readonly items: readonly BookingItem[]
  /** Oldest first; a life has at most four. */
  readonly transitions: readonly Transition[]
}

/** As clients ask for it. */
export function modeOf({ holdTtlMs }: Pick<Booking, 'holdTtlMs'>): 'confirm' | 'hold' {
  return holdTtlMs === null ? 'confirm' : 'hold'
}

export interface Transition {
  readonly status: BookingStatus
  readonly atMs: number
  readonly reason: TransitionReason | null
}

/** An event says all that the commands need which follow from it. */
interface OfBooking extends DomainEvent {
  readonly rowId: null
}

export interface BookingRequested extends OfBooking {
  readonly type: 'booking_requested'
  readonly bookingId: BookingId
  readonly userId: string
  /** As in {@link Booking}. */
  readonly holdTtlMs: number | null
  readonly items: readonly ItemRequest[]
  readonly bodyHash: string | null
  readonly replyTo: string | null
  readonly deadlineMs: number
}

export interface ItemHeld extends OfBooking {
  readonly type: 'item_held'
  readonly reservationId: ReservationId
  readonly slotEndMs: number | null
}

/** All slots have agreed; it waits for its confirmation. */
export interface BookingHeld extends OfBooking {
  readonly type: 'booking_held'
  readonly deadlineMs: number
}

export interface BookingConfirmed extends OfBooking {
  readonly type: 'booking_confirmed'
  readonly confirms: readonly ReservationId[]
}

/** An end that gives back what slots may hold. */
interface BookingReleased extends OfBooking {
  readonly releases: readonly ReservationId[]
}

export interface BookingRejected extends BookingReleased {
  readonly type: 'booking_rejected'
  readonly reason: RejectionCode
  /** The item that could not be had; null where a slot has not answered in time. */
  readonly refused: {
    readonly slotId: SlotId
    readonly reservationId: ReservationId
    readonly slotEndMs: number | null
  } | null
}

export interface BookingCancelled extends BookingReleased {
  readonly type: 'booking_cancelled'
}

export interface BookingExpired extends BookingReleased {
  readonly type: 'booking_expired'
}

/**
 * A slot that has long heard nothing is told again; of a booking that nobody knows, to release. Takes no version, and is
 * all that there is of an unknown booking.
 */
export interface OverdueAnswered extends OfBooking {
  readonly type: 'overdue_answered'
  readonly reservationId: ReservationId
  readonly answer: 'confirm' | 'cancel'
}

/** The person is taken out of it. */
export interface BookerErased extends OfBooking {
  readonly type: 'booker_erased'
  readonly pseudonym: string
}

/** Long over: it goes. */
export interface BookingRetired extends OfBooking {
  readonly type: 'booking_retired'
}

export type BookingEvent =
  | BookingRequested
  | ItemHeld
  | BookingHeld
  | BookingConfirmed
  | BookingRejected
  | BookingCancelled
  | BookingExpired
  | OverdueAnswered
  | BookerErased
  | BookingRetired
