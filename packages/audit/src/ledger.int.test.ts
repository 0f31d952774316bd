/** Any row of the ledger that is changed by hand is named: slot, version, and what is wrong. */
import { type Damage, describeDamages, useWorld } from './audited-world.fixture.ts'

const ledger = (set: string, version: number) =>
  `UPDATE slot_ledger SET ${set} WHERE slot_id = '{a}' AND version = ${version}`
const copied = (at: string) =>
  `INSERT INTO slot_ledger SELECT slot_id, version, ${at}, held_delta, confirmed_delta, capacity, overbooking_bps, type,
     reservation_id, event FROM slot_ledger WHERE slot_id = '{a}' AND version = 2`

const inLedger: readonly Damage[] = [
  [
    'a delta',
    ledger('confirmed_delta = 1', 2),
    'ledger-entries: slot {a}, version 2: confirmed_delta is 1, its event makes 2',
  ],
  [
    'a delta of held',
    ledger('held_delta = 1', 2),
    'ledger-entries: slot {a}, version 2: held_delta is 1, its event makes 0',
  ],
  [
    'a delta of a change',
    ledger('confirmed_delta = -1', 6),
    'ledger-entries: slot {a}, version 6: confirmed_delta is -1, its event makes 0',
  ],
  [
    'a version',
    ledger('version = 9', 3),
    'ledger-versions: slot {a}, version 4: version 3 is missing',
    'ledger-versions: slot {a}, version 9: versions 7 to 8 are missing',
  ],
  [
    'a capacity',
    ledger('capacity = 11', 3),
    'ledger-entries: slot {a}, version 3: capacity is 11, it should be 10',
  ],
  [
    'a capacity of a change',
    ledger('capacity = 11', 6),
    'ledger-entries: slot {a}, version 6: capacity is 11, it should be 12',
  ],
  [
    'an overbooking',
    ledger('overbooking_bps = 0', 4),
    'ledger-entries: slot {a}, version 4: overbooking_bps is 0, it should be 1000',
  ],
  [
    'a type',
    ledger("type = 'reservation_cancelled'", 2),
    'ledger-entries: slot {a}, version 2: type is reservation_cancelled, its event is reservation_confirmed',
  ],
  [
    'an unknown type',
    ledger("type = 'gift'", 2),
    'ledger-entries: slot {a}, version 2: type gift is unknown',
  ],
  [
    "an event's quantity",
    ledger(`event = jsonb_set(event, '{quantity}', '5')`, 3),
    'ledger-entries: slot {a}, version 3: confirmed_delta is 3, its event makes 5',
  ],
  [
    "an event's quantity and the delta",
    ledger(`event = jsonb_set(event, '{quantity}', '5'), confirmed_delta = 5`, 3),
    'reservations: reservation {second} of slot {a}: quantity is 3, ledger version 3 says 5',
    'slot-state: slot {a}, version 6: confirmed is 5, the ledger says 7',
  ],
  [
    "a cancel's quantity and delta",
    ledger(`event = jsonb_set(event, '{quantity}', '2'), confirmed_delta = -2`, 5),
    'reservations: reservation {cancelled} of slot {a}: its entries move now 1, now 2 units',
  ],
  [
    'an event that is no number',
    ledger(`event = jsonb_set(event, '{quantity}', '"many"')`, 3),
    'ledger-entries: slot {a}, version 3: confirmed_delta is 3, its event makes many',
  ],
  [
    'an event that is none',
    ledger(`event = '[]'`, 3),
    'ledger-entries: slot {a}, version 3: type is reservation_confirmed, its event is none',
  ],
  [
    "an event's user",
    ledger(`event = jsonb_set(event, '{userId}', '"eve"')`, 3),
    'reservations: reservation {second} of slot {a}: user_id is user-3, ledger version 3 says eve',
  ],
  [
    "an event's field gone",
    ledger(`event = event - 'bodyHash'`, 3),
    'ledger-entries: slot {a}, version 3: bodyHash of its event is missing, it should be string or null',
  ],
  [
    "an event's field of another kind",
    ledger(`event = jsonb_set(event, '{slot,startMs}', '"soon"')`, 1),
    'ledger-entries: slot {a}, version 1: startMs of its event is string, it should be number',
  ],
  [
    "an event's field that nobody knows",
    ledger(`event = event || '{"extra": 1}'`, 4),
    'ledger-entries: slot {a}, version 4: its event has fields that no program writes: extra',
  ],
  [
    'a field of a new slot that nobody knows',
    ledger(`event = jsonb_set(event, '{slot,extra}', '1')`, 1),
    'ledger-entries: slot {a}, version 1: its event has fields that no program writes: extra',
  ],
  [
    'what a new slot was given',
    ledger(`event = jsonb_set(event, '{slot,metadata}', '{"x": 1}')`, 1),
    'slot-state: slot {a}, version 6: metadata is null, ledger version 1 says {"x": 1}',
  ],
  [
    'a reservation id',
    ledger(`reservation_id = '{first}'`, 3),
    'ledger-entries: slot {a}, version 3: reservation_id is {first}, its event names {second}',
    'reservations: reservation {first} of slot {a}: version 3 is reservation_confirmed, but it was confirmed before',
    'reservations: reservation {second} of slot {a}: it is confirmed with 3 units, but no ledger entry says so',
  ],
  [
    'a slot id',
    ledger(`slot_id = '{b}', version = 3`, 6),
    'ledger-versions: slot {a}, version 6: version 6 is missing: the stored slot is at 6',
    'ledger-entries: slot {b}, version 3: ',
  ],
  [
    'a time',
    ledger(`at = at - interval '1 hour'`, 3),
    'ledger-entries: slot {a}, version 3: its time is before that of the version before it',
  ],
  [
    'a time, a little',
    ledger(`at = at + interval '1 millisecond'`, 3),
    'reservations: reservation {second} of slot {a}: created_at is ',
  ],
  [
    'the contents of two entries, swapped',
    `UPDATE slot_ledger l SET held_delta = o.held_delta, confirmed_delta = o.confirmed_delta, type = o.type,
       reservation_id = o.reservation_id, event = o.event
       FROM slot_ledger o WHERE l.slot_id = '{a}' AND o.slot_id = '{a}' AND l.version IN (2, 3) AND o.version = 5 - l.version`,
    'reservations: reservation {first} of slot {a}: slot_version is 2, the ledger says 3',
    'reservations: reservation {second} of slot {a}: slot_version is 3, the ledger says 2',
  ],
  [
    'a first entry gone',
    `DELETE FROM slot_ledger WHERE slot_id = '{a}' AND version = 1`,
    'ledger-versions: slot {a}, version 2: version 1 is missing',
  ],
  [
    'an entry gone',
    `DELETE FROM slot_ledger WHERE slot_id = '{a}' AND version = 4`,
    'ledger-versions: slot {a}, version 5: version 4 is missing',
    'reservations: reservation {cancelled} of slot {a}: version 5 is reservation_cancelled, but it was nothing before',
  ],
  [
    'the last entry gone',
    `DELETE FROM slot_ledger WHERE slot_id = '{a}' AND version = 6`,
    'ledger-versions: slot {a}, version 6: version 6 is missing: the stored slot is at 6',
  ],
  [
    'all entries gone',
    `DELETE FROM slot_ledger WHERE slot_id = '{a}'`,
    'ledger-versions: slot {a}, version 6: versions 1 to 6 are missing: the stored slot is at 6',
  ],
  [
    'an entry twice, later',
    copied(`at + interval '1 hour'`),
    'ledger-versions: slot {a}, version 2: the version is there twice',
  ],
  [
    'an entry twice, earlier',
    copied(`at - interval '1 hour'`),
    'ledger-versions: slot {a}, version 2: the version is there twice',
  ],
  [
    'more taken than there is',
    ledger('confirmed_delta = 12', 3),
    'ledger-bounds: slot {a}, version 3: 0 held and 14 confirmed of 11',
  ],
  [
    'more given back than was taken',
    ledger('confirmed_delta = -3', 3),
    'ledger-bounds: slot {a}, version 3: 0 held and -1 confirmed of 11',
  ],
]

describeDamages('the ledger', inLedger, useWorld())
