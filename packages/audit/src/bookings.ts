/**
 * The check `bookings`: all or none. A confirmed booking has all its reservations confirmed; of one that is over none is
 * held or confirmed; a held reservation of a booking has a booking that is not over; none is past its deadline for long.
 *
 * What a booking decides reaches its slots through the outbox and their log, so that a difference may only say that this
 * is on its way. The order of reading makes sure: the bookings with the difference, and where their partitions' events
 * stand; once these have left the outbox, the end of the slots' log; once the slots' writers have passed that, the same
 * bookings again. What differs still, of a booking that is as it was, is a finding. Where the writers do not get as far
 * in a bounded time nothing is judged, and the check says so.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { topics } from '@ironsys/contracts'
import type { Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { type Query, readConsistently } from './consistent-read.ts'
import type { LogSource } from './log-source.ts'
import type { Protocol } from './report.ts'

export interface BookingAuditOptions {
  readonly bookingsPerPage: number
  readonly statementTimeoutMs: number
  /** A booking whose deadline is over for longer is stuck, milliseconds. */
  readonly stuckAfterMs: number
  /** How long what is on its way is waited for, milliseconds, and how often it is looked at in that time. */
  readonly bookingWaitMs: number
  readonly bookingLooks: number
}

/** Differences that are looked at again; more of them are not judged. */
const DIFFERENCES_MAX = 1000
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

const differenceRows = z.array(
  z.object({ booking_id: z.string(), slot_id: z.string().nullable(), detail: z.string(), state: z.string() }),
)
type Difference = z.infer<typeof differenceRows>[number]

/**
 * `b` bookings with their items, `r` the reservations. A slot that is long over is retired with its reservations while
 * the booking may have other slots: a reservation that is missing with its slot is none of its matter.
 */
const itemDifference = `CASE
    WHEN b.status = 'confirmed' AND r.id IS NULL AND EXISTS (SELECT FROM slots s WHERE s.id = i.slot_id)
      THEN format('it is confirmed, but reservation %s is not stored', i.reservation_id)
    WHEN b.status = 'confirmed' AND r.status <> 'confirmed'
      THEN format('it is confirmed, but reservation %s is %s', i.reservation_id, r.status)
    WHEN b.status IN ('rejected', 'cancelled', 'expired') AND r.status IN ('held', 'confirmed', 'waitlisted')
      THEN format('it is %s, but reservation %s is %s', b.status, i.reservation_id, r.status)
    WHEN b.status IN ('pending', 'held') AND r.status = 'confirmed'
      THEN format('it is %s, but reservation %s is confirmed', b.status, i.reservation_id)
    WHEN r.booking_id IS DISTINCT FROM b.id AND r.status <> 'rejected'
      THEN format('reservation %s belongs to %s', i.reservation_id, coalesce('booking ' || r.booking_id, 'no booking'))
    WHEN r.quantity <> i.quantity
      THEN format('it asked for %s units, reservation %s has %s', i.quantity, i.reservation_id, r.quantity) END`

const columns = `b.id AS booking_id, i.slot_id, d.detail, concat_ws(' ', b.version, r.slot_version) AS state`
const joined = `JOIN booking_items i ON i.booking_id = b.id LEFT JOIN reservations r ON r.id = i.reservation_id,
  LATERAL (SELECT ${itemDifference} AS detail) d`

const pageSql = `
WITH page AS (SELECT * FROM bookings WHERE id > $1 ORDER BY id LIMIT $2)
SELECT (SELECT count(*)::int FROM page) AS bookings, (SELECT max(id::text) FROM page) AS last,
       coalesce((SELECT json_agg(f) FROM (
         SELECT ${columns} FROM page b ${joined} WHERE d.detail IS NOT NULL LIMIT ${DIFFERENCES_MAX}) f), '[]') AS differences`

const againSql = `SELECT ${columns} FROM bookings b ${joined} WHERE b.id = ANY ($1::uuid[]) AND d.detail IS NOT NULL`

/** Held for a booking that nobody knows. Beside the pages: they begin with what bookings there are. */
const strangeSql = `
SELECT r.booking_id, r.slot_id, format('there is no such booking, but reservation %s is held for it', r.id) AS detail,
       r.slot_version::text AS state
  FROM reservations r WHERE r.status = 'held' AND r.booking_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM booking_items i WHERE i.reservation_id = r.id AND i.booking_id = r.booking_id)
 LIMIT ${DIFFERENCES_MAX}`

const overdueSql = `
SELECT id AS booking_id, NULL AS slot_id, format('it is %s, and its deadline was over at %s', status, deadline) AS detail, '' AS state
  FROM bookings WHERE deadline + $1::bigint * interval '1 ms' < now() LIMIT ${DIFFERENCES_MAX}`

