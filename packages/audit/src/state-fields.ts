/** State field by field, as operators see it: what differs, and what the ledger says only once. */
import { timeText, timeTextOrNull } from '@ironsys/contracts'
import type { Reservation, Slot, Transition } from '@ironsys/reservations'

/** One field that a repair changes. Null: there is no such row, or no value. */
export interface Change {
  /** `slot`, `reservation …` or `snapshot`. */
  readonly subject: string
  readonly field: string
  readonly stored: string | null
  readonly derived: string | null
}

export type Fields = Readonly<Record<string, string | null>>

export function differences(subject: string, stored: Fields | null, derived: Fields): readonly Change[] {
  return Object.entries(derived).flatMap(([field, value]) => {
    const before = stored?.[field] ?? null
    return before === value && stored !== null ? [] : [{ subject, field, stored: before, derived: value }]
  })
}

export function slotFields(slot: Slot): Fields {
  return {
    version: String(slot.version),
    name: slot.name,
    status: slot.status,
    start_time: timeText(slot.startMs),
    end_time: timeText(slot.endMs),
    capacity: String(slot.pool.capacityUnits),
    overbooking_bps: String(slot.pool.overbookingBps),
    held: String(slot.pool.heldUnits),
    confirmed: String(slot.pool.confirmedUnits),
    hold_ttl_ms: numberOrNull(slot.holdTtlMs),
    max_per_user: numberOrNull(slot.maxPerUser),
    waitlist: String(slot.hasWaitlist),
    waitlist_count: String(slot.waitlistCount),
    sales_open_at: timeTextOrNull(slot.salesOpenMs),
    sales_close_at: timeTextOrNull(slot.salesCloseMs),
    metadata: jsonText(slot.metadata),
    body_hash: slot.bodyHash,
    created_at: timeText(slot.createdMs),
  }
}

export function reservationFields(reservation: Reservation): Fields {
  return {
    slot_id: reservation.slotId,
    user_id: reservation.userId,
    quantity: String(reservation.quantity),
    status: reservation.status,
    reason: reservation.reason,
    slot_version: String(reservation.slotVersion),
    metadata: jsonText(reservation.metadata),
    body_hash: reservation.bodyHash,
    created_at: timeText(reservation.createdMs),
    expires_at: timeTextOrNull(reservation.expiresMs),
    hold_ttl_ms: numberOrNull(reservation.holdTtlMs),
    place: numberOrNull(reservation.place),
    booking_id: reservation.bookingId,
    is_counted: String(reservation.isCounted),
    transitions: reservation.transitions.map(transitionText).join(', '),
  }
}

function transitionText({ status, atMs, reason }: Transition): string {
  return `${status} ${timeText(atMs)}${reason === null ? '' : ` (${reason})`}`
}

function numberOrNull(value: number | null): string | null {
  return value === null ? null : String(value)
}

/** Equal for equal values, whatever the order of their keys. */
function jsonText(value: unknown): string | null {
  return value === null ? null : JSON.stringify(ordered(value))
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, ordered(inner)]),
  )
}

/** Said by the entry that created the slot, and nowhere else in the ledger. */
const createdSlotFields = [
  ...['start_time', 'end_time', 'hold_ttl_ms', 'max_per_user', 'waitlist', 'sales_open_at', 'sales_close_at'],
  ...['metadata', 'body_hash', 'created_at'],
]
const createdReservationFields = [
  ...[
    'user_id',
    'quantity',
    'metadata',
    'body_hash',
    'hold_ttl_ms',
    'booking_id',
    'is_counted',
    'created_at',
  ],
]

/** A slot that is behind has not got the last change yet. */
export function doubtfulSlotFields(stored: Slot, derived: Slot, endsInChange: boolean): readonly string[] {
  if (stored.version < derived.version) return createdSlotFields
  const carried = endsInChange ? ['capacity', 'overbooking_bps'] : []
  return [...createdSlotFields, 'name', 'status', ...carried]
}

/** A reservation that is behind has not got the last entry yet, which alone says until when, and since when. */
export function doubtfulReservationFields(stored: Reservation, derived: Reservation): readonly string[] {
  const isBehind = stored.status !== derived.status || stored.slotVersion !== derived.slotVersion
  return isBehind ? createdReservationFields : [...createdReservationFields, 'expires_at', 'transitions']
}
