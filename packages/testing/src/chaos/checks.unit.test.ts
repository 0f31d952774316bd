/** Each check finds the one thing that it is there for: a checker that cannot fail shows nothing. */
import { describe, expect, test } from 'vitest'
import { accepted, decided, goodFacts, goodHistory, nobody, read, refused } from './checks.fixture.ts'
import { checks } from './checks.ts'
import type { EventFact, Facts, LedgerFact, PartitionFact, ReservationFact } from './facts.ts'
import type { Answer, History } from './history.ts'
import { judge } from './verdict.ts'

/** The checks that find something, and what they say. */
function found(history: Partial<History>, facts: Partial<Facts> = {}): Record<string, readonly string[]> {
  const outcomes = judge({ ...goodHistory, ...history }, { ...goodFacts, ...facts })
  const broken = outcomes.filter(({ violations }) => violations.length > 0)
  return Object.fromEntries(broken.map(({ name, violations }) => [name, violations]))
}

function withAnswers(index: number, ...answers: Answer[]): Partial<History> {
  const operations = goodHistory.operations.map((operation, at) =>
    at === index ? { ...operation, answers } : operation,
  )
  return { operations }
}

function withReservation(id: string, change: Partial<ReservationFact> | null): Partial<Facts> {
  const reservations = goodFacts.reservations.flatMap((row) =>
    row.id !== id ? [row] : change === null ? [] : [{ ...row, ...change }],
  )
  return { reservations }
}

function withEntry(version: number, change: Partial<LedgerFact> | null): Partial<Facts> {
  const ledger = goodFacts.ledger.flatMap((row) =>
    row.version !== version ? [row] : change === null ? [] : [{ ...row, ...change }],
  )
  return { ledger }
}

function withPartition(change: (partition: PartitionFact) => Partial<PartitionFact>): Partial<Facts> {
  return { partitions: goodFacts.partitions.map((partition) => ({ ...partition, ...change(partition) })) }
}

function withEvents(change: (event: EventFact) => EventFact | null): Partial<Facts> {
  return withPartition(({ events }) => ({ events: events.flatMap((event) => change(event) ?? []) }))
}

test('a run in which everything holds is found to hold, and every check has looked at something', () => {
  expect(found({})).toEqual({})
  for (const { name, checked } of judge(goodHistory, goodFacts))
    expect([name, checked > 0]).toEqual([name, true])
})

const extraRow: ReservationFact = {
  id: 'z',
  slotId: 'slot',
  userId: 'user-a',
  quantity: 2,
  status: 'rejected',
  reason: 'sold-out',
  slotVersion: 4,
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
    withReservation('b', { status: 'confirmed' }),
    ['accepted-is-decided'],
  ],
  ['an accepted resize is lost', {}, withEntry(5, { name: null }), ['accepted-is-decided']],
  ['one key, two ids', withAnswers(1, accepted('a'), accepted('other')), {}, ['one-effect']],
  ['one key, two reservations', {}, more({}), ['one-effect']],
  ['another id than the one told', withAnswers(1, accepted('other')), {}, ['one-effect']],
  ['a resize twice', {}, withEntry(4, { type: 'slot_updated', name: 'resized' }), ['one-effect']],
  ['a refused request has an effect', {}, more({ userId: 'user-d' }), ['refused-has-no-effect']],
  [
    'confirmed is told, rejected stored',
    withAnswers(3, decided('c', 'ok', 'confirmed', 4)),
    {},
    ['answer-is-decision'],
  ],
  [
    'sold out is told, confirmed stored',
    withAnswers(1, decided('a', 'sold-out')),
    {},
    ['answer-is-decision'],
  ],
  ['another version is told', withAnswers(1, decided('a', 'ok', 'confirmed', 3)), {}, ['answer-is-decision']],
  ['another reason is told', withAnswers(3, decided('c', 'slot-closed')), {}, ['answer-is-decision']],
  [
    'a cancellation misses its create',
    withAnswers(6, decided('b', 'reservation-not-found')),
    {},
    ['answer-is-decision'],
  ],
  [
    'a refused resize is in the ledger',
    withAnswers(7, decided('slot', 'capacity-in-use')),
    {},
    ['answer-is-decision'],
  ],
  [
    'a read says what is not stored',
    { reservationReads: [{ id: 'a', status: 'rejected' }] },
    {},
    ['answer-is-decision'],
  ],
  [
    'a reservation is read as failed',
    { reservationReads: [{ id: 'a', status: 'failed' }] },
    {},
    ['answer-is-decision'],
  ],
  [
    'an internal error',
    withAnswers(5, { type: 'unknown', status: 500, code: 'internal' }),
    {},
    ['answers-are-documented'],
  ],
  ['a reservation of nobody', {}, more({ userId: 'user-nobody' }), ['nothing-unasked']],
  ['another quantity than asked for', {}, withReservation('c', { quantity: 3 }), ['nothing-unasked']],
  ['a cancellation of nobody', {}, withReservation('a', { status: 'cancelled' }), ['nothing-unasked']],
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
    withEvents((event) => (event.seq === 6 ? null : event)),
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
