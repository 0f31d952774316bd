/** Each check finds the one thing that it is there for: a checker that cannot fail shows nothing. */
import { describe, expect, test } from 'vitest'
import {
  accepted,
  decided,
  denied,
  goodFacts,
  goodHistory,
  nobody,
  read,
  readOf,
  refused,
  told,
} from './checks.fixture.ts'
import { checks } from './checks.ts'
import {
  withAnswers,
  withBooking,
  withEntry,
  withEvents,
  withPartition,
  withReservation,
} from './damages.fixture.ts'
import type { Facts, ReservationFact } from './facts.ts'
import type { History } from './history.ts'
import { judge } from './verdict.ts'

/** The checks that find something, and what they say. */
function found(history: Partial<History>, facts: Partial<Facts> = {}): Record<string, readonly string[]> {
  const outcomes = judge({ ...goodHistory, ...history }, { ...goodFacts, ...facts })
  const broken = outcomes.filter(({ violations }) => violations.length > 0)
  return Object.fromEntries(broken.map(({ name, violations }) => [name, violations]))
}

test('a run in which everything holds is found to hold, and every check has looked at something', () => {
  expect(found({})).toEqual({})
  for (const { name, checked } of judge(goodHistory, goodFacts))
    expect([name, checked > 0]).toEqual([name, true])
})

const extraRow: ReservationFact = {
  id: 'z',
  slotId: 'slot',
  name: 'request-a',
  bookingId: null,
  userId: 'user-a',
  quantity: 2,
  status: 'rejected',
  reason: 'sold-out',
  slotVersion: 4,
  life: [{ status: 'rejected', atMs: 1 }],
}
const more = (row: Partial<ReservationFact>): Partial<Facts> => ({
  reservations: [...goodFacts.reservations, { ...extraRow, ...row }],
})

