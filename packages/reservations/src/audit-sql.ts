/**
 * The public proof of one slot, everything from its ledger; `balanced` says that the ledger is gapless, never out of
 * bounds at any version, and that the slot and its reservations agree with it. One statement: one snapshot of the
 * database. Parameters: the slot's id, and the first and the last id that its reservations can have.
 */
export const auditSql = `
WITH entries AS (
  SELECT version, capacity, overbooking_bps,
         sum(held_delta) OVER w AS held, sum(confirmed_delta) OVER w AS confirmed
    FROM slot_ledger WHERE slot_id = $1 WINDOW w AS (ORDER BY version)
), sums AS (
  SELECT count(*) AS events, max(version) AS version, count(DISTINCT version) AS versions,
         bool_and(held >= 0 AND confirmed >= 0 AND held + confirmed <= limit_units(capacity, overbooking_bps)) AS bounded
    FROM entries
), taken AS (
  SELECT coalesce(sum(quantity) FILTER (WHERE status = 'held'), 0) AS held,
         coalesce(sum(quantity) FILTER (WHERE status = 'confirmed'), 0) AS confirmed,
         count(*) FILTER (WHERE status = 'waitlisted') AS waiting
    FROM reservations WHERE id BETWEEN $2 AND $3 AND slot_id = $1
)
SELECT json_build_object(
  'capacity', e.capacity, 'held', e.held, 'confirmed', e.confirmed,
  'available', limit_units(e.capacity, e.overbooking_bps) - e.held - e.confirmed,
  'version', e.version, 'ledger_events', sums.events,
  'balanced', sums.bounded AND sums.events = sums.version AND sums.versions = sums.version
    AND s.version = e.version AND s.held = e.held AND s.confirmed = e.confirmed AND s.capacity = e.capacity
    AND s.overbooking_bps = e.overbooking_bps
    AND taken.held = e.held AND taken.confirmed = e.confirmed AND taken.waiting = s.waitlist_count) AS audit
  FROM sums JOIN entries e ON e.version = sums.version JOIN slots s ON s.id = $1 CROSS JOIN taken`
