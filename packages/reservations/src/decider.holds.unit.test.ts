/** Holds: confirmed, cancelled or over. */
import { describe, expect, test } from 'vitest'
import {
  buy,
  cancel,
  confirm,
  hold,
  join,
  many,
  reserve,
  slot,
  timeAt,
  update,
  wake,
} from './commands.fixture.ts'
import { given, type Scene } from './decider.fixture.ts'

const minute = { hold_ttl_seconds: 60 }
const crowd = (count: number) => many(count, 'crowd', (label) => hold(label, 1, minute))
const expiries = (scene: Scene) => scene.since.filter(({ event }) => event.type === 'hold_expired').length

describe('a hold', () => {
  test('is confirmed until the millisecond before its end', () => {
    given(slot(minute), reserve('ann', { quantity: 3 }))
      .at(59.999)
      .when(confirm('ann'))
      .answers('ok', {
        reservation: {
          status: 'confirmed',
          slot_version: 3,
          transitions: [
            { status: 'held', at: timeAt(0) },
            { status: 'confirmed', at: timeAt(59.999) },
          ],
        },
      })
      .happens('hold_confirmed ann')
      .counts({ held: 0, confirmed: 3 })
  })

  test('says no end any more once it is confirmed', () => {
    const { outcome } = given(slot(minute), reserve('ann'), confirm('ann'))
    expect(outcome.reservation).not.toHaveProperty('expires_at')
  })

  test('is over exactly at its end: the confirmation comes too late', () => {
    given(slot(minute), reserve('ann'))
      .at(60)
      .when(confirm('ann'))
      .answers('hold-expired', { reservation: { status: 'expired' } })
      .happens('hold_expired ann')
      .counts({ held: 0, confirmed: 0 })
  })

  test('that is over cannot be cancelled', () => {
    given(slot(minute), reserve('ann'))
      .at(60)
      .when(cancel('ann'))
      .answers('not-cancellable')
      .happens('hold_expired ann')
  })

  test('once confirmed does not end, and is confirmed again to the same answer', () => {
    const scene = given(slot(minute), reserve('ann'), confirm('ann'))
    const first = scene.outcome
    scene.at(3600).when(wake()).happens()
    scene.when(confirm('ann')).happens()
    expect(scene.outcome).toEqual(first)
  })

  test('is confirmed and cancelled while the slot is closed or its sale is over', () => {
    given(slot({ sales_close_at: timeAt(10) }), hold('ann'), hold('bob'), update({ status: 'closed' }))
      .at(10)
      .when(confirm('ann'))
      .answers('ok')
      .when(cancel('bob'))
      .answers('ok')
      .now('ann confirmed', 'bob cancelled')
  })
})

describe('a cancellation', () => {
  test.each([
    ['a hold', hold('ann', 10), 'held'],
    ['a confirmed one', buy('ann', 10), 'confirmed'],
  ])('of %s gives all units back, once', (_what, command, previous) => {
    const scene = given(slot(), command).at(5).when(cancel('ann'))
    scene
      .answers('ok', {
        reservation: {
          status: 'cancelled',
          transitions: [{ status: previous }, { status: 'cancelled', at: timeAt(5), reason: 'by-request' }],
        },
      })
      .happens('reservation_cancelled ann')
      .counts({ held: 0, confirmed: 0, version: 3 })
    const first = scene.outcome
    scene.at(6).when(cancel('ann')).happens().counts({ version: 3 })
    expect(scene.outcome).toEqual(first)
    scene.when(buy('bob', 10)).answers('ok')
  })

  test('has one winner with a confirmation: who comes first in the log', () => {
    given(slot(), hold('ann'), confirm('ann')).when(cancel('ann')).answers('ok').now('ann cancelled')
    given(slot(), hold('ann'), cancel('ann'))
      .when(confirm('ann'))
      .answers('not-confirmable', { reservation: { status: 'cancelled' } })
      .happens()
  })

  test('of nothing, of a rejected one, of somebody else’s says so and does nothing', () => {
    const scene = given(slot({ capacity: 1 }), hold('ann'), buy('bob'))
    scene.when(cancel('nobody')).answers('reservation-not-found').happens()
    scene
      .when(cancel('bob'))
      .answers('not-cancellable', { reservation: { status: 'rejected' } })
      .happens()
    scene.when(cancel('ann', { caller: 'bob' })).happens()
    expect(scene.outcome).toEqual({ code: 'reservation-not-found' })
    scene.when(cancel('ann', { caller: 'ann' })).answers('ok')
  })

  test('and a confirmation name the reservation: of nothing, of a rejected one, of somebody else’s', () => {
    const scene = given(slot({ capacity: 1 }), hold('ann'), buy('bob'))
    scene.when(confirm('nobody')).answers('reservation-not-found').happens()
    scene
      .when(confirm('bob'))
      .answers('not-confirmable', { reservation: { status: 'rejected' } })
      .happens()
    scene.when(confirm('ann', { caller: 'bob', late: 'rehold' })).happens()
    expect(scene.outcome).toEqual({ code: 'reservation-not-found' })
    scene.when(confirm('ann', { caller: 'ann' })).answers('ok')
  })
})

