/** How a batch of reservations is loaded and saved: one statement to load, one per table to save, whatever its size. */
import type { CommandOutcome } from '@ironsys/contracts'
import type { BatchEffects, PrefetchRequest, Progress } from '@ironsys/engine'
import { timeText } from './documents.ts'
import { readOutcome } from './outcomes.ts'
import { reservationColumns, reservationFromRow, slotColumns, slotFromRow } from './rows.ts'
import type { Reservation, ReservationEvent, Slot } from './state.ts'
import type { Statement } from './statement.ts'

type Effects = BatchEffects<ReservationEvent, Slot, Reservation, CommandOutcome>

/** The part of a batch that the domain's tables keep. */
export type SavedState = Pick<Effects, 'headers' | 'rows' | 'ledger'> & {
  readonly from: Pick<Progress, 'epoch'>
}

/** Satisfies `DomainTables` of packages/postgres. */
export const reservationTables = { prefetch, read, save, readOutcome }

const prefetchSql = `
WITH r AS (SELECT ${reservationColumns} FROM reservations WHERE id = ANY ($2::uuid[]))
SELECT coalesce((SELECT json_agg(r) FROM r), '[]') AS rows,
       coalesce((SELECT json_agg(s) FROM (
         SELECT ${slotColumns} FROM slots WHERE id = ANY ($1::uuid[] || ARRAY(SELECT DISTINCT slot_id FROM r))) s), '[]') AS headers`

function prefetch(request: PrefetchRequest): Statement {
  return { name: 'reservations-prefetch', text: prefetchSql, values: [request.keys, request.rowIds] }
}

function read(answer: { readonly headers: readonly unknown[]; readonly rows: readonly unknown[] }) {
  const slots = answer.headers.map((row) => slotFromRow(row).slot)
  const reservations = answer.rows.map(reservationFromRow)
  return {
    headers: new Map<string, Slot>(slots.map((slot) => [slot.id, slot])),
    rows: new Map<string, Reservation>(reservations.map((reservation) => [reservation.id, reservation])),
  }
}

function save(effects: SavedState): readonly Statement[] {
  return [
    ...insertSlots(effects),
    ...updateSlots(effects),
    ...insertReservations(effects),
    ...updateReservations(effects),
    ...insertLedger(effects),
  ]
}

function insertSlots(effects: SavedState): readonly Statement[] {
  const slots = [...effects.headers.values()]
    .filter((change) => change.created)
    .map((change) => change.header)
  if (slots.length === 0) return []
  const text = `
INSERT INTO slots (epoch, id, version, name, status, start_time, end_time, capacity, overbooking_bps, held, confirmed,
                   sales_open_at, sales_close_at, metadata, body_hash, created_at)
SELECT $1::bigint, * FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
  $8::int[], $9::int[], $10::int[], $11::int[], $12::timestamptz[], $13::timestamptz[], $14::jsonb[], $15::text[], $16::timestamptz[])`
  const values = [
    effects.from.epoch,
    plainArray(slots.map((slot) => slot.id)),
    plainArray(slots.map((slot) => slot.version)),
    slots.map((slot) => slot.name),
    plainArray(slots.map((slot) => slot.status)),
    plainArray(slots.map((slot) => timestamp(slot.startMs))),
    plainArray(slots.map((slot) => timestamp(slot.endMs))),
    ...poolColumns(slots),
    plainArray(slots.map((slot) => timestamp(slot.salesOpenMs))),
    plainArray(slots.map((slot) => timestamp(slot.salesCloseMs))),
    slots.map((slot) => jsonText(slot.metadata)),
    plainArray(slots.map((slot) => slot.bodyHash)),
    plainArray(slots.map((slot) => timestamp(slot.createdMs))),
  ]
  return [{ name: 'slots-insert', text, values }]
}

function updateSlots(effects: SavedState): readonly Statement[] {
  const slots = [...effects.headers.values()]
    .filter((change) => !change.created)
    .map((change) => change.header)
  if (slots.length === 0) return []
  const text = `
WITH changed AS (
  UPDATE slots SET epoch = $1, version = c.version, name = c.name, status = c.status, capacity = c.capacity,
                   overbooking_bps = c.overbooking_bps, held = c.held, confirmed = c.confirmed
    FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[], $9::int[])
      AS c (id, version, name, status, capacity, overbooking_bps, held, confirmed)
   WHERE slots.id = c.id
  RETURNING 1)
SELECT require_rows('slots', count(*), cardinality($2::uuid[])) FROM changed`
  const values = [
    effects.from.epoch,
    plainArray(slots.map((slot) => slot.id)),
    plainArray(slots.map((slot) => slot.version)),
    slots.map((slot) => slot.name),
    plainArray(slots.map((slot) => slot.status)),
    ...poolColumns(slots),
  ]
  return [{ name: 'slots-update', text, values }]
}

