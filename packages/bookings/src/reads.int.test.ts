/** Bookings as readers find them on Postgres. */
import { queryAll } from '@ironsys/postgres'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { answer, book, bookingId, both, meal, noonMs, otherId, place, seat } from './booking-world.fixture.ts'
import { createBookingReads } from './reads.ts'
import { type At, hold, openWorld } from './stored-bookings.fixture.ts'

let world: Awaited<ReturnType<typeof openWorld>>
beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const reads = () =>
  createBookingReads(async (statement) => (await queryAll(world.pool, [statement]))[0] ?? [])

test('readers get a booking as a document, with the hash of its request', async () => {
  await world.write([hold, noonMs], [answer(seat), noonMs], [answer(meal), noonMs])
  const time = new Date(noonMs).toISOString()
  expect(await reads().booking(bookingId)).toEqual({
    document: {
      id: bookingId,
      user_id: 'ann, "bob" ☃ \\',
      status: 'held',
      items: both.map(({ slotId, quantity, reservationId }) => ({
        slot_id: slotId,
        quantity,
        reservation_id: reservationId,
      })),
      created_at: time,
      expires_at: new Date(noonMs + 600_000).toISOString(),
      transitions: [
        { status: 'pending', at: time },
        { status: 'held', at: time },
      ],
    },
    bodyHash: 'a'.repeat(32),
  })
  expect(await reads().booking(otherId('none'))).toBeNull()
})

test('readers get why a booking was rejected, and no time at which it would end', async () => {
  await world.write([book(both), noonMs])
  expect((await reads().booking(bookingId))?.document).not.toHaveProperty('expires_at')
  await world.write([answer(seat, 'sold-out'), noonMs])
  expect((await reads().booking(bookingId))?.document).toMatchObject({
    status: 'rejected',
    reason: 'sold-out',
    failed_slot_id: seat.slotId,
    transitions: [{ status: 'pending' }, { status: 'rejected', reason: 'sold-out' }],
  })
})

test("readers get the ids of a user's bookings, page by page", async () => {
  const ids = ['1', '2', '3'].map(otherId).sort()
  const mine = ids.map((each): At => [book([place(6)], { id: each }), noonMs])
  await world.write(...mine, [book([place(6)], { user_id: 'bob' }), noonMs])
  expect(await reads().bookingsOfUser('ann', 2)).toEqual(ids.slice(0, 2))
  expect(await reads().bookingsOfUser('ann', 2, ids[1])).toEqual(ids.slice(2))
  expect(await reads().bookingsOfUser('carol', 2)).toEqual([])
})