/** All bookings, in the order of their ids. `log` is only asked where something differs. */
export async function auditBookings(
  pool: Pool,
  log: () => LogSource,
  protocol: Protocol,
  options: BookingAuditOptions,
  onPage: (bookings: number) => void,
): Promise<void> {
  const read = <T>(work: (query: Query) => Promise<T>) =>
    readConsistently(pool, options.statementTimeoutMs, work)
  const overdue = await read((query) => query(overdueSql, [options.stuckAfterMs]))
  report(differenceRows.parse(overdue), protocol, stuckRemedy)
  const differences = await read(async (query) => differenceRows.parse(await query(strangeSql)))
  for (let after: string | null = FIRST_ID; after !== null; ) {
    const page: BookingPage = pageRow.parse(
      (await read((query) => query(pageSql, [after, options.bookingsPerPage])))[0],
    )
    differences.push(...page.differences)
    protocol.count('bookings', page.bookings)
    onPage(page.bookings)
    after = page.bookings < options.bookingsPerPage ? null : page.last
  }
  if (differences.length === 0) return
  if (differences.length > DIFFERENCES_MAX)
    protocol.skip('bookings', `only the first ${DIFFERENCES_MAX} differences were looked at again`)
  await judge(read, log(), differences.slice(0, DIFFERENCES_MAX), protocol, options)
}

const pageRow = z.object({ bookings: z.int(), last: z.string().nullable(), differences: differenceRows })
type BookingPage = z.infer<typeof pageRow>

type Read = <T>(work: (query: Query) => Promise<T>) => Promise<T>

async function judge(
  read: Read,
  log: LogSource,
  differences: readonly Difference[],
  protocol: Protocol,
  options: BookingAuditOptions,
): Promise<void> {
  const passed = await waitForSlots(read, log, options)
  if (!passed) {
    protocol.skip(
      'bookings',
      'the slots have not applied yet what bookings decided: differences are not judged',
    )
    return
  }
  const ids = [...new Set(differences.map(({ booking_id }) => booking_id))]
  const later = await read(async (query) => [
    ...differenceRows.parse(await query(againSql, [ids])),
    ...differenceRows.parse(await query(strangeSql)),
  ])
  const seen = new Set(differences.map(keyOf))
  report(
    later.filter((difference) => seen.has(keyOf(difference))),
    protocol,
  )
}

/** The same difference of the same booking, with neither it nor the reservation changed. */
function keyOf({ booking_id, detail, state }: Difference): string {
  return `${booking_id} ${state} ${detail}`
}

const positionRows = z.array(z.object({ partition: z.int(), at: z.coerce.number() }))

/** False when what bookings decided before the call does not reach the slots' state in time. */
async function waitForSlots(
  read: Read,
  log: LogSource,
  { bookingWaitMs, bookingLooks }: BookingAuditOptions,
): Promise<boolean> {
  const decided = await read((query) => positions(query, 'event_seq', topics.bookingCommands))
  let ends: ReadonlyMap<number, number> | null = null
  for (let look = 0; look <= bookingLooks; look++) {
    if (look > 0) await delay(bookingWaitMs / bookingLooks)
    if (ends === null && (await read((query) => hasLeftOutbox(query, decided)))) {
      const bounds = await log.bounds(topics.reservationCommands)
      ends = new Map([...bounds].map(([partition, { high }]) => [partition, high]))
    }
    if (ends === null) continue
    const fences = await read((query) => positions(query, 'next_offset', topics.reservationCommands))
    if ([...ends].every(([partition, end]) => (fences.get(partition) ?? 0) >= end)) return true
  }
  return false
}

async function positions(
  query: Query,
  column: 'event_seq' | 'next_offset',
  topic: string,
): Promise<ReadonlyMap<number, number>> {
  const text = `SELECT partition, ${column}::text AS at FROM partition_progress WHERE topic = $1`
  return new Map(positionRows.parse(await query(text, [topic])).map(({ partition, at }) => [partition, at]))
}

async function hasLeftOutbox(query: Query, decided: ReadonlyMap<number, number>): Promise<boolean> {
  const text = 'SELECT partition, min(first_seq)::text AS at FROM outbox WHERE topic = $1 GROUP BY partition'
  const unsent = positionRows.parse(await query(text, [topics.bookingCommands]))
  return unsent.every(({ partition, at }) => at > (decided.get(partition) ?? 0))
}

const stuckRemedy =
  "start a worker, or see in the worker's log why the booking is not woken: ironsys_halted_partitions"

function report(differences: readonly Difference[], protocol: Protocol, remedy?: string): void {
  for (const { booking_id, slot_id, detail } of differences) {
    const subject = `booking ${booking_id}`
    const finding = { check: 'bookings', subject, slotId: slot_id, detail, repairable: null } as const
    protocol.add(remedy === undefined ? finding : { ...finding, remedy })
  }
}
