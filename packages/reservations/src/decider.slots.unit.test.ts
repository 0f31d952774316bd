/** What an organiser does with a slot. */
import { describe, expect, test } from 'vitest'
import {
  buy,
  hash,
  hold,
  join,
  many,
  noonMs,
  reserve,
  slot,
  slotId,
  timeAt,
  update,
} from './commands.fixture.ts'
import { given } from './decider.fixture.ts'

describe('a slot', () => {
  test('is created open and empty, on the terms asked for', () => {
    const scene = given(
      slot({
        overbooking_bps: 1000,
        hold_ttl_seconds: 60,
        max_per_user: 3,
        waitlist: true,
        sales_open_at: timeAt(1),
        sales_close_at: timeAt(2),
        metadata: { room: 7 },
      }),
    )
    scene.happens('slot_created').counts({ held: 0, confirmed: 0, waiting: 0, version: 1 })
    expect(scene.writer.header?.createdMs).toBe(noonMs)
    expect(scene.outcome).toEqual({
      code: 'ok',
      slot: {
        id: slotId,
        name: 'Morning',
        start_time: '2026-07-01T12:00:00.000Z',
        end_time: '2026-07-01T13:00:00.000Z',
        status: 'open',
        capacity: 10,
        reserved_count: 0,
        held_count: 0,
        waitlist_count: 0,
        available: 11,
        hold_ttl_seconds: 60,
        max_per_user: 3,
        waitlist: true,
        sales_open_at: timeAt(1),
        sales_close_at: timeAt(2),
        metadata: { room: 7 },
        version: 1,
      },
    })
  })

  test('created again with the same body is the same, as it is today; with another it is refused', () => {
    given(slot(), buy('ann', 3), hold('bob', 2))
      .when(slot())
      .answers('ok', { slot: { available: 5, reserved_count: 5, held_count: 2, version: 3 } })
      .happens()
      .when(slot({ body_hash: hash('b') }))
      .answers('slot-exists')
      .happens()
  })

  test('that is not there cannot be changed', () => {
    given()
      .when(update({ name: 'x' }))
      .answers('slot-not-found')
      .happens()
  })

  test('may have no unit at all', () => {
    given(slot({ capacity: 0, overbooking_bps: 10_000 }))
      .when(buy('ann'))
      .answers('sold-out')
  })
})

describe('a change', () => {
  test('renames, resizes, overbooks, closes and opens, each a version', () => {
    given(slot())
      .when(update({ name: 'Evening', capacity: 20 }))
      .answers('ok', { slot: { name: 'Evening', capacity: 20, version: 2 } })
      .when(update({ overbooking_bps: 500 }))
      .answers('ok', { slot: { available: 21, version: 3 } })
      .when(update({ status: 'closed' }))
      .answers('ok', { slot: { status: 'closed', version: 4 } })
      .when(update({ status: 'open' }))
      .answers('ok', { slot: { status: 'open', version: 5 } })
  })

  test('to what is there already is no change', () => {
    given(slot())
      .when(update({ name: 'Morning', capacity: 10, status: 'open' }))
      .answers('ok', { slot: { version: 1 } })
      .happens()
  })

  test('does not shrink below what is held and confirmed', () => {
    given(slot(), buy('ann', 4), hold('bob', 2))
      .when(update({ capacity: 5, name: 'Evening' }))
      .answers('capacity-in-use', { detail: '6 units are held or confirmed' })
      .happens()
      .when(update({ capacity: 6 }))
      .answers('ok', { slot: { available: 0, name: 'Morning' } })
  })

  test('shrinks below what was held until now', () => {
    given(slot(), buy('ann', 4), hold('bob', 2, { hold_ttl_seconds: 60 }))
      .at(59.999)
      .when(update({ capacity: 4 }))
      .answers('capacity-in-use')
      .at(60)
      .when(update({ capacity: 4 }))
      .answers('ok')
  })

  test('does not shrink below what somebody in line has got at the same instant', () => {
    const crowd = many(50, 'crowd', (label) => hold(label, 1, { hold_ttl_seconds: 60 }))
    given(slot({ capacity: 50, waitlist: true }), ...crowd, join('ann', 40))
      .at(60)
      .when(update({ capacity: 39 }))
      .answers('capacity-in-use', { detail: '40 units are held or confirmed' })
  })

  test('takes units away that overbooking gave, to the unit', () => {
    given(slot({ overbooking_bps: 1000 }), buy('ann', 11))
      .when(update({ overbooking_bps: 999 }))
      .answers('capacity-in-use')
      .when(update({ capacity: 11, overbooking_bps: 0 }))
      .answers('ok')
  })
})

describe('a change with a key', () => {
  const keyed = (capacity: number) => update({ capacity, body_hash: hash('a') })

  test('is done once, and a repeat gets the answer that there was', () => {
    const command = keyed(20)
    const scene = given(slot(), command)
    const first = scene.answers('ok', { body_hash: hash('a'), slot: { capacity: 20 } }).outcome
    scene
      .when(update({ capacity: 30 }), command)
      .happens()
      .counts({ version: 3 })
    expect(scene.outcome).toEqual(first)
  })

  test('that was refused stays refused', () => {
    const command = keyed(1)
    given(slot(), hold('ann', 2, { hold_ttl_seconds: 60 }), command)
      .answers('capacity-in-use', { body_hash: hash('a') })
      .at(60)
      .when(command)
      .answers('capacity-in-use')
  })

  test('and another body is refused', () => {
    const command = keyed(20)
    const other = update({ ...command, capacity: 21, body_hash: hash('b') })
    given(slot(), command).when(other).answers('idempotency-key-reused').counts({ version: 2 })
  })

  test('for a slot that is not there is answered like that again', () => {
    const command = keyed(20)
    given(command)
      .answers('slot-not-found', { body_hash: hash('a') })
      .when(command)
      .answers('slot-not-found')
  })
})

test('reservations go on under the terms that a change leaves alone', () => {
  given(slot({ hold_ttl_seconds: 60 }), update({ capacity: 20 }))
    .when(reserve('ann', { quantity: 20 }))
    .now('ann held until 60')
})
