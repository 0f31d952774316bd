/** What each event makes of a slot and of the reservation that it names: the only way anything changes. */
import {
  availableUnits,
  confirmHeldUnits,
  confirmUnits,
  createPool,
  holdUnits,
  type Pool,
  type Refusal,
  releaseConfirmedUnits,
  releaseHeldUnits,
  resizePool,
} from '@ironsys/capacity'
import type { ReservationStatus, TransitionReason } from '@ironsys/contracts'
import type { Change } from '@ironsys/engine'
import {
  type Reservation,
  type ReservationEvent,
  type Slot,
  type SlotCreated,
  TRANSITIONS_MAX,
  type Transition,
} from './state.ts'

type SlotChange = Change<Slot, Reservation>

/** The first decision about a reservation. */
type Decided = Extract<ReservationEvent, { userId: string }>

/** Applies an event. Throws on one that cannot come here. */
export function evolve(before: SlotChange, event: ReservationEvent, atMs: number): SlotChange {
  const { header, row } = before
  switch (event.type) {
    case 'slot_created':
      return { header: createdSlot(event, atMs), row }
    case 'slot_updated': {
      const slot = present(header, event)
      const pool = taken(resizePool(slot.pool, event.capacityUnits, event.overbookingBps), slot)
      const { name, status } = event
      return { header: { ...slot, name, status, pool, version: slot.version + 1 }, row }
    }
    case 'slot_retired':
      return { header: null, row: undefined }
    case 'reservation_rejected': {
      const version = header?.version ?? 0
      return { header, row: decided(event, 'rejected', version, atMs) }
    }
    case 'reservation_confirmed':
    case 'reservation_held':
    case 'reservation_waitlisted':
      return admitted(present(header, event), event, atMs)
    case 'late_confirmation_refused':
      return before
    case 'reservation_erased': {
      const erased = { ...presentRow(row, event), userId: event.pseudonym, metadata: null, bodyHash: null }
      // What the ledger does not know takes no version.
      if (erased.status === 'rejected') return { header, row: erased }
      const slot = next(present(header, event))
      return { header: slot, row: { ...erased, slotVersion: slot.version } }
    }
    default:
      return moved(present(header, event), presentRow(row, event), event, atMs)
  }
}

function createdSlot({ slot }: SlotCreated, atMs: number): Slot {
  const { capacityUnits, overbookingBps, ...fields } = slot
  const pool = createPool(capacityUnits, overbookingBps)
  return { ...fields, pool, status: 'open', waitlistCount: 0, version: 1, createdMs: atMs }
}

function admitted(
  slot: Slot,
  event: Exclude<Decided, { type: 'reservation_rejected' }>,
  atMs: number,
): SlotChange {
  const version = slot.version + 1
  switch (event.type) {
    case 'reservation_confirmed': {
      const pool = taken(confirmUnits(slot.pool, event.quantity), slot)
      return { header: next(slot, { pool }), row: decided(event, 'confirmed', version, atMs) }
    }
    case 'reservation_held': {
      const pool = taken(holdUnits(slot.pool, event.quantity), slot)
      const row = { ...decided(event, 'held', version, atMs), expiresMs: event.expiresMs }
      return { header: next(slot, { pool }), row }
    }
    case 'reservation_waitlisted': {
      const row = { ...decided(event, 'waitlisted', version, atMs), place: version }
      return { header: next(slot, { waitlistCount: slot.waitlistCount + 1 }), row }
    }
  }
}

/** A later decision about a reservation. */
type Moved = Exclude<
  ReservationEvent,
  Decided | { rowId: null } | { type: 'late_confirmation_refused' | 'reservation_erased' }
>

function moved(slot: Slot, row: Reservation, event: Moved, atMs: number): SlotChange {
  const { pool, waitlistCount } = slot
  const { quantity } = event
  switch (event.type) {
    case 'hold_confirmed': {
      const header = next(slot, { pool: confirmHeldUnits(pool, quantity) })
      return { header, row: became(row, header, 'confirmed', null, atMs) }
    }
    case 'hold_expired': {
      const header = next(slot, { pool: releaseHeldUnits(pool, quantity) })
      return { header, row: became(row, header, 'expired', 'hold-expired', atMs) }
    }
    case 'hold_overdue': {
      const header = next(slot)
      return { header, row: { ...row, expiresMs: event.expiresMs, slotVersion: header.version } }
    }
    case 'reservation_cancelled': {
      const header = next(slot, released(slot, event.from, quantity))
      return { header, row: became(row, header, 'cancelled', event.reason, atMs) }
    }
    case 'waiter_promoted': {
      const held = taken(holdUnits(pool, quantity), slot)
      const header = next(slot, { pool: held, waitlistCount: waitlistCount - 1 })
      const promoted = became(row, header, 'held', 'units-released', atMs)
      return { header, row: { ...promoted, expiresMs: event.expiresMs } }
    }
    case 'expired_reconfirmed': {
      const header = next(slot, { pool: taken(confirmUnits(pool, quantity), slot) })
      return { header, row: became(row, header, 'confirmed', 'late-confirmation', atMs) }
    }
    case 'expired_requeued': {
      const header = next(slot, { waitlistCount: waitlistCount + 1 })
      const queued = became(row, header, 'waitlisted', 'late-confirmation', atMs)
      return { header, row: { ...queued, place: header.version } }
    }
  }
}

function released(slot: Slot, from: 'held' | 'confirmed' | 'waitlisted', units: number): Partial<Slot> {
  switch (from) {
    case 'held':
      return { pool: releaseHeldUnits(slot.pool, units) }
    case 'confirmed':
      return { pool: releaseConfirmedUnits(slot.pool, units) }
    case 'waitlisted':
      return { waitlistCount: slot.waitlistCount - 1 }
  }
}

function next(slot: Slot, changed: Partial<Slot> = {}): Slot {
  return { ...slot, ...changed, version: slot.version + 1 }
}

function decided(event: Decided, status: ReservationStatus, slotVersion: number, atMs: number): Reservation {
  const reason = event.type === 'reservation_rejected' ? event.reason : null
  return {
    id: event.rowId,
    slotId: event.slotId,
    userId: event.userId,
    quantity: event.quantity,
    status,
    reason,
    metadata: event.metadata,
    bodyHash: event.bodyHash,
    createdMs: atMs,
    expiresMs: null,
    holdTtlMs: event.holdTtlMs,
    place: null,
    bookingId: event.bookingId,
    isCounted: event.isCounted,
    transitions: [{ status, atMs, reason }],
    slotVersion,
  }
}

function became(
  row: Reservation,
  slot: Slot,
  status: ReservationStatus,
  reason: TransitionReason | null,
  atMs: number,
): Reservation {
  const transitions: readonly Transition[] = [...row.transitions, { status, atMs, reason }]
  return {
    ...row,
    status,
    expiresMs: null,
    place: null,
    transitions: transitions.slice(-TRANSITIONS_MAX),
    slotVersion: slot.version,
  }
}

function taken(pool: Pool | Refusal, slot: Slot): Pool {
  if ('refused' in pool)
    throw new Error(`slot ${slot.id} has ${availableUnits(slot.pool)} units left: ${pool.refused}`)
  return pool
}

function present(slot: Slot | null, event: ReservationEvent): Slot {
  if (slot === null) throw new Error(`${event.type} without its slot`)
  return slot
}

function presentRow(row: Reservation | undefined, event: ReservationEvent): Reservation {
  if (row === undefined) throw new Error(`${event.type} without its reservation`)
  return row
}
