/** What a reservation becomes when it is asked for. */
import { slotIdSchema } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import {
  buy,
  cancel,
  confirm,
  hash,
  hold,
  idOf,
  many,
  reserve,
  slot,
  timeAt,
  update,
} from './commands.fixture.ts'
import { given } from './decider.fixture.ts'

describe('a reservation', () => {
  test('takes its units, in the next version of the slot', () => {
    given(slot())
      .when(buy('ann', 4))
      .answers('ok', {
        reservation: {
          id: idOf('ann'),
          status: 'confirmed',
          quantity: 4,
          slot_version: 2,
          created_at: timeAt(0),
          transitions: [{ status: 'confirmed', at: timeAt(0) }],
        },
      })
      .happens('reservation_confirmed ann')
      .counts({ confirmed: 4, held: 0, version: 2 })
  })

  test('is confirmed at once, or a hold where the slot says how long holds last, unless it says itself', () => {
    given(slot()).when(reserve('ann'), buy('bob'), hold('cy')).now('ann confirmed', 'bob confirmed')
    given(slot({ hold_ttl_seconds: 60 }))
      .when(reserve('ann'), buy('bob'), hold('cy'))
      .now('ann held until 60', 'bob confirmed', 'cy held until 60')
  })

  test.each([
    ['what is asked for', { hold_ttl_seconds: 60 }, { hold_ttl_seconds: 5 }, 5],
    ['else what the slot says', { hold_ttl_seconds: 60 }, {}, 60],
    ['else ten minutes', {}, {}, 600],
  ])('is held for %s', (_what, terms, fields, seconds) => {
    given(slot(terms))
      .at(7)
      .when(hold('ann', 1, fields))
      .answers('ok', { reservation: { status: 'held', expires_at: timeAt(7 + seconds) } })
      .now(`ann held until ${7 + seconds}`)
      .counts({ held: 1, confirmed: 0 })
  })

  test('gets all of its units or none', () => {
    given(slot(), buy('ann', 8))
      .when(buy('bob', 3))
      .answers('sold-out', { reservation: { status: 'rejected', reason: 'sold-out', slot_version: 2 } })
      .happens('reservation_rejected bob')
      .counts({ confirmed: 8, version: 2 })
      .when(buy('cy', 2))
      .answers('ok')
      .when(buy('dee', 1))
      .answers('sold-out')
  })

  test('may use overbooked units, to the unit', () => {
    given(slot({ overbooking_bps: 1000 }), buy('ann', 10))
      .when(buy('bob'))
      .answers('ok')
      .when(buy('cy'))
      .answers('sold-out')
  })

  test('of more than the slot can ever have is sold out, also for who would wait', () => {
    given(slot({ waitlist: true }))
      .when(buy('ann', 11, { join_waitlist: true }))
      .answers('sold-out')
  })

  test('for a slot that is not there is rejected, on record', () => {
    given()
      .when(buy('ann'))
      .answers('slot-not-found', { reservation: { status: 'rejected', slot_version: 0 } })
      .happens('reservation_rejected ann')
  })

  test('for a slot that is not there can be neither cancelled nor confirmed afterwards', () => {
    given(buy('ann'))
      .when(cancel('ann'))
      .answers('not-cancellable', { reservation: { reason: 'slot-not-found' } })
      .when(confirm('ann'))
      .answers('not-confirmable')
      .happens()
  })

  test('is refused before the sale opens, and from the millisecond on at which it closes', () => {
    const sale = given(slot({ sales_open_at: timeAt(10), sales_close_at: timeAt(20) }))
    sale.at(9.999).when(buy('ann')).answers('sales-not-open')
    sale.at(10).when(buy('bob')).answers('ok')
    sale.at(19.999).when(buy('cy')).answers('ok')
    sale.at(20).when(buy('dee')).answers('slot-closed')
  })

  test('is refused while the slot is closed, before the sale opens too', () => {
    given(slot({ sales_open_at: timeAt(10) }), update({ status: 'closed' }))
      .when(buy('ann'))
      .answers('slot-closed')
      .at(10)
      .when(update({ status: 'open' }), buy('bob'))
      .answers('ok')
  })

  test.each([
    ['closed before too large', { capacity: 1 }, ['closed'], 'slot-closed'],
    ['too large before the limit', { capacity: 1, max_per_user: 1 }, [], 'sold-out'],
    ['the limit before no room', { capacity: 2, max_per_user: 1 }, [], 'limit-exceeded'],
  ] as const)('is refused for the first reason: %s', (_what, terms, closing, code) => {
    given(slot(terms), buy('bob'), ...closing.map((status) => update({ status })))
      .when(buy('ann', 2))
      .answers(code)
  })
})

describe('a reservation asked for again', () => {
  test('takes effect once and is answered in full', () => {
    const scene = given(slot(), buy('ann', 4))
    const first = scene.outcome
    scene.at(5).when(buy('ann', 4)).happens().counts({ confirmed: 4, version: 2 })
    expect(scene.outcome).toEqual(first)
  })

  test('stays rejected, though there is room now', () => {
    given(slot(), buy('ann', 10), buy('bob'), cancel('ann'))
      .when(buy('bob'))
      .answers('sold-out', { reservation: { status: 'rejected' } })
      .happens()
  })

  test.each([
    ['confirmed', [confirm('ann')], 'confirmed'],
    ['cancelled', [cancel('ann')], 'cancelled'],
    ['not yet changed', [], 'held'],
  ])('is answered as it is today: %s', (_what, since, status) => {
    given(slot(), hold('ann'), ...since)
      .at(5)
      .when(hold('ann'))
      .answers('ok', { reservation: { status } })
      .happens()
  })

  test('has expired if its time is over, by that very command', () => {
    given(slot(), hold('ann', 1, { hold_ttl_seconds: 60 }))
      .at(60)
      .when(hold('ann', 1, { hold_ttl_seconds: 60 }))
      .answers('ok', { reservation: { status: 'expired' } })
      .happens('hold_expired ann')
  })

  test('under the same key with another body, or without the key, is refused', () => {
    const scene = given(slot(), buy('ann', 4, { body_hash: hash('a') }))
    for (const fields of [{ body_hash: hash('b') }, {}]) {
      scene
        .when(buy('ann', 5, fields))
        .happens()
        .counts({ confirmed: 4 })
      expect(scene.outcome).toEqual({ code: 'idempotency-key-reused' })
    }
  })

  test('for another slot is refused, and nothing moves there or here', () => {
    const { writer } = given(slot(), hold('ann', 2, { hold_ttl_seconds: 60 }))
    const stranger = writer.rows.get(idOf('ann'))
    if (stranger === undefined) throw new Error('no reservation')
    const scene = given(slot(), ...many(3, 'guest', (label) => hold(label)))
    scene.writer.rows.set(stranger.id, { ...stranger, slotId: slotIdSchema.parse(idOf('elsewhere')) })
    scene.at(60).when(reserve('ann')).answers('idempotency-key-reused').happens().counts({ held: 3 })
  })
})
