/** What can be wrong with a stored slot: parts of {@link file://./slot-sql.ts}, in the form of entry-faults.ts. */
import { differs, type Fault, fieldsOf, msText, saidOf, where } from './fault-sql.ts'

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
  differs('waitlist_count', 's.waitlist_count', 'c.waiting + n.waiting_sum'),
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
  differs('hold_ttl_ms', 's.hold_ttl_ms', `m.event #>> '{slot,holdTtlMs}'`, 'm.version'),
  differs('max_per_user', 's.max_per_user', `m.event #>> '{slot,maxPerUser}'`, 'm.version'),
  differs('waitlist', 's.waitlist', `coalesce(m.event #>> '{slot,hasWaitlist}', 'false')`, 'm.version'),
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

/** Where slot and ledger agree, and the stored reservations do not: of whole slots only. */
const rowSumFaultList: readonly Fault[] = (
  [
    ['held', 'c.held + n.held_sum'],
    ['confirmed', 'c.confirmed + n.confirmed_sum'],
    ['waitlist_count', 'c.waiting + n.waiting_sum'],
  ] as const
).map(([field, derived]) => ({
  field,
  condition: `s.${field} = ${derived} AND s.${field} <> coalesce(r.${field}, 0)`,
  text: `format('${field} is %s, its reservations make %s', s.${field}, coalesce(r.${field}, 0))`,
}))

export const rowSumFaults = `
  SELECT 'slot-state', s.id, s.version, NULL, detail, ${fieldsOf(rowSumFaultList)}, false
    FROM slot s JOIN newest n ON n.slot_id = s.id JOIN carried c ON c.id = s.id
    LEFT JOIN (SELECT slot_id, sum(quantity) FILTER (WHERE status = 'held') AS held,
                      sum(quantity) FILTER (WHERE status = 'confirmed') AS confirmed,
                      count(*) FILTER (WHERE status = 'waitlisted') AS waitlist_count
                 FROM stored GROUP BY slot_id) r ON r.slot_id = s.id,
    LATERAL (SELECT ${saidOf(rowSumFaultList)} AS detail) d
   WHERE s.version = n.version AND detail IS NOT NULL`
