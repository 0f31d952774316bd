/** What the writer of a slot knows: the slot itself, and the reservations that a command names. Times are Unix ms. */

import type { Pool } from '@ironsys/capacity'
import type { RejectionCode, ReservationId, SlotId } from '@ironsys/contracts'
import type { DomainEvent, Header } from '@ironsys/engine'

export type Metadata = Readonly<Record<string, unknown>>

export interface Slot extends Header {
  readonly id: SlotId
  readonly name: string
  readonly startMs: number
  readonly endMs: number
  readonly status: 'open' | 'closed'
  readonly pool: Pool
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
  readonly status: 'confirmed' | 'rejected' | 'cancelled'
  readonly reason: RejectionCode | null
  readonly metadata: Metadata | null
  /** Of the request, when it had an idempotency key. */
  readonly bodyHash: string | null
  readonly createdMs: number
  readonly cancelledMs: number | null
  /** The slot's version after the last decision about it; 0 when there is no such slot. */
  readonly slotVersion: number
}

export interface SlotCreated extends DomainEvent {
  readonly type: 'slot_created'
  readonly rowId: null
  readonly slot: Omit<Slot, 'version' | 'createdMs' | 'pool' | 'status'> & {
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

interface ReservationDecided extends DomainEvent {
  readonly rowId: ReservationId
  readonly slotId: SlotId
  readonly userId: string
  readonly quantity: number
  readonly metadata: Metadata | null
  readonly bodyHash: string | null
}

export interface ReservationConfirmed extends ReservationDecided {
  readonly type: 'reservation_confirmed'
}

/** Takes no version: nothing about the slot changed. */
export interface ReservationRejected extends ReservationDecided {
  readonly type: 'reservation_rejected'
  readonly reason: RejectionCode
}

export interface ReservationCancelled extends DomainEvent {
  readonly type: 'reservation_cancelled'
  readonly rowId: ReservationId
  readonly quantity: number
}

export type ReservationEvent =
  | SlotCreated
  | SlotUpdated
  | ReservationConfirmed
  | ReservationRejected
  | ReservationCancelled