describe('holds that end', () => {
  test('make room for the very command that needs it', () => {
    given(slot(minute), reserve('ann', { quantity: 10 }))
      .at(60)
      .when(buy('bob', 10))
      .answers('ok')
      .happens('hold_expired ann', 'reservation_confirmed bob')
      .now('ann expired', 'bob confirmed')
  })

  test('end in the order of their ends, whoever came first', () => {
    given(slot(), hold('ann', 1, { hold_ttl_seconds: 30 }), hold('bob', 1, { hold_ttl_seconds: 20 }))
      .at(15)
      .when(hold('cy', 1, { hold_ttl_seconds: 10 }))
      .at(31)
      .when(wake())
      .answers('ok')
      .happens('hold_expired bob', 'hold_expired cy', 'hold_expired ann')
  })

  test('end at the time of the command that finds them over', () => {
    const scene = given(slot(minute), reserve('ann')).at(75).when(wake())
    expect(scene.row('ann').transitions.at(-1)).toEqual({
      status: 'expired',
      atMs: Date.parse(timeAt(75)),
      reason: 'hold-expired',
    })
  })

  test('do not stand in the way of what fits: sixteen of a hundred are taken out of it on the way', () => {
    const scene = given(slot({ capacity: 200 }), ...crowd(100))
      .at(60)
      .when(buy('ann', 100))
      .answers('ok')
    expect(expiries(scene)).toBe(16)
    scene.counts({ held: 84, confirmed: 100 })
  })

  test('are all taken out of the way before a refusal', () => {
    const scene = given(slot({ capacity: 100 }), ...crowd(100))
      .at(60)
      .when(buy('ann', 100))
      .answers('ok')
    expect(expiries(scene)).toBe(100)
    const refused = given(slot({ capacity: 100 }), buy('bob'), ...crowd(99))
      .at(60)
      .when(buy('ann', 100))
    expect(expiries(refused.answers('sold-out'))).toBe(99)
  })

  test('are taken out of the way only as far as it takes', () => {
    const scene = given(slot({ capacity: 100 }), ...crowd(100))
      .at(60)
      .when(buy('ann', 40))
      .answers('ok')
    expect(expiries(scene)).toBe(40)
  })

  test('are taken out of the way for a resize, too', () => {
    const scene = given(slot({ capacity: 100 }), ...crowd(100))
      .at(60)
      .when(update({ capacity: 10 }))
      .answers('ok')
    expect(expiries(scene)).toBe(90)
  })

  test('do not count as being in line would: nobody is sent into it for units that are free', () => {
    given(slot({ capacity: 100, waitlist: true }), ...crowd(100))
      .at(60)
      .when(join('ann', 100))
      .now('ann confirmed')
  })

  test('end in a wake, at most 500 in one', () => {
    const scene = given(slot({ capacity: 600 }), ...crowd(600))
      .at(60)
      .when(wake())
      .answers('ok')
    expect(expiries(scene)).toBe(500)
    expect(expiries(scene.when(wake()))).toBe(100)
    expect(expiries(scene.when(wake()))).toBe(0)
    scene.counts({ held: 0 })
  })

  test('whose reservation a command is about end first, whatever else is due', () => {
    const scene = given(slot({ capacity: 100 }), ...crowd(50), hold('ann', 1, { hold_ttl_seconds: 61 })).at(
      61,
    )
    scene.when(confirm('ann')).answers('hold-expired')
    expect(scene.since[0]?.event).toMatchObject({ type: 'hold_expired', rowId: scene.row('ann').id })
  })
})

test('a wake before anything is due does nothing, and one for no slot says so', () => {
  given(slot(minute), reserve('ann')).at(59.999).when(wake()).answers('ok').happens().now('ann held until 60')
  given().when(wake()).answers('slot-not-found').happens()
})
