/** Holds, the line, limits and erasures: what is changed by hand is named, and state is made again from the ledger. */
import { describe, expect, test } from 'vitest'
import { type Damage, describeDamages, useWorld } from './audited-world.fixture.ts'
import { liveOn } from './life.fixture.ts'
import { planRepair, repairSlot } from './repair.ts'
import { checkNames, Protocol } from './report.ts'
import { auditOneSlot } from './slots.ts'

const audited = useWorld(liveOn)

test('nothing is found where nothing is wrong, and everything was looked at', async () => {
  const report = await audited.audit()
  expect(report.findings).toEqual([])
  expect(report.complete).toBe(true)
  const checked = Object.fromEntries(report.checks.map(({ name, checked }) => [name, checked]))
  expect(checked).toMatchObject({ 'due-holds': 3, 'user-limits': 6, bookings: 2, 'slot-state': 3 })
})

test('of a long ledger the newest entries give no false alarm, wherever they begin', async () => {
  const { world } = audited
  const limits = { findingsMax: 100, statementTimeoutMs: 10_000, stuckAfterMs: 60_000 }
  const slotId = audited.filled('{c}')
  for (let newestEntries = 1; newestEntries <= 12; newestEntries++) {
    const protocol = new Protocol(checkNames, 100)
    const { entries } = await auditOneSlot(world.pool, slotId, protocol, { ...limits, newestEntries })
    expect(entries).toBe(newestEntries)
    expect(protocol.report(0).findings).toEqual([])
  }
})

// Versions of slot c: 1 created, 2 held, 3 and 4 sold, 5 short, 6 dan waits, 7 short expires, 8 dan is promoted,
// 9 joe waits, 10 bob is erased, 11 and 12 booked.
const slot = (set: string) => `UPDATE slots SET ${set} WHERE id = '{c}'`
const reservation = (name: string, set: string) => `UPDATE reservations SET ${set} WHERE id = '{${name}}'`
const ledger = (version: number, set: string) =>
  `UPDATE slot_ledger SET ${set} WHERE slot_id = '{c}' AND version = ${version}`
const event = (version: number, path: string, value: string) =>
  ledger(version, `event = jsonb_set(event, '{${path}}', '${value}')`)
const of = (name: string) => `reservations: reservation {${name}} of slot {c}: `

const inState: readonly Damage[] = [
  ['held units', slot('held = 2'), 'slot-state: slot {c}, version 12: held is 2, the ledger says 3'],
  [
    'waiters',
    slot('waitlist_count = 0'),
    'slot-state: slot {c}, version 12: waitlist_count is 0, the ledger says 1',
  ],
  [
    'a limit',
    slot('max_per_user = 5'),
    'slot-state: slot {c}, version 12: max_per_user is 5, ledger version 1 says 4',
  ],
  [
    'a length',
    slot('hold_ttl_ms = NULL'),
    'slot-state: slot {c}, version 12: hold_ttl_ms is null, ledger version 1 says 7200000',
  ],
  ['a line', slot('waitlist = false'), 'slot-state: slot {c}, version 12: waitlist is f'],
  ['an end', reservation('held', `expires_at = expires_at + interval '1 s'`), `${of('held')}expires_at is `],
  [
    'a length agreed',
    reservation('short', 'hold_ttl_ms = 9'),
    `${of('short')}hold_ttl_ms is 9, ledger version 5 says 5000`,
  ],
  ['a place', reservation('waiting', 'place = 1'), `${of('waiting')}place is 1, the ledger says 9`],
  [
    'an expiry undone',
    reservation('short', `status = 'held', expires_at = now() + interval '1 h'`),
    `${of('short')}status is held, the ledger says expired`,
    'slot-state: slot {c}, version 12: held is 3, its reservations make 5',
  ],
  [
    'a promotion undone',
    reservation('promoted', `status = 'waitlisted', place = 6, expires_at = NULL`),
    `${of('promoted')}status is waitlisted, the ledger says held`,
    'slot-state: slot {c}, version 12: held is 3, its reservations make 2; waitlist_count is 1, its reservations make 2',
  ],
  [
    'a time of a transition',
    reservation('sold', `transitions = jsonb_set(transitions, '{1,1}', '1')`),
    `${of('sold')}transitions is `,
  ],
  [
    'transitions gone',
    reservation('promoted', 'transitions = NULL'),
    `${of('promoted')}transitions is null, the ledger says [["waitlisted"`,
  ],
  [
    'a booking',
    reservation('booked', 'booking_id = NULL'),
    `${of('booked')}booking_id is null, ledger version 11 says {booking}`,
  ],
  ['one that counts', reservation('held', 'is_counted = false'), `${of('held')}is_counted is f`],
  [
    'a person erased',
    reservation('sold', `user_id = 'bob'`),
    `${of('sold')}user_id is bob, ledger version 3 says nobody`,
  ],
  [
    'a hold that nobody ends',
    reservation('held', `expires_at = now() - interval '61 s'`),
    'due-holds: reservation {held} of slot {c}: its hold was over at ',
  ],
  [
    'more than a user may have',
    reservation('waiting', `user_id = 'ann'`),
    'user-limits: slot {c}, version 12: user ann has 5 units held, confirmed or waited for, the slot allows 4',
  ],
]

