/** State that is not what the ledger adds up to is named. */
import { type Damage, describeDamages, useWorld } from './audited-world.fixture.ts'

const slot = (set: string) => `UPDATE slots SET ${set} WHERE id = '{a}'`
const reservation = (set: string, name: string) => `UPDATE reservations SET ${set} WHERE id = '{${name}}'`
const inState: readonly Damage[] = [
  ['units', slot('confirmed = 4'), 'slot-state: slot {a}, version 6: confirmed is 4, the ledger says 5'],
  ['held units', slot('held = 1'), 'slot-state: slot {a}, version 6: held is 1, the ledger says 0'],
  [
    'a capacity',
    slot('capacity = 13'),
    'slot-state: slot {a}, version 6: capacity is 13, ledger version 6 says 12',
  ],
  [
    'an overbooking',
    slot('overbooking_bps = 0'),
    'slot-state: slot {a}, version 6: overbooking_bps is 0, ledger version 6 says 1000',
  ],
  [
    'a version too low',
    slot('version = 5'),
    'slot-state: slot {a}, version 5: version is 5, the ledger says 6',
  ],
  [
    'a version too high',
    slot('version = 8'),
    'ledger-versions: slot {a}, version 8: versions 7 to 8 are missing: the stored slot is at 8',
  ],
  [
    'a version beyond exact numbers',
    slot('version = 9223372036854775807'),
    'ledger-versions: slot {a}, version 9223372036854775807: versions 7 to 9223372036854775807 are missing',
  ],
  [
    'a name',
    slot("name = 'Other'"),
    'slot-state: slot {a}, version 6: name is Other, ledger version 6 says Renamed',
  ],
  [
    'a status',
    slot("status = 'closed'"),
    'slot-state: slot {a}, version 6: status is closed, ledger version 6 says open',
  ],
  [
    'times',
    slot("end_time = end_time + interval '1 minute', sales_close_at = NULL"),
    'slot-state: slot {a}, version 6: end_time is ',
  ],
  [
    'metadata',
    slot(`metadata = '{"x": 1}'`),
    'slot-state: slot {a}, version 6: metadata is {"x": 1}, ledger version 1 says null',
  ],
  [
    'a slot gone',
    `DELETE FROM slots WHERE id = '{a}'`,
    'orphans: slot {a}: the slot is not stored, but has 6 ledger entries, versions 1 to 6',
    'orphans: slot {a}: 4 reservations belong to it, but the slot is not stored',
  ],
  [
    "a reservation's units",
    reservation('quantity = 1', 'first'),
    'reservations: reservation {first} of slot {a}: quantity is 1, ledger version 2 says 2',
  ],
  [
    "a reservation's user",
    reservation("user_id = 'eve'", 'first'),
    'reservations: reservation {first} of slot {a}: user_id is eve, ledger version 2 says user-2',
  ],
  [
    "a reservation's metadata",
    reservation(`metadata = NULL`, 'first'),
    'reservations: reservation {first} of slot {a}: metadata is null, ledger version 2 says {"seat": "A\\"1"}',
  ],
  [
    'a cancel undone',
    reservation("status = 'confirmed', transitions = NULL", 'cancelled'),
    'reservations: reservation {cancelled} of slot {a}: status is confirmed, the ledger says cancelled',
    'outcomes: partition {partition} of reservations.commands: offset ',
  ],
  [
    'a cancel made up',
    reservation("status = 'cancelled'", 'first'),
    'reservations: reservation {first} of slot {a}: status is cancelled, the ledger says confirmed',
  ],
  [
    'a rejection made a sale',
    reservation("status = 'confirmed', reason = NULL", 'rejected'),
    'reservations: reservation {rejected} of slot {a}: it is confirmed with 1000 units, but no ledger entry says so',
  ],
  [
    'a sale made a rejection',
    reservation("status = 'rejected', reason = 'sold-out'", 'first'),
    'reservations: reservation {first} of slot {a}: status is rejected, the ledger says confirmed',
  ],
  [
    'a reservation gone',
    `DELETE FROM reservations WHERE id = '{first}'`,
    'reservations: reservation {first} of slot {a}: the ledger has it at version 2, but it is not stored',
    'outcomes: partition {partition} of reservations.commands: offset ',
  ],
  [
    'a reservation of another slot',
    reservation("slot_id = '{b}'", 'first'),
    'reservations: reservation {first} of slot {a}: the ledger has it at version 2, but it is not stored',
    'orphans: reservation {first}: 1 ids such as this do not carry the hash of slot {b}, to which they are stored',
  ],
]

describeDamages('state', inState, useWorld())
