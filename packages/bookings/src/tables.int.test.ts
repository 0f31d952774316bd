/** Bookings on Postgres: what a writer commits, another finds as it was. */
import { topics } from '@ironsys/contracts'
import { DataError } from '@ironsys/engine'
import { type Pool, queryAll } from '@ironsys/postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  answer,
  book,
  bookingId,
  both,
  cancel,
  confirm,
  erase,
  given,
  holdEndMs,
  july1,
  july2,
  meal,
  noonMs,
  otherId,
  pendingEndMs,
  place,
  retire,
  seat,
  wake,
} from './booking-world.fixture.ts'
import { bookingDecider } from './decider.ts'
import { type Booking, PENDING_MS } from './state.ts'
import { type At, hold, id, openWorld } from './stored-bookings.fixture.ts'

let world: Awaited<ReturnType<typeof openWorld>>
beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const lives: readonly (readonly [string, readonly At[]])[] = [
  ['pending', [[hold, noonMs]]],
  [
    'half answered',
    [
      [hold, noonMs],
      [answer(meal, 'held', july2), noonMs + 1],
    ],
  ],
  [
    'held',
    [
      [hold, noonMs],
      [answer(meal), noonMs + 1],
      [answer(seat, 'held', july2), noonMs + 1],
    ],
  ],
  [
    'confirmed',
    [
      [book(both), noonMs],
      [answer(meal), noonMs + 1],
      [answer(seat), noonMs + 1],
    ],
  ],
  [
    'confirmed after its hold',
    [
      [hold, noonMs],
      [answer(meal), noonMs],
      [answer(seat), noonMs],
      [confirm(), noonMs + 1],
    ],
  ],
  [
    'rejected',
    [
      [hold, noonMs],
      [answer(seat), noonMs + 1],
      [answer(meal, 'slot-not-found', null), noonMs + 2],
    ],
  ],
  [
    'timed out',
    [
      [hold, noonMs],
      [answer(seat), noonMs + 1],
      [wake(), pendingEndMs],
    ],
  ],
  [
    'expired',
    [
      [hold, noonMs],
      [answer(meal), noonMs],
      [answer(seat), noonMs],
      [wake(), holdEndMs],
    ],
  ],
  [
    'cancelled',
    [
      [book(both), noonMs],
      [answer(seat), noonMs],
      [cancel(), noonMs + 1],
    ],
  ],
  [
    'erased',
    [
      [book(both, { body_hash: 'b'.repeat(32) }), noonMs],
      [erase('ann', 'gone-1'), noonMs + 1],
    ],
  ],
]

describe.each(lives)('a booking that is %s', (_name, commands) => {
  const expected = () => {
    const { when, booking } = given()
    for (const [command, atMs] of commands) when(command, atMs)
    return booking()
  }

  test('is found as it was, written at once', async () => {
    await world.write(...commands)
    expect(await world.load(bookingId)).toEqual(expected())
  })

  test('is found as it was, written by a new writer each time', async () => {
    for (const command of commands) await world.write(command)
    expect(await world.load(bookingId)).toEqual(expected())
  })
})

test('many bookings are written at once', async () => {
  const names = ['1', '2', '3']
  const books = names.map((name) => book([place(4), place(5)], { id: otherId(name) }))
  await world.write(...books.map((each): At => [each, noonMs]))
  await world.write(...names.map((name): At => [cancel({ booking_id: otherId(name) }), noonMs + 1]))
  for (const name of names) {
    expect(await world.load(otherId(name))).toMatchObject({ status: 'cancelled', version: 2 })
  }
})

