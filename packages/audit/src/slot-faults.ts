/**
 * What can be wrong with a slot, an entry of its ledger or a reservation: the parts of {@link file://./slot-sql.ts}.
 *
 * Each part selects name, slot_id, version, reservation_id, detail, ledger_damaged. The last says that the ledger itself
 * is not what a writer wrote, or does not hold what is right, so that state cannot be derived from it.
 */

/** What is said of a row: the texts whose conditions hold, joined; null when none does. */
function saidOf(...parts: readonly (readonly [condition: string, text: string])[]): string {
  const cases = parts.map(([condition, text]) => `CASE WHEN ${condition} THEN ${text} END`)
  return `nullif(concat_ws('; ', ${cases.join(',\n      ')}), '')`
}

/** A stored column against what the ledger says, as text. */
function differs(name: string, stored: string, derived: string): readonly [string, string] {
  return [
    `(${stored})::text IS DISTINCT FROM (${derived})::text`,
    `format('%s is %s, the ledger says %s', '${name}', coalesce((${stored})::text, 'null'), coalesce((${derived})::text, 'null'))`,
  ]
}

const msText = (time: string): string => `(extract(epoch FROM ${time}) * 1000)::bigint`

export const versionFaults = `
  SELECT 'ledger-versions' AS name, slot_id, version, NULL::uuid AS reservation_id,
         CASE WHEN version = version_before THEN 'the version is there twice'
              WHEN version_before IS NULL AND version = seen_from + 2 THEN format('version %s is missing', version - 1)
              WHEN version = version_before + 2 THEN format('version %s is missing', version - 1)
              ELSE format('versions %s to %s are missing', coalesce(version_before, seen_from) + 1, version - 1) END AS detail,
         true AS ledger_damaged
    FROM entry WHERE version <> coalesce(version_before, seen_from) + 1`

export const boundFaults = `
  SELECT 'ledger-bounds', slot_id, version, NULL,
         format('%s held and %s confirmed of %s', held, confirmed, limit_units(capacity, overbooking_bps)), true
    FROM entry WHERE out_of_bounds AND NOT coalesce(out_of_bounds_before, false)`

const entryDetail = saidOf(
  [
    `type NOT IN ('slot_created', 'slot_updated', 'reservation_confirmed', 'reservation_cancelled')`,
    `format('type %s is unknown', type)`,
  ],
  [
    `event ->> 'type' IS DISTINCT FROM type`,
    `format('type is %s, its event is %s', type, coalesce(event ->> 'type', 'none'))`,
  ],
  [
    `event ->> 'rowId' IS DISTINCT FROM reservation_id::text`,
    `format('reservation_id is %s, its event names %s', coalesce(reservation_id::text, 'null'), coalesce(event ->> 'rowId', 'none'))`,
  ],
  [
    `coalesce(event #>> '{slot,id}', event ->> 'slotId', slot_id::text) <> slot_id::text`,
    `format('its event is about slot %s', coalesce(event #>> '{slot,id}', event ->> 'slotId'))`,
  ],
  [`(type = 'slot_created') <> (version = 1)`, `'a slot is created by its first entry and by no other'`],
  [`held_delta <> 0`, `format('held_delta is %s, its event makes 0', held_delta)`],
  [
    `confirmed_delta::text IS DISTINCT FROM expected.delta`,
    `format('confirmed_delta is %s, its event makes %s', confirmed_delta, coalesce(expected.delta, 'none'))`,
  ],
  [
    `capacity::text IS DISTINCT FROM coalesce(expected.units, capacity::text)`,
    `format('capacity is %s, it should be %s', capacity, expected.units)`,
  ],
  [
    `overbooking_bps::text IS DISTINCT FROM coalesce(expected.bps, overbooking_bps::text)`,
    `format('overbooking_bps is %s, it should be %s', overbooking_bps, expected.bps)`,
  ],
  [`at < at_before`, `'its time is before that of the version before it'`],
)

export const entryFaults = `
  SELECT 'ledger-entries', slot_id, version, reservation_id, detail, true
    FROM entry, LATERAL (SELECT
      CASE type WHEN 'reservation_confirmed' THEN event ->> 'quantity' WHEN 'reservation_cancelled' THEN '-' || (event ->> 'quantity')
                ELSE '0' END AS delta,
      CASE type WHEN 'slot_created' THEN coalesce(event #>> '{slot,capacityUnits}', 'none')
                WHEN 'slot_updated' THEN coalesce(event ->> 'capacityUnits', 'none') ELSE capacity_before::text END AS units,
      CASE type WHEN 'slot_created' THEN coalesce(event #>> '{slot,overbookingBps}', 'none')
                WHEN 'slot_updated' THEN coalesce(event ->> 'overbookingBps', 'none') ELSE bps_before::text END AS bps) expected,
    LATERAL (SELECT ${entryDetail} AS detail) d
   WHERE detail IS NOT NULL`

