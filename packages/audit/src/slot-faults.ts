/**
 * What can be wrong with a slot, an entry of its ledger or a reservation: the parts of {@link file://./slot-sql.ts}.
 *
 * Each part selects name, slot_id, version, reservation_id, detail, fields, ledger_damaged. `fields` names what is wrong
 * without its values. The last says that state must not be derived from this ledger: it is not what a writer wrote, or
 * ledger and state differ in something that the ledger says only once, so that nobody can tell which of the two is right.
 */

/** One thing that can be wrong with a row. */
interface Fault {
  readonly field: string
  /** SQL. */
  readonly condition: string
  /** SQL: what is said when the condition holds. */
  readonly text: string
}

/** What is said of a row: the texts whose conditions hold, joined; null when none does. */
function saidOf(faults: readonly Fault[]): string {
  const cases = faults.map(({ condition, text }) => `CASE WHEN ${condition} THEN ${text} END`)
  return `nullif(concat_ws('; ', ${cases.join(',\n      ')}), '')`
}

/** The fields whose conditions hold. Asked only of rows of which something is said. */
function fieldsOf(faults: readonly Fault[]): string {
  const cases = faults.map(({ field, condition }) => `CASE WHEN ${condition} THEN '${field}' END`)
  return `array_remove(ARRAY[${cases.join(', ')}]::text[], NULL)`
}

/** A stored column against what the ledger says, as text; with the version that says it, where there is but one. */
function differs(field: string, stored: string, derived: string, version?: string): Fault {
  const source = version === undefined ? `'the ledger'` : `format('ledger version %s', ${version})`
  const shown = (value: string) => `coalesce((${value})::text, 'null')`
  return {
    field,
    condition: `(${stored})::text IS DISTINCT FROM (${derived})::text`,
    text: `format('%s is %s, %s says %s', '${field}', ${shown(stored)}, ${source}, ${shown(derived)})`,
  }
}

/** The faults, where the condition holds as well. */
function where(condition: string, faults: readonly Fault[]): readonly Fault[] {
  return faults.map((fault) => ({ ...fault, condition: `${condition} AND ${fault.condition}` }))
}

const msText = (time: string): string => `(extract(epoch FROM ${time}) * 1000)::bigint`

export const versionFaults = `
  SELECT 'ledger-versions' AS name, slot_id, version, NULL::uuid AS reservation_id,
         CASE WHEN version = version_before THEN 'the version is there twice'
              WHEN version_before IS NULL AND version = seen_from + 2 THEN format('version %s is missing', version - 1)
              WHEN version = version_before + 2 THEN format('version %s is missing', version - 1)
              ELSE format('versions %s to %s are missing', coalesce(version_before, seen_from) + 1, version - 1) END AS detail,
         '{version}'::text[] AS fields, true AS ledger_damaged
    FROM entry WHERE version <> coalesce(version_before, seen_from) + 1`

export const boundFaults = `
  SELECT 'ledger-bounds', slot_id, version, NULL,
         format('%s held and %s confirmed of %s', held, confirmed, limit_units(capacity, overbooking_bps)), '{limit}', true
    FROM entry WHERE out_of_bounds AND NOT coalesce(out_of_bounds_before, false)`

/** What the fields of each event are in JSON: all of them, and no others. */
const eventFields = {
  slot_created: { type: 'string', rowId: 'null', slot: 'object' },
  slot_updated: {
    ...{ type: 'string', rowId: 'null', name: 'string', status: 'string' },
    ...{ capacityUnits: 'number', overbookingBps: 'number' },
  },
  reservation_confirmed: {
    ...{ type: 'string', rowId: 'string', slotId: 'string', userId: 'string', quantity: 'number' },
    ...{ metadata: 'object or null', bodyHash: 'string or null' },
  },
  reservation_cancelled: { type: 'string', rowId: 'string', quantity: 'number' },
} as const

const createdSlotFields = {
  ...{ id: 'string', name: 'string', startMs: 'number', endMs: 'number', capacityUnits: 'number' },
  ...{ overbookingBps: 'number', salesOpenMs: 'number or null', salesCloseMs: 'number or null' },
  ...{ metadata: 'object or null', bodyHash: 'string' },
} as const

