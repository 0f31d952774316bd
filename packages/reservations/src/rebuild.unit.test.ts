/** I6: a slot rebuilt from its ledger is the slot; and what no writer wrote is not rebuilt. */
import type { ReservationCommand } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import {
  book,
  bookingId,
  buy,
  cancel,
  confirm,
  erase,
  hash,
  hold,
  idOf,
  join,
  msAt,
  noonMs,
  otherBookingId,
  reserve,
  slot,
  slotId,
  update,
  wake,
} from './commands.fixture.ts'
import { ledgerOf } from './ledger.fixture.ts'
import { type LedgerEntryRow, LedgerFault, rebuildSlot } from './rebuild.ts'
import { SlotWriter } from './slot-writer.fixture.ts'

const RUNS = 60
const COMMANDS = 120
/** mulberry32: the same seed, the same run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

/** What people and their bookings do at one slot in a few minutes of holds of seconds. */
function randomRun(seed: number): SlotWriter {
  const random = randomOf(seed)
  const writer = new SlotWriter()
  const limit = random(2) ? { max_per_user: 6 } : {}
  const times = random(2) ? { hold_ttl_seconds: 3 } : {}
  writer.decide(slot({ ...limit, ...times, waitlist: true, overbooking_bps: 1000 }), noonMs)
  const labels: string[] = []
  for (let index = 0, seconds = 0; index < COMMANDS; index++) {
    seconds += random(2)
    const label = `${['ann', 'bob', 'eve', 'dan'][random(4)]}/${index}`
    const earlier = labels[random(labels.length || 1)] ?? label
    const quantity = 1 + random(4)
    const extra = random(2) ? { metadata: { seat: index } } : { body_hash: hash('b') }
    const late = (['reject', 'rehold', 'waitlist'] as const)[random(3)]
    const choices: readonly (() => ReservationCommand)[] = [
      () => buy(label, quantity, extra),
      () => hold(label, quantity, { ...extra, hold_ttl_seconds: 1 + random(5) }),
      () => join(label, quantity, { ...extra, mode: 'hold' }),
      () => book(label, quantity, extra),
      () => reserve(label, { join_waitlist: true }),
      () => confirm(earlier, { late }),
      () => confirm(earlier, { late }),
      () => confirm(earlier, { booking_id: bookingId }),
      () => cancel(earlier),
      () => cancel(earlier, { booking_id: bookingId }),
      () => update({ capacity: 5 + random(10) }),
      () => update({ status: random(4) ? 'open' : 'closed' }),
      () => erase(earlier.split('/')[0] ?? '', [earlier], `p${index}`),
      () => wake(),
    ]
    writer.decide((choices[random(choices.length)] ?? wake)(), msAt(seconds))
    labels.push(label)
    if (random(40) === 0) seconds += 300 // a booking is asked
  }
  return writer
}

test('the ledger of any run gives the state of that run', () => {
  const types = new Set<string>()
  for (let seed = 1; seed <= RUNS; seed++) {
    const { history, header, rows } = randomRun(seed)
    const ledger = ledgerOf(history)
    const rebuilt = rebuildSlot(ledger)
    expect(rebuilt.slot, `seed ${seed}`).toEqual(header)
    const decided = [...rows].filter(([, row]) => row.status !== 'rejected')
    expect(rebuilt.reservations, `seed ${seed}`).toEqual(new Map(decided))
    for (const entry of ledger) types.add(entry.type)
  }
  expect([...types].sort()).toEqual([
    'expired_reconfirmed',
    'expired_requeued',
    'hold_confirmed',
    'hold_expired',
    'hold_overdue',
    'reservation_cancelled',
    'reservation_confirmed',
    'reservation_erased',
    'reservation_held',
    'reservation_waitlisted',
    'slot_created',
    'slot_updated',
    'waiter_promoted',
  ])
})

test('no entries, no slot', () => {
  expect(rebuildSlot([])).toEqual({ slot: null, reservations: new Map() })
})

function ledgerAfter(...moments: readonly (readonly [seconds: number, command: ReservationCommand])[]) {
  const writer = new SlotWriter()
  for (const [seconds, command] of moments) writer.decide(command, msAt(seconds))
  return { ledger: ledgerOf(writer.history), writer }
}

