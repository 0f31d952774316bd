/** What can be wrong with reservations: parts of {@link file://./slot-sql.ts}, in the form of entry-faults.ts. */
import { TRANSITIONS_MAX } from '@ironsys/reservations'
import { differs, type Fault, fieldsOf, msText, saidOf, where } from './fault-sql.ts'

const entriesFault = (condition: string, text: string): Fault => ({ field: 'entries', condition, text })

const damagedEntries: readonly Fault[] = [
  entriesFault('d.misstep IS NOT NULL', 'd.misstep'),
  entriesFault('d.firsts = 0 AND d.seen_from = 0', `'the ledger never says what it was'`),
  entriesFault(
    'd.units <> d.units_max',
    `format('its entries move now %s, now %s units', d.units, d.units_max)`,
  ),
  entriesFault(
    `d.pseudonym IS NOT NULL AND d.firsts > 0
       AND (d.user_id <> d.pseudonym OR d.body_hash IS NOT NULL OR d.metadata IS DISTINCT FROM 'null')`,
    `format('it is erased, but ledger version %s is not', d.first_version)`,
  ),
]

const unnamedReservation: Fault = {
  field: 'row',
  condition: 'd.reservation_id IS NULL',
  text: `format('it is %s with %s units, but no ledger entry says so', r.status, r.quantity)`,
}

const bothThere = 'r.id IS NOT NULL AND d.reservation_id IS NOT NULL'
/** Of a long ledger the part that is looked at may say no more than that the person is erased. */
const statusKnown = `${bothThere} AND d.status IS NOT NULL`

/** That there is an entry, and which: the ledger is right. */
const decidedFaults: readonly Fault[] = [
  {
    field: 'row',
    condition: 'r.id IS NULL',
    text: `format('the ledger has it at version %s, but it is not stored', d.version)`,
  },
  ...where(statusKnown, [differs('status', 'r.status', 'd.status')]),
  ...where(bothThere, [differs('slot_version', 'r.slot_version', 'd.version')]),
  ...where(statusKnown, [
    differs('place', 'r.place', `CASE WHEN d.status = 'waitlisted' THEN d.status_version END`),
  ]),
]

/** One transition is what status, created_at and reason say already. */
const transitions = `CASE WHEN jsonb_array_length(d.transitions) > ${TRANSITIONS_MAX}
      THEN jsonb_path_query_array(d.transitions, 'strict $[last - ${TRANSITIONS_MAX - 1} to last]')
      WHEN jsonb_array_length(d.transitions) > 1 THEN d.transitions END`

/** When it became what it is, and until when: what the last entry about it alone says. */
const lastSaidFaults: readonly Fault[] = [
  ...where(statusKnown, [
    differs(
      'expires_at',
      msText('r.expires_at'),
      `CASE WHEN d.status = 'held' THEN d.expires END`,
      'd.version',
    ),
  ]),
  ...where(`${bothThere} AND d.firsts > 0`, [differs('transitions', 'r.transitions', transitions)]),
]

/** What the entry that decided it first alone says. */
const createdFaults: readonly Fault[] = where(`${bothThere} AND d.firsts > 0`, [
  differs('quantity', 'r.quantity', 'd.quantity', 'd.first_version'),
  differs('user_id', 'r.user_id', 'coalesce(d.pseudonym, d.user_id)', 'd.first_version'),
  differs('body_hash', 'r.body_hash', 'd.body_hash', 'd.first_version'),
  differs('metadata', `coalesce(r.metadata, 'null')`, 'd.metadata', 'd.first_version'),
  differs('hold_ttl_ms', 'r.hold_ttl_ms', 'd.hold_ttl_ms', 'd.first_version'),
  differs('booking_id', 'r.booking_id', 'd.booking_id', 'd.first_version'),
  differs('is_counted', 'r.is_counted', 'd.is_counted', 'd.first_version'),
  differs('created_at', 'r.created_at', 'd.created_at', 'd.first_version'),
])

const reservationFaultList = [
  ...damagedEntries,
  unnamedReservation,
  ...decidedFaults,
  ...lastSaidFaults,
  ...createdFaults,
]

/** A reservation that is behind has not got the last entry yet: that it differs is no doubt about the ledger. */
const doubtfulFaults = [
  ...damagedEntries,
  unnamedReservation,
  ...where('r.status = d.status AND r.slot_version = d.version', lastSaidFaults),
  ...createdFaults,
]

export const reservationFaults = `
  SELECT 'reservations', coalesce(d.slot_id, r.slot_id), coalesce(d.version, r.slot_version), coalesce(d.reservation_id, r.id),
         detail, ${fieldsOf(reservationFaultList)}, ${saidOf(doubtfulFaults)} IS NOT NULL
    FROM decided d FULL JOIN stored r ON r.id = d.reservation_id AND r.slot_id = d.slot_id,
    LATERAL (SELECT ${saidOf(reservationFaultList)} AS detail) f
   WHERE detail IS NOT NULL AND NOT (d.reservation_id IS NULL AND r.status = 'rejected')`

/**
 * A hold that is over is released when its slot is next looked at, and the slot's writer wakes itself for that: what is
 * still held $7 milliseconds later is stuck. A booking's hold has no end of its own.
 */
export const dueHoldFaults = `
  SELECT 'due-holds', slot_id, slot_version, id, format('its hold was over at %s, and it is held still', expires_at),
         '{expires_at}', false
    FROM stored WHERE status = 'held' AND booking_id IS NULL AND expires_at + $7::bigint * interval '1 ms' < now()`

/**
 * All units that a user has at a slot with a limit count. Who was erased is left out: the pseudonym may be that of an
 * erasure before, and what was bought in between had its own limit.
 */
export const userLimitFaults = `
  SELECT 'user-limits', u.slot_id, s.version, NULL,
         format('user %s has %s units held, confirmed or waited for, the slot allows %s', u.user_id, u.units, s.max_per_user),
         '{max_per_user}', false
    FROM slot s JOIN (
      SELECT r.slot_id, r.user_id, sum(r.quantity) AS units
        FROM slot l JOIN stored r ON r.slot_id = l.id JOIN decided d ON d.reservation_id = r.id AND d.slot_id = r.slot_id
       WHERE l.max_per_user IS NOT NULL AND r.status IN ('held', 'confirmed', 'waitlisted')
         AND d.firsts > 0 AND d.pseudonym IS NULL
       GROUP BY r.slot_id, r.user_id) u ON u.slot_id = s.id
   WHERE u.units > s.max_per_user`