/** What does not have its fields, or has others, and what is said of it. */
function misshapen(type: string, object: string, kinds: Readonly<Record<string, string>>): readonly Fault[] {
  const isObject = `jsonb_typeof(${object}) = 'object'`
  const rest = `${object} - '{${Object.keys(kinds).join()}}'::text[]`
  const wrong = Object.entries(kinds).map(([name, kind]) => {
    const stored = `coalesce(jsonb_typeof(${object} -> '${name}'), 'missing')`
    const allowed = kind.split(' or ').map((each) => `'${each}'`)
    return {
      field: `event.${name}`,
      condition: `${isObject} AND ${stored} NOT IN (${allowed.join()})`,
      text: `format('${name} of its event is %s, it should be ${kind}', ${stored})`,
    }
  })
  const unknown = {
    field: 'event',
    // What is no object cannot have keys taken away: the order of evaluation matters.
    condition: `CASE WHEN ${isObject} THEN ${rest} <> '{}' ELSE false END`,
    text: `format('its event has fields that no program writes: %s', (SELECT string_agg(k, ', ') FROM jsonb_object_keys(${rest}) k))`,
  }
  return where(`type = '${type}'`, [...wrong, unknown])
}

const entryFaultList: readonly Fault[] = [
  {
    field: 'type',
    condition: `type NOT IN ('slot_created', 'slot_updated', 'reservation_confirmed', 'reservation_cancelled')`,
    text: `format('type %s is unknown', type)`,
  },
  {
    field: 'type',
    condition: `event ->> 'type' IS DISTINCT FROM type`,
    text: `format('type is %s, its event is %s', type, coalesce(event ->> 'type', 'none'))`,
  },
  {
    field: 'reservation_id',
    condition: `event ->> 'rowId' IS DISTINCT FROM reservation_id::text`,
    text: `format('reservation_id is %s, its event names %s', coalesce(reservation_id::text, 'null'), coalesce(event ->> 'rowId', 'none'))`,
  },
  {
    field: 'slot_id',
    condition: `coalesce(event #>> '{slot,id}', event ->> 'slotId', slot_id::text) <> slot_id::text`,
    text: `format('its event is about slot %s', coalesce(event #>> '{slot,id}', event ->> 'slotId'))`,
  },
  {
    field: 'type',
    condition: `(type = 'slot_created') <> (version = 1)`,
    text: `'a slot is created by its first entry and by no other'`,
  },
  {
    field: 'held_delta',
    condition: `held_delta <> 0`,
    text: `format('held_delta is %s, its event makes 0', held_delta)`,
  },
  {
    field: 'confirmed_delta',
    condition: `confirmed_delta::text IS DISTINCT FROM expected.delta`,
    text: `format('confirmed_delta is %s, its event makes %s', confirmed_delta, coalesce(expected.delta, 'none'))`,
  },
  {
    field: 'capacity',
    condition: `capacity::text IS DISTINCT FROM coalesce(expected.units, capacity::text)`,
    text: `format('capacity is %s, it should be %s', capacity, expected.units)`,
  },
  {
    field: 'overbooking_bps',
    condition: `overbooking_bps::text IS DISTINCT FROM coalesce(expected.bps, overbooking_bps::text)`,
    text: `format('overbooking_bps is %s, it should be %s', overbooking_bps, expected.bps)`,
  },
  {
    field: 'at',
    condition: `at < at_before`,
    text: `'its time is before that of the version before it'`,
  },
  ...Object.entries(eventFields).flatMap(([type, kinds]) => misshapen(type, 'event', kinds)),
  ...misshapen('slot_created', `(event -> 'slot')`, createdSlotFields),
]