function insertReservations(effects: SavedState): readonly Statement[] {
  const rows = [...effects.rows.values()].filter((change) => change.created).map((change) => change.row)
  if (rows.length === 0) return []
  const text = `
INSERT INTO reservations (id, slot_id, slot_version, created_at, cancelled_at, quantity, user_id, status, reason, body_hash, metadata)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::int[], $7::text[],
  $8::text[], $9::text[], $10::text[], $11::jsonb[])`
  const values = [
    plainArray(rows.map((row) => row.id)),
    plainArray(rows.map((row) => row.slotId)),
    plainArray(rows.map((row) => row.slotVersion)),
    plainArray(rows.map((row) => timestamp(row.createdMs))),
    plainArray(rows.map((row) => timestamp(row.cancelledMs))),
    plainArray(rows.map((row) => row.quantity)),
    rows.map((row) => row.userId),
    plainArray(rows.map((row) => row.status)),
    rows.map((row) => row.reason),
    plainArray(rows.map((row) => row.bodyHash)),
    rows.map((row) => jsonText(row.metadata)),
  ]
  return [{ name: 'reservations-insert', text, values }]
}

function updateReservations(effects: SavedState): readonly Statement[] {
  const rows = [...effects.rows.values()].filter((change) => !change.created).map((change) => change.row)
  if (rows.length === 0) return []
  const text = `
WITH changed AS (
  UPDATE reservations SET status = c.status, slot_version = c.slot_version, cancelled_at = c.cancelled_at
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[]) AS c (id, status, slot_version, cancelled_at)
   WHERE reservations.id = c.id
  RETURNING 1)
SELECT require_rows('reservations', count(*), cardinality($1::uuid[])) FROM changed`
  const values = [
    plainArray(rows.map((row) => row.id)),
    plainArray(rows.map((row) => row.status)),
    plainArray(rows.map((row) => row.slotVersion)),
    plainArray(rows.map((row) => timestamp(row.cancelledMs))),
  ]
  return [{ name: 'reservations-update', text, values }]
}

function insertLedger(effects: SavedState): readonly Statement[] {
  const entries = effects.ledger
  if (entries.length === 0) return []
  const text = `
INSERT INTO slot_ledger (slot_id, version, at, held_delta, confirmed_delta, capacity, overbooking_bps, type, reservation_id, event)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::int[], $5::int[], $6::int[], $7::int[], $8::text[],
  $9::uuid[], $10::jsonb[])`
  const values = [
    plainArray(entries.map((entry) => entry.key)),
    plainArray(entries.map((entry) => entry.after.version)),
    plainArray(entries.map((entry) => timestamp(entry.atMs))),
    plainArray(entries.map((entry) => entry.after.pool.heldUnits - (entry.before?.pool.heldUnits ?? 0))),
    plainArray(
      entries.map((entry) => entry.after.pool.confirmedUnits - (entry.before?.pool.confirmedUnits ?? 0)),
    ),
    plainArray(entries.map((entry) => entry.after.pool.capacityUnits)),
    plainArray(entries.map((entry) => entry.after.pool.overbookingBps)),
    plainArray(entries.map((entry) => entry.event.type)),
    plainArray(entries.map((entry) => entry.event.rowId)),
    entries.map((entry) => JSON.stringify(entry.event)),
  ]
  return [{ name: 'slot-ledger-insert', text, values }]
}

function poolColumns(slots: readonly Slot[]): readonly string[] {
  return [
    plainArray(slots.map((slot) => slot.pool.capacityUnits)),
    plainArray(slots.map((slot) => slot.pool.overbookingBps)),
    plainArray(slots.map((slot) => slot.pool.heldUnits)),
    plainArray(slots.map((slot) => slot.pool.confirmedUnits)),
  ]
}

/**
 * An array parameter of values that need no escaping: ids, numbers, times, hex and words of our own. The driver's own
 * arrays escape every element, which is most of the cost of a wide batch.
 */
function plainArray(values: readonly (string | number | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join()}}`
}

function timestamp(ms: number | null): string | null {
  return ms === null ? null : timeText(ms)
}

function jsonText(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}
