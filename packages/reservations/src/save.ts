/** How a batch of reservations is saved: one statement per table and kind of change, whatever its size. */
import { type CommandOutcome, idRangeOfKey, timeText, timeTextOrNull } from '@ironsys/contracts'
import { type BatchEffects, InvariantError, type Progress } from '@ironsys/engine'
import { plainArray, type Statement, type StatementValue, sparse } from '@ironsys/sql'
import { transitionsText } from './rows.ts'
import type { Reservation, ReservationEvent, Slot } from './state.ts'

type Effects = BatchEffects<ReservationEvent, Slot, Reservation, CommandOutcome>

/** The part of a batch that the domain's tables keep. */
export type SavedState = Pick<Effects, 'headers' | 'rows' | 'ledger' | 'removedKeys'> & {
  /** Where the slots are written; null where that is not known. */
  readonly id: { readonly partition: number | null }
  readonly from: Pick<Progress, 'epoch'>
}

export function save(effects: SavedState): readonly Statement[] {
  const slots = [...effects.headers.values()]
  const rows = [...effects.rows.values()]
  return [
    ...remove([...effects.removedKeys]),
    ...insertSlots(
      effects,
      slots.flatMap(({ header, created }) => (created ? [header] : [])),
    ),
    ...updateSlots(
      effects,
      slots.flatMap(({ header, created }) => (created ? [] : [header])),
    ),
    ...insertReservations(rows.flatMap(({ row, created }) => (created ? [row] : []))),
    ...updateReservations(rows.flatMap(({ row, created }) => (created ? [] : [row]))),
    ...insertLedger(effects),
    ...erase(erasedIn(effects)),
  ]
}

function remove(slotIds: readonly string[]): readonly Statement[] {
  if (slotIds.length === 0) return []
  const ids = plainArray(slotIds)
  const ranges = slotIds.map(idRangeOfKey)
  const slots = 'DELETE FROM slots WHERE id = ANY ($1::uuid[])'
  const reservations = `
DELETE FROM reservations USING unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS slot (id, first, last)
 WHERE reservations.id BETWEEN slot.first AND slot.last AND reservations.slot_id = slot.id`
  const ledger = 'DELETE FROM slot_ledger WHERE slot_id = ANY ($1::uuid[])'
  const rangeValues = [
    plainArray(ranges.map((range) => range.first)),
    plainArray(ranges.map((range) => range.last)),
  ]
  return [
    { name: 'slots-remove', text: slots, values: [ids] },
    { name: 'reservations-remove', text: reservations, values: [ids, ...rangeValues] },
    { name: 'slot-ledger-remove', text: ledger, values: [ids] },
  ]
}

function insertSlots({ id, from }: SavedState, slots: readonly Slot[]): readonly Statement[] {
  if (slots.length === 0) return []
  const text = `
INSERT INTO slots (epoch, partition, id, version, name, status, capacity, overbooking_bps, held, confirmed, waitlist_count,
                   start_time, end_time, hold_ttl_ms, max_per_user, waitlist, sales_open_at, sales_close_at, metadata,
                   body_hash, created_at)
SELECT $1::bigint, $2::int, * FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::int[], $9::int[],
  $10::int[], $11::int[], $12::timestamptz[], $13::timestamptz[], $14::bigint[], $15::int[], $16::boolean[],
  $17::timestamptz[], $18::timestamptz[], $19::jsonb[], $20::text[], $21::timestamptz[])`
  const values = [
    from.epoch,
    id.partition,
    ...changingColumns(slots),
    plainArray(slots.map((slot) => timeText(slot.startMs))),
    plainArray(slots.map((slot) => timeText(slot.endMs))),
    plainArray(sparse(slots.map((slot) => slot.holdTtlMs))),
    plainArray(sparse(slots.map((slot) => slot.maxPerUser))),
    plainArray(slots.map((slot) => slot.hasWaitlist)),
    plainArray(sparse(slots.map((slot) => timeTextOrNull(slot.salesOpenMs)))),
    plainArray(sparse(slots.map((slot) => timeTextOrNull(slot.salesCloseMs)))),
    sparse(slots.map((slot) => jsonText(slot.metadata))),
    plainArray(slots.map((slot) => slot.bodyHash)),
    plainArray(slots.map((slot) => timeText(slot.createdMs))),
  ]
  return [{ name: 'slots-insert', text, values }]
}

