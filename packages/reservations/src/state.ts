/** What the writer of a slot knows: the slot itself, and the reservations that a command names. Times are Unix ms. */

import type { Pool } from '@ironsys/capacity'
import type {
  BookingId,
  RejectionCode,
  ReservationId,
  ReservationStatus,
  SlotId,
  TransitionReason,
} from '@ironsys/contracts'
import type { DomainEvent, Header } from '@ironsys/engine'

export type Metadata = Readonly<Record<string, unknown>>

export interface Slot extends Header {
  readonly id: SlotId
  readonly name: string
  readonly startMs: number
  readonly endMs: number
  readonly status: 'open' | 'closed'
  readonly pool: Pool
  /** How long a hold lasts that does not say so itself; null where reservations are confirmed at once. */
  readonly holdTtlMs: number | null
  /** Units that one user may hold, have confirmed and wait for, together; null for no limit. */
  readonly maxPerUser: number | null
  readonly hasWaitlist: boolean
  /** Reservations that wait. */
  readonly waitlistCount: number
  readonly salesOpenMs: number | null
  readonly salesCloseMs: number | null
  readonly metadata: Metadata | null
  /** Of the request that created it: the same id with another body is refused. */
  readonly bodyHash: string
  readonly createdMs: number
}

export interface Reservation {
  readonly id: ReservationId
  readonly slotId: SlotId
  readonly userId: string
  readonly quantity: number
  readonly status: ReservationStatus
  /** Why it was rejected. */
  readonly reason: RejectionCode | null
  readonly metadata: Metadata | null
  /** Of the request, when it had an idempotency key. */
  readonly bodyHash: string | null
  readonly createdMs: number
  /** Of a hold: when it ends, or (of a booking) when the booking is asked what becomes of it. */
  readonly expiresMs: number | null
  /** How long a hold of it lasts; null where nothing was said. */
  readonly holdTtlMs: number | null
  /** Of who waits: the slot's version at joining, so that who came first has the lower place. */
  readonly place: number | null
  readonly bookingId: BookingId | null
  /** The slot has a limit per user, and this counts towards it while it is held, confirmed or waitlisted. */
  readonly isCounted: boolean
  /** Oldest first; of more than {@link TRANSITIONS_MAX} the latest. */
  readonly transitions: readonly Transition[]
  /** The slot's version after the last decision about it; 0 when there is no such slot. */
  readonly slotVersion: number
}

export interface Transition {
  readonly status: ReservationStatus
  readonly atMs: number
  readonly reason: TransitionReason | null
}

/** Only a late confirmation that takes units again makes a life longer than four; these are for many of them. */
export const TRANSITIONS_MAX = 32

export interface SlotCreated extends DomainEvent {
  readonly type: 'slot_created'
  readonly rowId: null
  readonly slot: Omit<Slot, 'version' | 'createdMs' | 'pool' | 'status' | 'waitlistCount'> & {
    readonly capacityUnits: number
    readonly overbookingBps: number
  }
}

export interface SlotUpdated extends DomainEvent {
  readonly type: 'slot_updated'
  readonly rowId: null
  readonly name: string
  readonly status: 'open' | 'closed'
  readonly capacityUnits: number
  readonly overbookingBps: number
}

/** Long over: it goes, with its reservations and its ledger. */
export interface SlotRetired extends DomainEvent {
  readonly type: 'slot_retired'
  readonly rowId: null
}

/** The first decision about a reservation says all that it is. */
interface ReservationDecided extends DomainEvent {
  readonly rowId: ReservationId
  readonly slotId: SlotId
  readonly userId: string
  readonly quantity: number
  readonly metadata: Metadata | null
  readonly bodyHash: string | null
  readonly holdTtlMs: number | null
  readonly bookingId: BookingId | null
  readonly isCounted: boolean
}

export interface ReservationConfirmed extends ReservationDecided {
  readonly type: 'reservation_confirmed'
}

export interface ReservationHeld extends ReservationDecided {
  readonly type: 'reservation_held'
  readonly expiresMs: number
  /** When the slot is over, for the booking that it belongs to; null without one. */
  readonly slotEndMs: number | null
}

export interface ReservationWaitlisted extends ReservationDecided {
  readonly type: 'reservation_waitlisted'
}

/** Takes no version: nothing about the slot changed. */
export interface ReservationRejected extends ReservationDecided {
  readonly type: 'reservation_rejected'
  readonly reason: RejectionCode
  /** As in {@link ReservationHeld}; null also where there is no such slot. */
  readonly slotEndMs: number | null
}

/** A later decision about a reservation says how many units it moves. */
interface ReservationChanged extends DomainEvent {
  readonly rowId: ReservationId
  readonly quantity: number
}

export interface HoldConfirmed extends ReservationChanged {
  readonly type: 'hold_confirmed'
}

export interface HoldExpired extends ReservationChanged {
  readonly type: 'hold_expired'
}

export const cancelReasons = ['by-request', 'by-booking'] as const satisfies readonly TransitionReason[]
export type CancelReason = (typeof cancelReasons)[number]

export interface ReservationCancelled extends ReservationChanged {
  readonly type: 'reservation_cancelled'
  /** What it was. */
  readonly from: 'held' | 'confirmed' | 'waitlisted'
  readonly reason: CancelReason
}

/** The next in line that fits gets units that became free, as a hold. */
export interface WaiterPromoted extends ReservationChanged {
  readonly type: 'waiter_promoted'
  readonly expiresMs: number
}

/** A confirmation came too late, and the units were free still: taken again, and confirmed. */
export interface ExpiredReconfirmed extends ReservationChanged {
  readonly type: 'expired_reconfirmed'
}

/** A confirmation came too late: back into the line, at its end. */
export interface ExpiredRequeued extends ReservationChanged {
  readonly type: 'expired_requeued'
}

/** A confirmation came too late, and what it asked for cannot be had. Takes no version. */
export interface LateConfirmationRefused extends ReservationChanged {
  readonly type: 'late_confirmation_refused'
}

/** A booking has long not said what becomes of its hold: it is asked, and again at `expiresMs`. */
export interface HoldOverdue extends ReservationChanged {
  readonly type: 'hold_overdue'
  readonly bookingId: BookingId
  readonly expiresMs: number
}

/** The person is taken out of it. Takes a version unless the reservation was rejected. */
export interface ReservationErased extends DomainEvent {
  readonly type: 'reservation_erased'
  readonly rowId: ReservationId
  readonly pseudonym: string
}

export type ReservationEvent =
  | SlotCreated
  | SlotUpdated
  | SlotRetired
  | ReservationConfirmed
  | ReservationHeld
  | ReservationWaitlisted
  | ReservationRejected
  | HoldConfirmed
  | HoldExpired
  | ReservationCancelled
  | WaiterPromoted
  | ExpiredReconfirmed
  | ExpiredRequeued
  | LateConfirmationRefused
  | HoldOverdue
  | ReservationErased