test('entries from before there were holds are read as they were meant', () => {
  const { ledger, writer } = ledgerAfter([0, slot()], [1, buy('ann', 2)], [2, cancel('ann')], [3, buy('bob')])
  const added = ['holdTtlMs', 'maxPerUser', 'hasWaitlist', 'bookingId', 'isCounted', 'from', 'reason']
  const without = (event: object): object =>
    Object.fromEntries(
      Object.entries(event)
        .filter(([name]) => !added.includes(name))
        .map(([name, value]) => [name, name === 'slot' ? without(value) : value]),
    )
  const old = ledger.map((entry) => ({ ...entry, event: without(Object(entry.event)) }))
  expect(old).not.toEqual(ledger)
  expect(rebuildSlot(old)).toEqual({ slot: writer.header, reservations: writer.rows })
})

describe('what no writer wrote', () => {
  const { ledger: healthy } = ledgerAfter(
    [0, slot({ waitlist: true })], // 1
    [0, buy('ann', 2)], // 2
    [1, buy('bob', 3)], // 3
    [2, cancel('ann')], // 4
    [3, update({ capacity: 5 })], // 5
    [4, hold('eve', 2, { hold_ttl_seconds: 10, metadata: { seat: 1 } })], // 6
    [5, join('dan', 2)], // 7
    [14, wake()], // 8 eve expires, 9 dan is promoted
    [15, confirm('dan')], // 10
    [16, update({ capacity: 7 })], // 11
    [17, book('joe', 1)], // 12
    [317, wake()], // 13 joe's booking is asked
    [318, erase('eve', ['eve'])], // 14
    [319, confirm('eve', { late: 'waitlist' })], // 15
  )
  const change = (version: number, columns: object, event: object = {}) =>
    healthy.map((entry) =>
      entry.version === version
        ? { ...entry, ...columns, event: { ...Object(entry.event), ...event } }
        : entry,
    )
  const without = (version: number) => healthy.filter((entry) => entry.version !== version)
  /** Puts a copy of one version in the place of another. */
  const repeat = (version: number, asVersion: number) =>
    healthy.flatMap((entry) => {
      const copy = healthy.find((each) => each.version === version)
      return entry.version === asVersion && copy !== undefined
        ? [{ ...copy, version: asVersion, at: entry.at }]
        : [entry]
    })

  test('the ledger that is damaged below is sound', () => {
    expect(healthy.map(({ type }) => type).slice(5)).toEqual([
      ...['reservation_held', 'reservation_waitlisted', 'hold_expired', 'waiter_promoted', 'hold_confirmed'],
      ...['slot_updated', 'reservation_held', 'hold_overdue', 'reservation_erased', 'expired_requeued'],
    ])
    expect(rebuildSlot(healthy).slot?.version).toBe(15)
  })

  test.each<[string, readonly LedgerEntryRow[], number, RegExp]>([
    ['a first entry that is missing', without(1), 2, /version 1 is missing/],
    ['a hole', without(3), 4, /version 3 is missing/],
    ['a version twice', healthy.flatMap((entry) => [entry, entry]), 1, /there twice/],
    ['time that goes back', change(3, { at: noonMs - 1 }), 3, /log time goes back/],
    ['an event of no known type', change(2, {}, { type: 'slot_painted' }), 2, /cannot be read: type/],
    ['an event with a field too many', change(2, {}, { colour: 'red' }), 2, /cannot be read/],
    ...['reservation_rejected', 'late_confirmation_refused', 'slot_retired'].map(
      (type): [string, readonly LedgerEntryRow[], number, RegExp] => [
        `a ${type}, which takes no version`,
        change(2, { type }, { type }),
        2,
        /cannot be read/,
      ],
    ),
    ['a type beside another event', change(2, { type: 'slot_updated' }), 2, /type is slot_updated/],
    ['a reservation beside another event', change(2, { reservation_id: idOf('bob') }), 2, /the event names/],
    ['an event of another slot', change(2, {}, { slotId: idOf('bob') }), 2, /about slot/],
    ['a slot made twice', repeat(1, 2), 2, /created twice/],
    ['a reservation confirmed twice', repeat(2, 3), 3, /decided twice/],
    [
      'a cancel of nothing',
      change(4, { reservation_id: slotId }, { rowId: slotId }),
      4,
      /never decided here/,
    ],
    ['a reservation cancelled twice', repeat(4, 5), 5, /reservation_cancelled, but .* is cancelled/],
    ['a cancel of other units', change(4, {}, { quantity: 1 }), 4, /moves 1 units, .* has 2/],
    ['a cancel of what it was not', change(4, {}, { from: 'held' }), 4, /but .* is confirmed/],
    ['a cancel by nobody’s booking', change(4, {}, { reason: 'by-booking' }), 4, /is cancelled by-booking/],
    ['more sold than there is', change(3, {}, { quantity: 30 }), 3, /insufficient/],
    ['more held than there is', change(6, {}, { quantity: 30 }), 6, /insufficient/],
    ['more promoted than is free', healthy.map((entry) => raise(entry, idOf('dan'))), 9, /insufficient/],
    ['less capacity than is sold', change(5, {}, { capacityUnits: 2 }), 5, /in-use/],
    [
      'a hold of another length',
      change(6, {}, { expiresMs: msAt(15) }),
      6,
      /held for 11000 ms, it should be 10000/,
    ],
    ['a hold that is over at once', change(12, {}, { expiresMs: msAt(17) }), 12, /held for 0 ms/],
    ['a hold that ends too early', change(8, { at: msAt(13.9) }), 8, /hold_expired, but .* is held still/],
    [
      'a hold confirmed after its end',
      change(8, { type: 'hold_confirmed' }, { type: 'hold_confirmed' }),
      8,
      /hold_confirmed, but .* was held until/,
    ],
    ['a booking asked too early', change(13, { at: msAt(316) }), 13, /hold_overdue, but .* is held still/],
    ['another booking asked', change(13, {}, { bookingId: otherBookingId }), 13, /is of booking bbbb/],
    [
      'a booking’s hold that expires',
      change(
        13,
        { type: 'hold_expired' },
        { type: 'hold_expired', bookingId: undefined, expiresMs: undefined },
      ).map(cleaned),
      13,
      /which alone ends it/,
    ],
    [
      'a slot that is over at another time',
      change(12, {}, { slotEndMs: msAt(0) }),
      12,
      /the slot is over at/,
    ],
    [
      'one that counts without a limit',
      change(6, {}, { isCounted: true }),
      6,
      /counts towards a limit per user of none/,
    ],
    ['one promoted that does not wait', repeat(9, 11), 11, /waiter_promoted, but .* is confirmed/],
    [
      'one requeued that has not expired',
      change(15, { reservation_id: idOf('dan') }, { rowId: idOf('dan') }),
      15,
      /but .* is confirmed/,
    ],
    ['one that waits where there is no line', withoutLine(healthy), 7, /has no waitlist/],
    [
      'an erasure that left something',
      change(6, {}, { metadata: { seat: 1 } }),
      14,
      /what it carried is still in an earlier entry/,
    ],
    [
      'another confirmed_delta',
      change(2, { confirmed_delta: 1 }),
      2,
      /confirmed_delta is 1, its event makes 2/,
    ],
    ['another held_delta', change(6, { held_delta: 1 }), 6, /held_delta is 1, its event makes 2/],
    ['another capacity', change(2, { capacity: 9 }), 2, /capacity is 9, its event makes 10/],
    ['another overbooking', change(1, { overbooking_bps: 9 }), 1, /overbooking_bps is 9, its event makes 0/],
  ])('%s is refused and named', (_what, entries, version, message) => {
    const fault = faultOf(entries)
    expect(fault.message).toMatch(message)
    expect(fault).toMatchObject({ slotId, version })
  })
})

/** With units that fit nowhere any more. */
function raise(entry: LedgerEntryRow, reservationId: string): LedgerEntryRow {
  if (entry.reservation_id !== reservationId) return entry
  return { ...entry, event: { ...Object(entry.event), quantity: 5 } }
}

function cleaned(entry: LedgerEntryRow): LedgerEntryRow {
  return { ...entry, event: JSON.parse(JSON.stringify(entry.event)) }
}

function withoutLine(entries: readonly LedgerEntryRow[]): readonly LedgerEntryRow[] {
  return entries.map((entry) => {
    if (entry.version !== 1) return entry
    const event = Object(entry.event)
    return { ...entry, event: { ...event, slot: { ...event.slot, hasWaitlist: false } } }
  })
}

function faultOf(entries: readonly LedgerEntryRow[]): LedgerFault {
  try {
    rebuildSlot(entries)
  } catch (error) {
    if (error instanceof LedgerFault) return error
    throw error
  }
  throw new Error('it was rebuilt')
}