const inLedger: readonly Damage[] = [
  [
    'a delta of held',
    ledger(2, 'held_delta = 1'),
    'ledger-entries: slot {c}, version 2: held_delta is 1, its event makes 2',
  ],
  [
    'a confirmation that moves nothing',
    ledger(4, 'held_delta = 0'),
    'ledger-entries: slot {c}, version 4: held_delta is 0, its event makes -2',
  ],
  [
    'an expiry that gives nothing back',
    ledger(7, 'held_delta = 0'),
    'ledger-entries: slot {c}, version 7: held_delta is 0, its event makes -2',
  ],
  [
    'a promotion of nothing',
    ledger(8, 'held_delta = 0'),
    'ledger-entries: slot {c}, version 8: held_delta is 0, its event makes 1',
  ],
  ['an end', event(2, 'expiresMs', '4'), `${of('held')}expires_at is `],
  [
    'an end that is no time',
    event(2, 'expiresMs', '"soon"'),
    'ledger-entries: slot {c}, version 2: expiresMs of its event is string, it should be number',
  ],
  [
    'a field that an event cannot do without',
    ledger(8, `event = event - 'expiresMs'`),
    'ledger-entries: slot {c}, version 8: expiresMs of its event is missing, it should be number',
  ],
  [
    'an expiry before the end',
    event(5, 'expiresMs', '9999999999999'),
    `${of('short')}version 7 is hold_expired, but it was held still`,
  ],
  [
    'a confirmation after the end',
    event(3, 'expiresMs', '4'),
    `${of('sold')}version 4 is hold_confirmed, but its hold was over`,
  ],
  [
    'a promotion of another',
    ledger(8, `reservation_id = '{held}', event = jsonb_set(event, '{rowId}', '"{held}"')`),
    `${of('held')}version 8 is waiter_promoted, but it was held before`,
    `${of('promoted')}status is held, the ledger says waitlisted`,
  ],
  [
    'an expiry of a booking',
    ledger(12, `type = 'hold_expired', event = jsonb_set(event, '{type}', '"hold_expired"')`),
    `${of('booked')}version 12 is hold_expired, but it was held still`,
  ],
  [
    'one more that waits',
    ledger(2, `type = 'waiter_promoted', event = jsonb_set(event, '{type}', '"waiter_promoted"')`),
    'ledger-bounds: slot {c}, version 2: -1 wait',
  ],
  [
    'a name that was erased',
    event(3, 'userId', '"bob"'),
    `${of('sold')}it is erased, but ledger version 3 is not`,
  ],
  [
    'what was erased with it',
    event(3, 'metadata', '{"seat": "A2"}'),
    `${of('sold')}it is erased, but ledger version 3 is not`,
  ],
  [
    'one that counts',
    event(2, 'isCounted', 'false'),
    `${of('held')}is_counted is true, ledger version 2 says false`,
  ],
]

describeDamages('the life of reservations', inState, audited)
describeDamages('the ledger of their life', inLedger, audited)

describe('a repair', () => {
  const repairAll = async () => {
    const { repairs, refused } = await planRepair(audited.world, (await audited.audit()).findings)
    for (const repair of repairs) await repairSlot(audited.world, repair)
    return refused
  }

  test('makes holds, places, transitions and figures again', async () => {
    const damages = [
      slot('held = 2, waitlist_count = 0'),
      reservation('short', `status = 'held', expires_at = now() + interval '1 h', transitions = NULL`),
      reservation('waiting', 'place = 1'),
      `DELETE FROM reservations WHERE id IN ('{promoted}', '{sold}', '{booked}')`,
    ]
    for (const sql of damages) await audited.world.pool.query(audited.filled(sql))
    expect(await repairAll()).toEqual([])
    expect(await audited.findings()).toEqual([])
    const { rows } = await audited.world.pool.query(
      audited.filled(`SELECT partition FROM slots WHERE id = '{c}'`),
    )
    expect(rows).toEqual([{ partition: expect.any(Number) }])
  })

  test.each([
    ['the end of a hold', event(2, 'expiresMs', '4')],
    ['who counts', event(2, 'isCounted', 'false')],
    ['the time of an expiry', ledger(7, `at = at + interval '1 ms'`)],
    ['a name that was erased', event(3, 'userId', '"bob"')],
  ])('is refused where the ledger alone says %s, and says something else', async (_what, sql) => {
    await audited.world.pool.query(audited.filled(sql))
    const { findings } = await audited.audit()
    expect(findings).not.toEqual([])
    expect(findings.filter(({ repairable }) => repairable !== null)).toEqual([])
  })
})
