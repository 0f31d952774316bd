/**
 * The life of each reservation as its ledger entries tell it, step by step: parts of {@link file://./slot-sql.ts}.
 *
 * An erasure is no step: it changes who it was, not what became of it. Of a long ledger only the newest steps may be
 * there; what came before the first of them is then not judged.
 */
import { msText } from './fault-sql.ts'

/** By event: what the reservation was before it, and what it is then. */
const steps: Readonly<Record<string, readonly [before: string, after: string]>> = {
  reservation_confirmed: ['nothing', 'confirmed'],
  reservation_held: ['nothing', 'held'],
  reservation_waitlisted: ['nothing', 'waitlisted'],
  hold_confirmed: ['held', 'confirmed'],
  hold_expired: ['held', 'expired'],
  hold_overdue: ['held', 'held'],
  waiter_promoted: ['waitlisted', 'held'],
  expired_reconfirmed: ['expired', 'confirmed'],
  expired_requeued: ['expired', 'waitlisted'],
}

const caseOf = (value: (step: readonly [before: string, after: string]) => string): string =>
  Object.entries(steps)
    .map(([type, step]) => `WHEN '${type}' THEN '${value(step)}'`)
    .join(' ')

/** Why it became so, as its transitions tell it. */
const reasonSql = `CASE type WHEN 'hold_expired' THEN 'hold-expired' WHEN 'waiter_promoted' THEN 'units-released'
    WHEN 'expired_reconfirmed' THEN 'late-confirmation' WHEN 'expired_requeued' THEN 'late-confirmation'
    WHEN 'reservation_cancelled' THEN coalesce(event ->> 'reason', 'by-request') END`

/** What is wrong with a step; null where nothing is. */
const misstepSql = `CASE
    WHEN before <> 'nothing' AND status_before IS NULL AND seen_from > 0 THEN NULL
    WHEN before <> coalesce(status_before, 'nothing')
      THEN format('version %s is %s, but it was %s before', version, type, coalesce(status_before, 'nothing'))
    WHEN before = 'held' AND booking = '' AND type IN ('hold_confirmed', 'reservation_cancelled') AND expires_before <= ${msText('at')}
      THEN format('version %s is %s, but its hold was over', version, type)
    WHEN type IN ('hold_expired', 'hold_overdue') AND expires_before > ${msText('at')}
      THEN format('version %s is %s, but it was held still', version, type)
    WHEN (type = 'hold_expired' AND booking <> '') OR (type = 'hold_overdue' AND booking <> event ->> 'bookingId')
      THEN format('version %s is %s, but it is of %s', version, type, CASE booking WHEN '' THEN 'no booking' ELSE 'booking ' || booking END)
    END`

/**
 * `step`: entries about reservations, with what each was before. `decided`: what a reservation's entries say together.
 * Who it is, and what it carried, is said by the first of them (`first_version`), the status by `status_version`.
 */
export const lifeSql = `
step AS (
  SELECT *, ${misstepSql} AS misstep
    FROM (
      SELECT slot_id, reservation_id, seen_from, version, at, type, event, before, after, before = 'nothing' AS is_first,
             lag(after) OVER w AS status_before, lag(expires) OVER w AS expires_before,
             first_value(CASE before WHEN 'nothing' THEN coalesce(event ->> 'bookingId', '') END) OVER w AS booking,
             lead(version) OVER w IS NULL AS is_last, lag(version) OVER w IS NULL AND lead(version) OVER w IS NULL AS is_only
        FROM entry, LATERAL (SELECT
          CASE type ${caseOf(([before]) => before)} WHEN 'reservation_cancelled' THEN cancels END AS before,
          CASE type ${caseOf(([, after]) => after)} WHEN 'reservation_cancelled' THEN 'cancelled' END AS after,
          CASE jsonb_typeof(event -> 'expiresMs') WHEN 'number' THEN (event ->> 'expiresMs')::numeric END AS expires) life
       WHERE reservation_id IS NOT NULL
      WINDOW w AS (PARTITION BY slot_id, reservation_id, type = 'reservation_erased' ORDER BY version, at)) s
), decided AS (
  SELECT slot_id, reservation_id, min(seen_from) AS seen_from, max(version) AS version,
         count(*) FILTER (WHERE is_first) AS firsts, min(misstep) AS misstep,
         min(event ->> 'quantity') AS units, max(event ->> 'quantity') AS units_max,
         max(version) FILTER (WHERE is_first) AS first_version, min(at) FILTER (WHERE is_first) AS created_at,
         max(event ->> 'quantity') FILTER (WHERE is_first) AS quantity,
         max(event ->> 'userId') FILTER (WHERE is_first) AS user_id,
         max(event ->> 'bodyHash') FILTER (WHERE is_first) AS body_hash,
         max((event -> 'metadata')::text) FILTER (WHERE is_first) AS metadata,
         max(event ->> 'holdTtlMs') FILTER (WHERE is_first) AS hold_ttl_ms,
         max(event ->> 'bookingId') FILTER (WHERE is_first) AS booking_id,
         coalesce(max(event ->> 'isCounted') FILTER (WHERE is_first), 'false') AS is_counted,
         max(after) FILTER (WHERE is_last) AS status,
         max(version) FILTER (WHERE is_last AND after IS NOT NULL) AS status_version,
         max(event ->> 'expiresMs') FILTER (WHERE is_last) AS expires,
         max(event ->> 'pseudonym') FILTER (WHERE is_last) AS pseudonym,
         jsonb_agg(jsonb_build_array(after, ${msText('at')}, ${reasonSql}) ORDER BY version)
           FILTER (WHERE after IS NOT NULL AND type <> 'hold_overdue' AND NOT is_only) AS transitions
    FROM step GROUP BY slot_id, reservation_id
)`