/** The stored slot is ahead: entries are gone from the ledger's end, or somebody changed the stored version. */
export const missingEntries = `
  SELECT 'ledger-versions', s.id, s.version, NULL,
         format('versions %s to %s are missing: the stored slot is at %s', coalesce(n.version, 0) + 1, s.version, s.version), true
    FROM slot s LEFT JOIN newest n ON n.slot_id = s.id WHERE s.version > coalesce(n.version, 0)`

const slotDetail = saidOf(
  differs('version', 's.version', 'n.version'),
  differs('held', 's.held', 'c.held + n.held_sum'),
  differs('confirmed', 's.confirmed', 'c.confirmed + n.confirmed_sum'),
  differs('capacity', 's.capacity', 'n.capacity'),
  differs('overbooking_bps', 's.overbooking_bps', 'n.overbooking_bps'),
  ...(
    [
      differs('name', 's.name', `coalesce(u.event ->> 'name', u.event #>> '{slot,name}')`),
      differs('status', 's.status', `coalesce(u.event ->> 'status', 'open')`),
    ] as const
  ).map(([condition, text]) => [`u.event IS NOT NULL AND ${condition}`, text] as const),
  ...(
    [
      differs('start_time', msText('s.start_time'), `m.event #>> '{slot,startMs}'`),
      differs('end_time', msText('s.end_time'), `m.event #>> '{slot,endMs}'`),
      differs('sales_open_at', msText('s.sales_open_at'), `m.event #>> '{slot,salesOpenMs}'`),
      differs('sales_close_at', msText('s.sales_close_at'), `m.event #>> '{slot,salesCloseMs}'`),
      differs('metadata', `coalesce(s.metadata, 'null')`, `m.event #> '{slot,metadata}'`),
      differs('body_hash', 's.body_hash', `m.event #>> '{slot,bodyHash}'`),
      differs('created_at', 's.created_at', 'm.at'),
    ] as const
  ).map(([condition, text]) => [`m.event IS NOT NULL AND ${condition}`, text] as const),
)

export const slotFaults = `
  SELECT 'slot-state', s.id, s.version, NULL, detail, false
    FROM slot s JOIN newest n ON n.slot_id = s.id JOIN carried c ON c.id = s.id
    LEFT JOIN (SELECT DISTINCT ON (slot_id) slot_id, event FROM entry WHERE type IN ('slot_created', 'slot_updated')
                ORDER BY slot_id, version DESC, at DESC) u ON u.slot_id = s.id
    LEFT JOIN (SELECT DISTINCT ON (slot_id) slot_id, event, at FROM entry WHERE type = 'slot_created'
                ORDER BY slot_id, version, at) m ON m.slot_id = s.id,
    LATERAL (SELECT ${slotDetail} AS detail) d
   WHERE s.version <= n.version AND detail IS NOT NULL`

const doubledEntries = saidOf(
  [`d.confirms > 1`, `format('the ledger confirms it %s times', d.confirms)`],
  [`d.cancels > 1`, `format('the ledger cancels it %s times', d.cancels)`],
  [`d.confirms = 0 AND d.seen_from = 0`, `'the ledger cancels it without having confirmed it'`],
  [
    `d.confirms = 1 AND d.cancels = 1 AND d.units <> 0`,
    `format('its entries leave %s units instead of none', d.units)`,
  ],
)

const bothThere = 'r.id IS NOT NULL AND d.reservation_id IS NOT NULL'

const reservationDetail = saidOf(
  [`r.id IS NULL`, `format('the ledger has it at version %s, but it is not stored', d.version)`],
  [
    `d.reservation_id IS NULL`,
    `format('it is %s with %s units, but no ledger entry says so', r.status, r.quantity)`,
  ],
  ...[
    differs('status', 'r.status', `CASE WHEN d.cancels > 0 THEN 'cancelled' ELSE 'confirmed' END`),
    differs('slot_version', 'r.slot_version', 'd.version'),
    differs('cancelled_at', 'r.cancelled_at', 'd.cancelled_at'),
  ].map(([condition, text]) => [`${bothThere} AND ${condition}`, text] as const),
  ...[
    differs('quantity', 'r.quantity', 'd.quantity'),
    differs('user_id', 'r.user_id', 'd.user_id'),
    differs('body_hash', 'r.body_hash', 'd.body_hash'),
    differs('metadata', `coalesce(r.metadata, 'null')`, 'd.metadata'),
    differs('created_at', 'r.created_at', 'd.created_at'),
  ].map(([condition, text]) => [`${bothThere} AND d.confirms > 0 AND ${condition}`, text] as const),
)

export const reservationFaults = `
  SELECT 'reservations', coalesce(d.slot_id, r.slot_id), coalesce(d.version, r.slot_version), coalesce(d.reservation_id, r.id),
         concat_ws('; ', doubled, detail), doubled IS NOT NULL OR d.reservation_id IS NULL
    FROM decided d FULL JOIN stored r ON r.id = d.reservation_id AND r.slot_id = d.slot_id,
    LATERAL (SELECT ${doubledEntries} AS doubled, ${reservationDetail} AS detail) f
   WHERE (doubled IS NOT NULL OR detail IS NOT NULL) AND NOT (d.reservation_id IS NULL AND r.status = 'rejected')`