export const entryFaults = `
  SELECT 'ledger-entries', slot_id, version, reservation_id, detail, ${fieldsOf(entryFaultList)}, true
    FROM entry, LATERAL (SELECT
      CASE type WHEN 'reservation_confirmed' THEN event ->> 'quantity' WHEN 'reservation_cancelled' THEN '-' || (event ->> 'quantity')
                ELSE '0' END AS delta,
      CASE type WHEN 'slot_created' THEN coalesce(event #>> '{slot,capacityUnits}', 'none')
                WHEN 'slot_updated' THEN coalesce(event ->> 'capacityUnits', 'none') ELSE capacity_before::text END AS units,
      CASE type WHEN 'slot_created' THEN coalesce(event #>> '{slot,overbookingBps}', 'none')
                WHEN 'slot_updated' THEN coalesce(event ->> 'overbookingBps', 'none') ELSE bps_before::text END AS bps) expected,
    LATERAL (SELECT ${saidOf(entryFaultList)} AS detail) d
   WHERE detail IS NOT NULL`

/** The stored slot is ahead: entries are gone from the ledger's end, or somebody changed the stored version. */
export const missingEntries = `
  SELECT 'ledger-versions', s.id, s.version, NULL,
         format(CASE WHEN s.version = coalesce(n.version, 0) + 1 THEN 'version %2$s is missing: the stored slot is at %2$s'
                     ELSE 'versions %1$s to %2$s are missing: the stored slot is at %2$s' END,
                coalesce(n.version, 0) + 1, s.version), '{version}', true
    FROM slot s LEFT JOIN newest n ON n.slot_id = s.id WHERE s.version > coalesce(n.version, 0)`

/** What many entries add up to: the ledger's sum is right. */
const summedSlotFaults: readonly Fault[] = [
  differs('version', 's.version', 'n.version'),
  differs('held', 's.held', 'c.held + n.held_sum'),
  differs('confirmed', 's.confirmed', 'c.confirmed + n.confirmed_sum'),
]

/** What each entry carries; where the newest entry is the change itself, nothing else in the ledger says it. */
const carriedSlotFaults: readonly Fault[] = [
  differs('capacity', 's.capacity', 'n.capacity', 'n.version'),
  differs('overbooking_bps', 's.overbooking_bps', 'n.overbooking_bps', 'n.version'),
]

/** What the last change alone says. */
const lastSaidSlotFaults: readonly Fault[] = where('u.event IS NOT NULL', [
  differs('name', 's.name', `coalesce(u.event ->> 'name', u.event #>> '{slot,name}')`, 'u.version'),
  differs('status', 's.status', `coalesce(u.event ->> 'status', 'open')`, 'u.version'),
])

/** What the creation alone says. */
const createdSlotFaults: readonly Fault[] = where('m.event IS NOT NULL', [
  differs('start_time', msText('s.start_time'), `m.event #>> '{slot,startMs}'`, 'm.version'),
  differs('end_time', msText('s.end_time'), `m.event #>> '{slot,endMs}'`, 'm.version'),
  differs('sales_open_at', msText('s.sales_open_at'), `m.event #>> '{slot,salesOpenMs}'`, 'm.version'),
  differs('sales_close_at', msText('s.sales_close_at'), `m.event #>> '{slot,salesCloseMs}'`, 'm.version'),
  differs('metadata', `coalesce(s.metadata, 'null')`, `m.event #> '{slot,metadata}'`, 'm.version'),
  differs('body_hash', 's.body_hash', `m.event #>> '{slot,bodyHash}'`, 'm.version'),
  differs('created_at', 's.created_at', 'm.at', 'm.version'),
])

const slotFaultList = [...summedSlotFaults, ...carriedSlotFaults, ...lastSaidSlotFaults, ...createdSlotFaults]

/** A slot that is behind has not got the last change yet: that it differs is no doubt about the ledger. */
const doubtfulSlotFaults = [
  ...where('s.version = n.version AND u.version = n.version', carriedSlotFaults),
  ...where('s.version = n.version', lastSaidSlotFaults),
  ...createdSlotFaults,
]

