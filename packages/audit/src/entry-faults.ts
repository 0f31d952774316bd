/**
 * What can be wrong with an entry of a ledger: parts of {@link file://./slot-sql.ts}.
 *
 * Each part selects name, slot_id, version, reservation_id, detail, fields, ledger_damaged. `fields` names what is wrong
 * without its values. The last says that state must not be derived from this ledger: it is not what a writer wrote, or
 * ledger and state differ in something that the ledger says only once, so that nobody can tell which of the two is right.
 */
import { eventTypesSql, shapeFaults } from './event-shapes.ts'
import { type Fault, fieldsOf, saidOf } from './fault-sql.ts'

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
         CASE WHEN waiting < 0 THEN format('%s wait', waiting)
              ELSE format('%s held and %s confirmed of %s', held, confirmed, limit_units(capacity, overbooking_bps)) END,
         '{limit}', true
    FROM entry WHERE out_of_bounds AND NOT coalesce(out_of_bounds_before, false)`

const entryFaultList: readonly Fault[] = [
  {
    field: 'type',
    condition: `type NOT IN (${eventTypesSql})`,
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
    condition: `held_delta::text IS DISTINCT FROM expected.held`,
    text: `format('held_delta is %s, its event makes %s', held_delta, coalesce(expected.held, 'none'))`,
  },
  {
    field: 'confirmed_delta',
    condition: `confirmed_delta::text IS DISTINCT FROM expected.confirmed`,
    text: `format('confirmed_delta is %s, its event makes %s', confirmed_delta, coalesce(expected.confirmed, 'none'))`,
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
]

/** Figures stay text: a damaged event is a finding and never an error of the statement. */
const expectedSql = `
      CASE WHEN type IN ('reservation_held', 'waiter_promoted') THEN event ->> 'quantity'
           WHEN type IN ('hold_confirmed', 'hold_expired') OR cancels = 'held' THEN '-' || (event ->> 'quantity')
           ELSE '0' END AS held,
      CASE WHEN type IN ('reservation_confirmed', 'hold_confirmed', 'expired_reconfirmed') THEN event ->> 'quantity'
           WHEN cancels = 'confirmed' THEN '-' || (event ->> 'quantity')
           ELSE '0' END AS confirmed,
      CASE type WHEN 'slot_created' THEN coalesce(event #>> '{slot,capacityUnits}', 'none')
                WHEN 'slot_updated' THEN coalesce(event ->> 'capacityUnits', 'none') ELSE capacity_before::text END AS units,
      CASE type WHEN 'slot_created' THEN coalesce(event #>> '{slot,overbookingBps}', 'none')
                WHEN 'slot_updated' THEN coalesce(event ->> 'overbookingBps', 'none') ELSE bps_before::text END AS bps`

export const entryFaults = `
  SELECT 'ledger-entries', slot_id, version, reservation_id, detail, ${fieldsOf(entryFaultList, shapeFaults)}, true
    FROM entry, LATERAL (SELECT ${expectedSql}) expected,
    LATERAL (SELECT ${saidOf(entryFaultList, shapeFaults)} AS detail) d
   WHERE detail IS NOT NULL`
