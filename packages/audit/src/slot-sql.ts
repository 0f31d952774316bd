/**
 * Slots against their ledgers and their reservations, in one statement: one snapshot of the database, whatever moves.
 *
 * Figures inside of events are compared as text: a damaged event is a finding and never an error of the statement.
 *
 * OFFSET 0 keeps the planner from turning the look-ups by key into joins that may read whole tables once per batch.
 */
import { boundFaults, entryFaults, versionFaults } from './entry-faults.ts'
import { lifeSql } from './life-sql.ts'
import { dueHoldFaults, reservationFaults, userLimitFaults } from './reservation-faults.ts'
import { missingEntries, rowSumFaults, slotFaults } from './slot-faults.ts'

const parts = [
  ...[versionFaults, boundFaults, entryFaults, missingEntries, slotFaults, reservationFaults],
  ...[dueHoldFaults, userLimitFaults],
]

/**
 * $1 slot ids, $2 and $3 first and last id that a reservation of each may have, $4 how many of the newest entries of
 * each are looked at (null: all), $5 how many faults are listed and $6 of which checks, $7 how long a hold may be over,
 * milliseconds. Answers one row: how many `entries`, `reservations`, `holds`, and reservations with a limit per user (`limited`),
 * were looked at, `counts` of all faults by check, `faults`, and the slots whose ledger is `damaged`.
 */
export const wholeSlotsSql = slotsSql(
  'OFFSET 0',
  `
  SELECT r.* FROM slot s, LATERAL (
    SELECT * FROM reservations r WHERE r.id BETWEEN s.first AND s.last AND r.slot_id = s.id OFFSET 0) r`,
  [...parts, rowSumFaults],
)

/**
 * The same for the newest entries of long ledgers. Weaker: what is before them is taken from the stored slot, and only
 * the reservations that they name are looked at.
 */
export const newestEntriesSql = slotsSql(
  // A stored version that is too low would else bring in the whole ledger.
  'ORDER BY version LIMIT $4::bigint',
  `
  SELECT r.* FROM decided d, LATERAL (
    SELECT * FROM reservations r WHERE r.id = d.reservation_id AND r.slot_id = d.slot_id OFFSET 0) r`,
  parts,
)

function slotsSql(ledgerPart: string, storedReservations: string, parts: readonly string[]): string {
  return `
WITH slot AS (
  SELECT s.*, w.first, w.last, coalesce(greatest(s.version - $4::bigint, 0), 0) AS seen_from
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS w (wanted, first, last),
         LATERAL (SELECT * FROM slots WHERE id = w.wanted OFFSET 0) s
), summed AS (
  SELECT l.*, s.seen_from, lag(l.version) OVER w AS version_before, lag(l.at) OVER w AS at_before,
         lag(l.capacity) OVER w AS capacity_before, lag(l.overbooking_bps) OVER w AS bps_before,
         sum(l.held_delta) OVER w AS held_sum, sum(l.confirmed_delta) OVER w AS confirmed_sum,
         sum(CASE WHEN l.type IN ('reservation_waitlisted', 'expired_requeued') THEN 1
                  WHEN l.type = 'waiter_promoted' OR l.cancels = 'waitlisted' THEN -1 ELSE 0 END) OVER w AS waiting_sum
    FROM slot s, LATERAL (
      SELECT *, CASE type WHEN 'reservation_cancelled' THEN coalesce(event ->> 'from', 'confirmed') END AS cancels
        FROM slot_ledger WHERE slot_id = s.id AND version > s.seen_from ${ledgerPart}) l
  WINDOW w AS (PARTITION BY l.slot_id ORDER BY l.version, l.at ROWS UNBOUNDED PRECEDING)
), newest AS (
  SELECT DISTINCT ON (slot_id) slot_id, version, capacity, overbooking_bps, held_sum, confirmed_sum, waiting_sum
    FROM summed ORDER BY slot_id, version DESC, at DESC
), carried AS (
  SELECT s.id, CASE WHEN s.seen_from = 0 THEN 0 ELSE s.held - n.held_sum END AS held,
         CASE WHEN s.seen_from = 0 THEN 0 ELSE s.confirmed - n.confirmed_sum END AS confirmed,
         CASE WHEN s.seen_from = 0 THEN 0 ELSE s.waitlist_count - n.waiting_sum END AS waiting
    FROM slot s JOIN newest n ON n.slot_id = s.id
), bounded AS (
  SELECT e.*, c.held + e.held_sum AS held, c.confirmed + e.confirmed_sum AS confirmed, c.waiting + e.waiting_sum AS waiting,
         c.held + e.held_sum < 0 OR c.confirmed + e.confirmed_sum < 0 OR c.waiting + e.waiting_sum < 0
           OR c.held + e.held_sum + c.confirmed + e.confirmed_sum > limit_units(e.capacity, e.overbooking_bps) AS out_of_bounds
    FROM summed e JOIN carried c ON c.id = e.slot_id
), entry AS (
  SELECT b.*, lag(b.out_of_bounds) OVER (PARTITION BY b.slot_id ORDER BY b.version, b.at) AS out_of_bounds_before FROM bounded b
), ${lifeSql}, stored AS (${storedReservations}
), fault AS (
  ${parts.join('\n  UNION ALL\n')}
)
SELECT (SELECT count(*)::int FROM entry) AS entries, (SELECT count(*)::int FROM stored) AS reservations,
       (SELECT count(*)::int FROM stored WHERE status = 'held') AS holds,
       (SELECT count(*)::int FROM slot s JOIN stored r ON r.slot_id = s.id WHERE s.max_per_user IS NOT NULL) AS limited,
       coalesce((SELECT json_object_agg(name, n) FROM (SELECT name, count(*) AS n FROM fault GROUP BY name) c), '{}') AS counts,
       coalesce((SELECT json_agg(f) FROM (
         SELECT name, slot_id, version::text AS version, reservation_id, detail, fields FROM fault WHERE name = ANY ($6) ORDER BY slot_id, fault.version LIMIT $5) f), '[]') AS faults,
       ARRAY(SELECT DISTINCT slot_id::text FROM fault WHERE ledger_damaged) AS damaged`
}