export const slotFaults = `
  SELECT 'slot-state', s.id, s.version, NULL, detail, ${fieldsOf(slotFaultList)}, ${saidOf(doubtfulSlotFaults)} IS NOT NULL
    FROM slot s JOIN newest n ON n.slot_id = s.id JOIN carried c ON c.id = s.id
    LEFT JOIN (SELECT DISTINCT ON (slot_id) slot_id, version, event FROM entry WHERE type IN ('slot_created', 'slot_updated')
                ORDER BY slot_id, version DESC, at DESC) u ON u.slot_id = s.id
    LEFT JOIN (SELECT DISTINCT ON (slot_id) slot_id, version, event, at FROM entry WHERE type = 'slot_created'
                ORDER BY slot_id, version, at) m ON m.slot_id = s.id,
    LATERAL (SELECT ${saidOf(slotFaultList)} AS detail) d
   WHERE s.version <= n.version AND detail IS NOT NULL`

const entriesFault = (condition: string, text: string): Fault => ({ field: 'entries', condition, text })

const doubledEntries: readonly Fault[] = [
  entriesFault(`d.confirms > 1`, `format('the ledger confirms it %s times', d.confirms)`),
  entriesFault(`d.cancels > 1`, `format('the ledger cancels it %s times', d.cancels)`),
  entriesFault(`d.confirms = 0 AND d.seen_from = 0`, `'the ledger cancels it without having confirmed it'`),
  entriesFault(
    `d.confirms = 1 AND d.cancels = 1 AND d.units <> 0`,
    `format('its entries leave %s units instead of none', d.units)`,
  ),
]

const unnamedReservation: Fault = {
  field: 'row',
  condition: 'd.reservation_id IS NULL',
  text: `format('it is %s with %s units, but no ledger entry says so', r.status, r.quantity)`,
}

const bothThere = 'r.id IS NOT NULL AND d.reservation_id IS NOT NULL'

/** That there is an entry, and which: the ledger is right. */
const decidedFaults: readonly Fault[] = [
  {
    field: 'row',
    condition: 'r.id IS NULL',
    text: `format('the ledger has it at version %s, but it is not stored', d.version)`,
  },
  ...where(bothThere, [
    differs('status', 'r.status', `CASE WHEN d.cancels > 0 THEN 'cancelled' ELSE 'confirmed' END`),
    differs('slot_version', 'r.slot_version', 'd.version'),
  ]),
]

const cancelTime = differs('cancelled_at', 'r.cancelled_at', 'd.cancelled_at', 'd.version')

/** What the entry that confirmed it alone says. */
const createdFaults: readonly Fault[] = where(`${bothThere} AND d.confirms > 0`, [
  differs('quantity', 'r.quantity', 'd.quantity', 'd.confirmed_at_version'),
  differs('user_id', 'r.user_id', 'd.user_id', 'd.confirmed_at_version'),
  differs('body_hash', 'r.body_hash', 'd.body_hash', 'd.confirmed_at_version'),
  differs('metadata', `coalesce(r.metadata, 'null')`, 'd.metadata', 'd.confirmed_at_version'),
  differs('created_at', 'r.created_at', 'd.created_at', 'd.confirmed_at_version'),
])

const reservationFaultList = [
  ...doubledEntries,
  unnamedReservation,
  ...decidedFaults,
  ...where(bothThere, [cancelTime]),
  ...createdFaults,
]

const bothCancelled = `${bothThere} AND r.status = 'cancelled' AND d.cancels > 0`
const doubtfulFaults = [
  ...doubledEntries,
  unnamedReservation,
  ...where(bothCancelled, [cancelTime]),
  ...createdFaults,
]

export const reservationFaults = `
  SELECT 'reservations', coalesce(d.slot_id, r.slot_id), coalesce(d.version, r.slot_version), coalesce(d.reservation_id, r.id),
         detail, ${fieldsOf(reservationFaultList)}, ${saidOf(doubtfulFaults)} IS NOT NULL
    FROM decided d FULL JOIN stored r ON r.id = d.reservation_id AND r.slot_id = d.slot_id,
    LATERAL (SELECT ${saidOf(reservationFaultList)} AS detail) f
   WHERE detail IS NOT NULL AND NOT (d.reservation_id IS NULL AND r.status = 'rejected')`