function updateSlots({ id, from }: SavedState, slots: readonly Slot[]): readonly Statement[] {
  if (slots.length === 0) return []
  const text = `
WITH changed AS (
  UPDATE slots SET epoch = $1, partition = $2, version = c.version, name = c.name, status = c.status,
                   capacity = c.capacity, overbooking_bps = c.overbooking_bps, held = c.held, confirmed = c.confirmed,
                   waitlist_count = c.waitlist_count
    FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::int[], $9::int[], $10::int[], $11::int[])
      AS c (id, version, name, status, capacity, overbooking_bps, held, confirmed, waitlist_count)
   WHERE slots.id = c.id
  RETURNING 1)
SELECT require_rows('slots', count(*), cardinality($3::uuid[])) FROM changed`
  const values = [from.epoch, id.partition, ...changingColumns(slots)]
  return [{ name: 'slots-update', text, values }]
}

/** In the order of both statements. */
function changingColumns(slots: readonly Slot[]): readonly StatementValue[] {
  return [
    plainArray(slots.map((slot) => slot.id)),
    plainArray(slots.map((slot) => slot.version)),
    slots.map((slot) => slot.name),
    plainArray(slots.map((slot) => slot.status)),
    plainArray(slots.map((slot) => slot.pool.capacityUnits)),
    plainArray(slots.map((slot) => slot.pool.overbookingBps)),
    plainArray(slots.map((slot) => slot.pool.heldUnits)),
    plainArray(slots.map((slot) => slot.pool.confirmedUnits)),
    plainArray(slots.map((slot) => slot.waitlistCount)),
  ]
}

function insertReservations(rows: readonly Reservation[]): readonly Statement[] {
  if (rows.length === 0) return []
  const text = `
INSERT INTO reservations (id, slot_id, slot_version, created_at, quantity, user_id, status, is_counted, reason, body_hash,
                          metadata, hold_ttl_ms, booking_id, expires_at, place, transitions)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::int[], $6::text[], $7::text[],
  $8::boolean[], $9::text[], $10::text[], $11::jsonb[], $12::bigint[], $13::uuid[], $14::timestamptz[], $15::bigint[],
  $16::jsonb[])`
  const values = [
    plainArray(rows.map((row) => row.id)),
    plainArray(rows.map((row) => row.slotId)),
    plainArray(rows.map((row) => row.slotVersion)),
    plainArray(rows.map((row) => timeText(row.createdMs))),
    plainArray(rows.map((row) => row.quantity)),
    rows.map((row) => row.userId),
    plainArray(rows.map((row) => row.status)),
    plainArray(rows.map((row) => row.isCounted)),
    plainArray(sparse(rows.map((row) => row.reason))),
    plainArray(sparse(rows.map((row) => row.bodyHash))),
    sparse(rows.map((row) => jsonText(row.metadata))),
    plainArray(sparse(rows.map((row) => row.holdTtlMs))),
    plainArray(sparse(rows.map((row) => row.bookingId))),
    ...standingColumns(rows),
  ]
  return [{ name: 'reservations-insert', text, values }]
}

function updateReservations(rows: readonly Reservation[]): readonly Statement[] {
  if (rows.length === 0) return []
  const text = `
WITH changed AS (
  UPDATE reservations SET status = c.status, slot_version = c.slot_version, expires_at = c.expires_at, place = c.place,
                          transitions = c.transitions
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::jsonb[])
      AS c (id, status, slot_version, expires_at, place, transitions)
   WHERE reservations.id = c.id
  RETURNING 1)
SELECT require_rows('reservations', count(*), cardinality($1::uuid[])) FROM changed`
  const values = [
    plainArray(rows.map((row) => row.id)),
    plainArray(rows.map((row) => row.status)),
    plainArray(rows.map((row) => row.slotVersion)),
    ...standingColumns(rows),
  ]
  return [{ name: 'reservations-update', text, values }]
}

/** In the order of both statements. */
function standingColumns(rows: readonly Reservation[]): readonly StatementValue[] {
  return [
    plainArray(sparse(rows.map((row) => timeTextOrNull(row.expiresMs)))),
    plainArray(sparse(rows.map((row) => row.place))),
    sparse(rows.map(transitionsText)),
  ]
}