describe('what is due', () => {
  const due = async (limit = 10) =>
    (await world.store.dueKeys(id, limit)).map(({ key, atMs }) => [key, atMs] as const)

  test('are the bookings of the partition with a deadline, the earliest first', async () => {
    const [first, second] = [otherId('first'), otherId('second')]
    await world.write(
      [book([place(6)], { id: first }), noonMs],
      [hold, noonMs + 1],
      [book([place(6)], { id: second }), noonMs + 2],
    )
    const dues = [
      [first, noonMs + PENDING_MS],
      [bookingId, noonMs + 1 + PENDING_MS],
      [second, noonMs + 2 + PENDING_MS],
    ]
    expect(await due()).toEqual(dues)
    expect(await due(2)).toEqual(dues.slice(0, 2))
    expect(await world.store.dueKeys({ ...id, partition: 1 }, 10)).toEqual([])
    await world.write([cancel(), noonMs + 3])
    expect(await due()).toEqual([dues[0], dues[2]])
  })

  test('is told to the alarm with every commit, and that nothing is any more', async () => {
    await world.write([hold, noonMs])
    await world.write([answer(seat), noonMs + 1], [answer(meal), noonMs + 1])
    await world.write([cancel(), noonMs + 2])
    await world.write([cancel(), noonMs + 3])
    expect(world.batches.flatMap(({ due }) => (due.has(bookingId) ? [due.get(bookingId)] : []))).toEqual([
      pendingEndMs,
      noonMs + 1 + 600_000,
      null,
      null,
    ])
  })
})

describe('a booking that is removed', () => {
  const afterMs = Date.parse(july1) + 8 * 24 * 3600 * 1000
  const rejected: readonly At[] = [
    [book(both), noonMs],
    [answer(seat, 'sold-out'), noonMs],
  ]
  const count = async (pool: Pool) => {
    const text =
      'SELECT (SELECT count(*) FROM bookings) AS bookings, (SELECT count(*) FROM booking_items) AS items'
    const [rows] = await queryAll(pool, [{ name: 'count', text, values: [] }])
    return rows?.[0]
  }

  test('goes with its items, and leaves the others', async () => {
    await world.write(...rejected, [book([place(6)], { id: otherId('stays') }), noonMs])
    await world.write([retire(8), afterMs])
    expect(await world.load(bookingId)).toBeUndefined()
    expect(await count(world.pool)).toEqual({ bookings: '1', items: '1' })
  })

  test('may come back in the same batch', async () => {
    await world.write(...rejected)
    await world.write([retire(8), afterMs], [book(both), afterMs])
    expect(await world.load(bookingId)).toMatchObject({ status: 'pending', version: 1, createdMs: afterMs })
    expect(await count(world.pool)).toEqual({ bookings: '1', items: '2' })
  })
})

test('an unknown booking that a slot asks about leaves a command and no row', async () => {
  const overdue = { v: 2, id: otherId('c'), type: 'hold_overdue', booking_id: bookingId }
  const command = bookingDecider.parse(
    Buffer.from(JSON.stringify({ ...overdue, reservation_id: seat.reservationId })),
  )
  if ('unreadable' in command) throw new Error(command.detail)
  await world.write([command, noonMs])
  expect(world.segments.flatMap(({ messages }) => messages.map(({ topic }) => topic))).toEqual([
    topics.bookingEvents,
    topics.reservationCommands,
  ])
  expect(await world.load(bookingId)).toBeUndefined()
})

describe('a change of what is not there is refused, so that no decision is lost in silence', () => {
  const gone = given(book(both), answer(seat)).booking() ?? expect.fail('no booking')
  const commit = async (headers: ReadonlyMap<string, { header: Booking; created: boolean }>) => {
    const from = await world.store.open(id)
    const nothing = { rows: new Map(), ledger: [], remembered: [], deadLetters: [], segment: null }
    const to = { ...from, nextOffset: from.nextOffset + 1 }
    return world.store.commit({ id, from, to, headers, removedKeys: new Set(), ...nothing })
  }

  test('a booking', async () => {
    await expect(commit(new Map([[bookingId, { header: gone, created: false }]]))).rejects.toThrow(DataError)
  })

  test('an item', async () => {
    await commit(new Map([[bookingId, { header: { ...gone, items: [] }, created: true }]]))
    const change = commit(new Map([[bookingId, { header: gone, created: false }]]))
    await expect(change).rejects.toThrow(/booking_items/)
  })
})
