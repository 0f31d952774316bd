/** How a batch of bookings is loaded and saved: one statement to load, one per table to save, whatever its size. */
import { type CommandOutcome, readOutcome, timeText, timeTextOrNull } from '@ironsys/contracts'
import type { BatchEffects, Page, PrefetchRequest, Progress } from '@ironsys/engine'
import { plainArray, type Statement, type StatementValue } from '@ironsys/sql'
import { bookingColumns, bookingFromRow } from './rows.ts'
import { type Booking, type BookingEvent, modeOf } from './state.ts'

type Effects = BatchEffects<BookingEvent, Booking, never, CommandOutcome>

/** The part of a batch that the domain's tables keep: there is no ledger. */
export type SavedState = Pick<Effects, 'headers' | 'removedKeys'> & {
  readonly id: Pick<Effects['id'], 'partition'>
  readonly from: Pick<Progress, 'epoch'>
}

/** Satisfies `DomainTables` of packages/postgres. */
export const bookingTables = { prefetch, read, dueKeys, save, readOutcome }

const prefetchSql = `
SELECT '[]'::json AS rows, '[]'::json AS pages,
       coalesce((SELECT json_agg(h) FROM (SELECT ${bookingColumns} FROM bookings b WHERE b.id = ANY ($1::uuid[])) h), '[]') AS headers`

function prefetch(request: PrefetchRequest): Statement {
  return { name: 'bookings-prefetch', text: prefetchSql, values: [request.keys] }
}

function read(answer: { readonly headers: readonly unknown[] }) {
  const bookings = answer.headers.map(bookingFromRow)
  const pages: readonly Page<never>[] = []
  return {
    headers: new Map<string, Booking>(bookings.map((booking) => [booking.id, booking])),
    rows: new Map<string, never>(),
    pages,
  }
}

function dueKeys(partition: number, limit: number): Statement {
  const text = `SELECT id AS key, (extract(epoch FROM deadline) * 1000)::bigint AS at FROM bookings
                 WHERE partition = $1 AND deadline IS NOT NULL ORDER BY deadline LIMIT $2`
  return { name: 'bookings-due', text, values: [partition, limit] }
}

function save(effects: SavedState): readonly Statement[] {
  const changes = [...effects.headers.values()]
  const created = changes.filter((change) => change.created).map((change) => change.header)
  const updated = changes.filter((change) => !change.created).map((change) => change.header)
  return [
    ...remove([...effects.removedKeys]),
    ...insertBookings(created, effects),
    ...updateBookings(updated, effects),
    ...insertItems(created),
    ...updateItems(updated),
  ]
}

function remove(ids: readonly string[]): readonly Statement[] {
  if (ids.length === 0) return []
  const values = [plainArray(ids)]
  const bookings = 'DELETE FROM bookings WHERE id = ANY ($1::uuid[])'
  const items = 'DELETE FROM booking_items WHERE booking_id = ANY ($1::uuid[])'
  return [
    { name: 'bookings-delete', text: bookings, values },
    { name: 'booking-items-delete', text: items, values },
  ]
}

function insertBookings(bookings: readonly Booking[], { id, from }: SavedState): readonly Statement[] {
  if (bookings.length === 0) return []
  const text = `
INSERT INTO bookings (partition, epoch, id, version, user_id, status, deadline, ends_at, reason, failed_slot_id, body_hash,
                      reply_to, transitions, mode, hold_ttl_ms, created_at)
SELECT $1::int, $2::bigint, * FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[],
  $8::timestamptz[], $9::text[], $10::uuid[], $11::text[], $12::text[], $13::jsonb[], $14::text[], $15::bigint[],
  $16::timestamptz[])`
  const values = [
    id.partition,
    from.epoch,
    ...changingColumns(bookings),
    plainArray(bookings.map(modeOf)),
    plainArray(bookings.map((booking) => booking.holdTtlMs)),
    plainArray(bookings.map((booking) => timeText(booking.createdMs))),
  ]
  return [{ name: 'bookings-insert', text, values }]
}

function updateBookings(bookings: readonly Booking[], { from }: SavedState): readonly Statement[] {
  if (bookings.length === 0) return []
  const text = `
WITH changed AS (
  UPDATE bookings SET epoch = $1, version = c.version, user_id = c.user_id, status = c.status, deadline = c.deadline,
                      ends_at = c.ends_at, reason = c.reason, failed_slot_id = c.failed_slot_id,
                      body_hash = c.body_hash, reply_to = c.reply_to, transitions = c.transitions
    FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[],
                $9::uuid[], $10::text[], $11::text[], $12::jsonb[])
      AS c (id, version, user_id, status, deadline, ends_at, reason, failed_slot_id, body_hash, reply_to, transitions)
   WHERE bookings.id = c.id
  RETURNING 1)
SELECT require_rows('bookings', count(*), cardinality($2::uuid[])) FROM changed`
  return [{ name: 'bookings-update', text, values: [from.epoch, ...changingColumns(bookings)] }]
}

/** In the order of both statements. */
function changingColumns(bookings: readonly Booking[]): readonly StatementValue[] {
  return [
    plainArray(bookings.map((booking) => booking.id)),
    plainArray(bookings.map((booking) => booking.version)),
    bookings.map((booking) => booking.userId),
    plainArray(bookings.map((booking) => booking.status)),
    plainArray(bookings.map((booking) => timeTextOrNull(booking.deadlineMs))),
    plainArray(bookings.map((booking) => timeTextOrNull(booking.endsMs))),
    plainArray(bookings.map((booking) => booking.reason)),
    plainArray(bookings.map((booking) => booking.failedSlotId)),
    plainArray(bookings.map((booking) => booking.bodyHash)),
    bookings.map((booking) => booking.replyTo),
    bookings.map(({ transitions }) =>
      JSON.stringify(transitions.map(({ status, atMs, reason }) => [status, atMs, reason])),
    ),
  ]
}

function insertItems(bookings: readonly Booking[]): readonly Statement[] {
  const items = itemsOf(bookings)
  if (items.length === 0) return []
  const text = `
INSERT INTO booking_items (reservation_id, status, booking_id, slot_id, quantity, position)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::int[], $6::smallint[])`
  const values = [
    plainArray(items.map((item) => item.reservationId)),
    plainArray(items.map((item) => item.status)),
    plainArray(items.map((item) => item.bookingId)),
    plainArray(items.map((item) => item.slotId)),
    plainArray(items.map((item) => item.quantity)),
    plainArray(items.map((item) => item.position)),
  ]
  return [{ name: 'booking-items-insert', text, values }]
}

/** What a slot has answered, once: nothing is written for items that have their answer already. */
function updateItems(bookings: readonly Booking[]): readonly Statement[] {
  const items = itemsOf(bookings).filter((item) => item.status !== 'asked')
  if (items.length === 0) return []
  const text = `
WITH c AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::text[]) AS c (reservation_id, status)
), changed AS (
  UPDATE booking_items SET status = c.status FROM c
   WHERE booking_items.reservation_id = c.reservation_id AND booking_items.status <> c.status
)
SELECT require_rows('booking_items', count(*), cardinality($1::uuid[]))
  FROM c JOIN booking_items USING (reservation_id)`
  const values = [
    plainArray(items.map((item) => item.reservationId)),
    plainArray(items.map((item) => item.status)),
  ]
  return [{ name: 'booking-items-update', text, values }]
}

function itemsOf(bookings: readonly Booking[]) {
  return bookings.flatMap(({ id, items }) =>
    items.map((item, position) => ({ ...item, bookingId: id, position })),
  )
}