function insertLedger({ ledger }: SavedState): readonly Statement[] {
  if (ledger.length === 0) return []
  const text = `
INSERT INTO slot_ledger (slot_id, version, at, held_delta, confirmed_delta, capacity, overbooking_bps, type, reservation_id, event)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::int[], $5::int[], $6::int[], $7::int[], $8::text[],
  $9::uuid[], $10::jsonb[])`
  const values = [
    plainArray(ledger.map((entry) => entry.key)),
    plainArray(ledger.map((entry) => entry.after.version)),
    plainArray(ledger.map((entry) => timeText(entry.atMs))),
    plainArray(ledger.map((entry) => entry.after.pool.heldUnits - (entry.before?.pool.heldUnits ?? 0))),
    plainArray(
      ledger.map((entry) => entry.after.pool.confirmedUnits - (entry.before?.pool.confirmedUnits ?? 0)),
    ),
    plainArray(ledger.map((entry) => entry.after.pool.capacityUnits)),
    plainArray(ledger.map((entry) => entry.after.pool.overbookingBps)),
    plainArray(ledger.map((entry) => entry.event.type)),
    plainArray(ledger.map((entry) => entry.event.rowId)),
    ledger.map((entry) => JSON.stringify(entry.event)),
  ]
  return [{ name: 'slot-ledger-insert', text, values }]
}

/**
 * Those from which the person was taken out. Of decided ones the ledger says so. Of a rejected one, which the ledger does not
 * know, nothing else ever changes: that it was is all there is to see. Throws InvariantError for one that was not erased.
 */
function erasedIn({ rows, ledger }: SavedState): readonly Reservation[] {
  const named = new Set(
    ledger.flatMap(({ event }) => (event.type === 'reservation_erased' ? event.rowId : [])),
  )
  const erased = [...rows.values()].flatMap(({ row, created }) =>
    named.has(row.id) || (row.status === 'rejected' && !created) ? row : [],
  )
  for (const { id, metadata, bodyHash } of erased) {
    if (metadata !== null || bodyHash !== null)
      throw new InvariantError(`reservation ${id} was to be erased, and is not`)
  }
  return erased
}

/**
 * Behind the ledger's insert: the first decision about a reservation, the one event that says who it is for, may be of
 * this very batch. It is found by its time, in one walk over the slot's entries: no index leads to it.
 */
function erase(rows: readonly Reservation[]): readonly Statement[] {
  if (rows.length === 0) return []
  const state = `
WITH changed AS (
  UPDATE reservations SET user_id = c.user_id, metadata = NULL, body_hash = NULL
    FROM unnest($1::uuid[], $2::text[]) AS c (id, user_id) WHERE reservations.id = c.id
  RETURNING 1)
SELECT require_rows('reservations', count(*), cardinality($1::uuid[])) FROM changed`
  const ledger = `
WITH changed AS (
  UPDATE slot_ledger
     SET event = event || jsonb_build_object('metadata', NULL, 'bodyHash', NULL, 'userId',
           ($2::text[])[array_position($1::uuid[], reservation_id)])
   WHERE slot_id = ANY ($3::uuid[]) AND at BETWEEN $4 AND $5 AND reservation_id = ANY ($1::uuid[]) AND event ? 'userId'
  RETURNING 1)
SELECT require_rows('slot_ledger', count(*), cardinality($1::uuid[])) FROM changed`
  const statements: Statement[] = [{ name: 'reservations-erase', text: state, values: columnsOf(rows) }]
  const decided = rows.filter((row) => row.status !== 'rejected')
  if (decided.length > 0) {
    const slotIds = plainArray([...new Set(decided.map((row) => row.slotId))])
    const times = decided.map((row) => row.createdMs)
    const bounds = [timeText(Math.min(...times)), timeText(Math.max(...times))]
    statements.push({
      name: 'slot-ledger-erase',
      text: ledger,
      values: [...columnsOf(decided), slotIds, ...bounds],
    })
  }
  return statements
}

function columnsOf(rows: readonly Reservation[]): readonly StatementValue[] {
  return [plainArray(rows.map((row) => row.id)), rows.map((row) => row.userId)]
}

function jsonText(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}