/** What is damaged, how, and the checks that must say so; others may, as far as they see it too. */
const damages: readonly [string, Partial<History>, Partial<Facts>, readonly string[]][] = [
  ['an accepted reservation is lost', {}, withReservation('a', null), ['accepted-is-decided']],
  ['an accepted slot is lost', {}, { slots: [] }, ['accepted-is-decided']],
  [
    'an accepted cancellation is lost',
    withAnswers(6, accepted('b')),
    withReservation('b', { status: 'confirmed', life: [{ status: 'confirmed', atMs: 3000 }] }),
    ['accepted-is-decided'],
  ],
  ['an accepted resize is lost', {}, withEntry(5, { name: null }), ['accepted-is-decided']],
  ['one key, two ids', withAnswers(1, accepted('a'), accepted('other')), {}, ['one-effect']],
  ['one key, two reservations', {}, more({}), ['one-effect']],
  ['another id than the one told', withAnswers(1, accepted('other')), {}, ['one-effect']],
  ['a resize twice', {}, withEntry(4, { type: 'slot_updated', name: 'resized' }), ['one-effect']],
  ['a refused request has an effect', {}, more({ name: 'request-d' }), ['refused-has-no-effect']],
  [
    'confirmed is told, rejected stored',
    withAnswers(3, decided('c', told('confirmed@4000', 4))),
    {},
    ['answer-is-decision'],
  ],
  ['sold out is told, confirmed stored', withAnswers(1, denied('a', 'sold-out')), {}, ['answer-is-decision']],
  [
    'another version is told',
    withAnswers(1, decided('a', told('confirmed@2000', 3))),
    {},
    ['answer-is-decision'],
  ],
  ['another reason is told', withAnswers(3, denied('c', 'slot-closed')), {}, ['answer-is-decision']],
  [
    'a cancellation misses its create',
    withAnswers(6, denied('b', 'reservation-not-found')),
    {},
    ['answer-is-decision'],
  ],
  [
    'a refused resize is in the ledger',
    withAnswers(7, denied('slot', 'capacity-in-use')),
    {},
    ['answer-is-decision'],
  ],
  [
    'a read says what is not stored',
    { documentReads: [readOf('a', told('rejected@2000', 2))] },
    {},
    ['answer-is-decision'],
  ],
  [
    'a reservation is read as failed',
    { documentReads: [readOf('a', { ...told('', 2), status: 'failed' })] },
    {},
    ['answer-is-decision'],
  ],
  [
    'an internal error',
    withAnswers(5, { type: 'unknown', status: 500, code: 'internal' }),
    {},
    ['answers-are-documented'],
  ],
  ['a reservation of nobody', {}, more({ name: 'request-nobody' }), ['nothing-unasked']],
  ['another quantity than asked for', {}, withReservation('c', { quantity: 3 }), ['nothing-unasked']],
  [
    'a cancellation of nobody',
    {},
    withReservation('a', { life: [{ status: 'cancelled', atMs: 2000 }] }),
    ['nothing-unasked'],
  ],
  ['an accepted booking is lost', {}, { bookings: [] }, ['accepted-is-decided']],
  [
    'an accepted confirmation does nothing',
    withAnswers(10, accepted('h')),
    withReservation('h', { status: 'held', life: [{ status: 'held', atMs: 6000 }] }),
    ['accepted-is-decided'],
  ],
  [
    'a confirmation that was told has expired since',
    withAnswers(10, decided('h', told('held@6000 confirmed@6500', 6))),
    {},
    ['answer-is-decision'],
  ],
  [
    'a hold that never expired is told to have',
    withAnswers(9, denied('h', 'hold-expired')),
    withReservation('h', { life: [{ status: 'held', atMs: 6000 }] }),
    ['answer-is-decision'],
  ],
  [
    'a confirmation is answered with a wait that nobody asked for',
    withAnswers(10, decided('w', told('waitlisted@10000', 10))),
    {},
    ['answer-is-decision'],
  ],
  [
    'another end of a booking is told',
    withAnswers(11, decided('k', told('pending@8500 rejected@10500', null))),
    {},
    ['answer-is-decision'],
  ],
  [
    'another booking than asked for',
    {},
    withBooking({ items: [{ slotId: 'slot', quantity: 1, reservationId: 'p' }] }),
    ['nothing-unasked', 'bookings-all-or-none'],
  ],
  ['a booking of nobody', {}, withBooking({ userId: 'somebody' }), ['nothing-unasked']],
  [
    'a booking is confirmed, a part of it is not',
    {},
    withReservation('p', { status: 'cancelled' }),
    ['bookings-all-or-none'],
  ],
  [
    'a booking is cancelled, a part of it is not',
    {},
    withBooking({ status: 'cancelled' }),
    ['bookings-all-or-none', 'bookings-live-once'],
  ],
  ['a part of no booking', {}, withReservation('p', { bookingId: 'another' }), ['bookings-all-or-none']],
  [
    'a cancelled booking is confirmed',
    {},
    withBooking({
      life: ['pending', 'cancelled', 'confirmed'].map((status, atMs) => ({ status, atMs })),
    }),
    ['bookings-live-once', 'events-match-bookings'],
  ],
  ['an event of a booking is missing', {}, withBooking({ version: 4 }), ['events-match-bookings']],
  [
    'a confirmed reservation expires',
    {},
    withEntry(8, { type: 'hold_expired', heldDelta: -2, confirmedDelta: 0 }),
    ['reservations-match-ledger'],
  ],
  ['a hold is left', {}, withReservation('w', { status: 'held' }), ['nothing-is-left-open']],
  ['a booking is left', {}, withBooking({ status: 'pending' }), ['nothing-is-left-open']],
  ['a line is counted wrong', {}, withReservation('w', { status: 'cancelled' }), ['units-balance']],
  [
    'a user has too much',
    {},
    { reservations: goodFacts.reservations.map((row) => ({ ...row, userId: 'user-a' })) },
    ['user-limit-kept'],
  ],
  ['a gap in the versions', {}, withEntry(4, null), ['ledger-gapless']],
  ['more sold than there is', {}, withEntry(3, { confirmedDelta: 4 }), ['never-oversold']],
  ['more given back than was taken', {}, withEntry(4, { confirmedDelta: -5 }), ['never-oversold']],
  [
    'state is not the sum',
    {},
    { slots: goodFacts.slots.map((slot) => ({ ...slot, confirmed: 3 })) },
    ['state-is-ledger-sum'],
  ],
  ['a ledger without its slot', {}, withEntry(1, { slotId: 'gone' }), ['state-is-ledger-sum']],
  ['confirmed twice', {}, withEntry(4, { type: 'reservation_confirmed' }), ['reservations-match-ledger']],
  ['an entry with another quantity', {}, withEntry(2, { confirmedDelta: 1 }), ['reservations-match-ledger']],
  ['an entry without its reservation', {}, withReservation('b', null), ['reservations-match-ledger']],
  ['a record is not applied', {}, withPartition(() => ({ logEnd: 10 })), ['log-drained']],
  ['a segment is not sent', {}, withPartition(() => ({ outboxSegments: 1 })), ['log-drained']],
  ['a dead letter', {}, { deadLetters: ['malformed'] }, ['log-drained']],
  ['an event is missing', {}, withEvents((event) => (event.seq === 4 ? null : event)), ['events-gapless']],
  [
    'the last event is missing',
    {},
    withEvents((event) => (event.seq === 13 ? null : event)),
    ['events-gapless'],
  ],
  [
    'an event tells of another version',
    {},
    withEvents((event) => (event.seq === 5 ? { ...event, version: 9 } : event)),
    ['events-match-ledger'],
  ],
  [
    'an event of what never was',
    {},
    withEvents((event) => (event.seq === 4 ? { ...event, reservationId: 'ghost' } : event)),
    ['events-match-ledger'],
  ],
  ['a reader saw what was never committed', { slotReads: [read(3, 5, 5, 0)] }, {}, ['reads-match-ledger']],
  ['a reader saw a version that is not there', { slotReads: [read(9, 2, 6, 0)] }, {}, ['reads-match-ledger']],
  ['reads go backwards', { slotReads: [read(5, 2, 6, 0), read(3, 4, 5, 10)] }, {}, ['reads-go-forward']],
  [
    'a snapshot stays behind',
    {},
    { snapshots: goodFacts.snapshots.map((snapshot) => ({ ...snapshot, version: 4 })) },
    ['snapshots-agree'],
  ],
  ['a request fails while instances are replaced', withAnswers(7, nobody), {}, ['rolling-loses-nothing']],
  [
    'a request is refused while instances are replaced',
    withAnswers(7, refused),
    {},
    ['rolling-loses-nothing'],
  ],
]

describe('a check finds', () => {
  test.each(damages)('%s', (_what, history, facts, expected) => {
    expect(Object.keys(found(history, facts))).toEqual(expect.arrayContaining([...expected]))
  })

  test('a repeat of an event that is not the same', () => {
    const changed = withPartition(({ events }) => ({
      events: events.map((event, at) => (at === 3 ? { ...event, text: 'another' } : event)),
    }))
    expect(Object.keys(found({}, changed))).toEqual(['events-gapless'])
  })
})

test('reads that overlap have no order', () => {
  const overlapping = [
    { ...read(5, 2, 6, 0), answeredMs: 20 },
    { ...read(3, 4, 5, 10), answeredMs: 15 },
  ]
  expect(found({ slotReads: overlapping })).toEqual({})
})

test('no check is without damage that it finds', () => {
  const named = new Set(damages.flatMap(([, , , expected]) => expected))
  expect(checks.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([])
})
