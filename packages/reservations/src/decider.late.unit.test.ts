/** Paid, but too late: every `late`, and what it can come to. Never silent. */
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
import { given } from './decider.fixture.ts'

const minute = { hold_ttl_seconds: 60 }
const rehold = (label: string) => confirm(label, { late: 'rehold' })
const requeue = (label: string) => confirm(label, { late: 'waitlist' })

/** At 60: ann has lost her twenty units to bob, and fifty others' single ones have just ended. */
const crowded = () =>
  given(slot({ capacity: 70, waitlist: true }), hold('ann', 20, { hold_ttl_seconds: 30 }))
    .when(...many(50, 'crowd', (label) => hold(label, 1, minute)))
    .at(40)
    .when(buy('bob', 20))
    .at(60)

describe('a late confirmation', () => {
  test.each([{}, { late: 'reject' }])(
    'that asks for nothing (%j) is refused, though there is room',
    (late) => {
      given(slot(minute), reserve('ann'))
        .at(60)
        .when(confirm('ann', late))
        .answers('hold-expired', { reservation: { status: 'expired' } })
        .happens('hold_expired ann')
        .when(confirm('ann', late))
        .answers('hold-expired')
        .happens()
    },
  )

  test('in time is no late one, whatever it asks for in that case', () => {
    given(slot(minute), reserve('ann'))
      .at(59.999)
      .when(requeue('ann'))
      .answers('ok')
      .happens('hold_confirmed ann')
  })
})

describe('rehold', () => {
  test('takes the units again if they are free, confirmed at once', () => {
    given(slot(minute), reserve('ann', { quantity: 10 }))
      .at(60)
      .when(rehold('ann'))
      .answers('ok', {
        reservation: {
          status: 'confirmed',
          transitions: [
            { status: 'held' },
            { status: 'expired', at: timeAt(60), reason: 'hold-expired' },
            { status: 'confirmed', at: timeAt(60), reason: 'late-confirmation' },
          ],
        },
      })
      .happens('hold_expired ann', 'expired_reconfirmed ann')
      .counts({ held: 0, confirmed: 10 })
      .when(rehold('ann'))
      .answers('ok')
      .happens()
  })

  test('means a refund when the units are gone: an event, no version', () => {
    given(slot(minute), reserve('ann'))
      .at(60)
      .when(buy('bob', 10))
      .when(rehold('ann'))
      .answers('refund-required', { reservation: { status: 'expired' } })
      .happens('late_confirmation_refused ann')
      .counts({ confirmed: 10, version: 4 })
  })

  test('is refused only after all else that is due has ended', () => {
    crowded().when(rehold('ann')).answers('ok').now('ann confirmed')
  })

  test('does not pass who is in line and fits', () => {
    given(slot({ waitlist: true }), hold('ann', 10, minute), join('bob', 4))
      .at(60)
      .when(rehold('ann'))
      .answers('refund-required')
      .happens('hold_expired ann', 'waiter_promoted bob', 'late_confirmation_refused ann')
  })

  test('passes who does not fit', () => {
    given(slot({ waitlist: true }), hold('ann', 2, minute), buy('cy', 8), join('bob', 4))
      .at(60)
      .when(rehold('ann'))
      .answers('ok')
      .now('ann confirmed', 'bob waitlisted')
  })

  test.each([
    ['the user has taken as much elsewhere since', { max_per_user: 1 }, buy('ann/2')],
    ['the slot is closed', {}, update({ status: 'closed' })],
  ])('means a refund when %s', (_what, terms, since) => {
    given(slot({ ...minute, ...terms }), reserve('ann'))
      .at(60)
      .when(since)
      .when(rehold('ann'))
      .answers('refund-required')
      .happens('late_confirmation_refused ann')
  })

  test('means a refund when the sale is over', () => {
    given(slot({ ...minute, sales_close_at: timeAt(60) }), reserve('ann'))
      .at(60)
      .when(rehold('ann'))
      .answers('refund-required')
  })
})

describe('waitlist', () => {
  const line = (fields: object = {}) => slot({ waitlist: true, ...fields })

  test('puts it at the end of the line, and the line serves it in its turn', () => {
    const scene = given(line(), hold('ann', 8, minute), buy('bob', 2), join('cy', 8), join('dee', 8))
      .at(60)
      .when(wake())
      .happens('hold_expired ann', 'waiter_promoted cy')
      .when(join('eve', 8))
      .at(61)
      .when(requeue('ann'))
      .answers('ok', { reservation: { status: 'waitlisted', waitlist_position: 3 } })
      .happens('expired_requeued ann')
    expect(scene.row('ann').transitions.at(-1)).toMatchObject({ reason: 'late-confirmation' })
    scene.when(cancel('cy')).happens('reservation_cancelled cy', 'waiter_promoted dee')
    scene.when(cancel('dee')).happens('reservation_cancelled dee', 'waiter_promoted eve')
    scene.when(cancel('eve')).happens('reservation_cancelled eve', 'waiter_promoted ann')
  })

  test('asked for twice leaves it where it is', () => {
    given(line(), hold('ann', 10, minute), join('cy', 10))
      .at(60)
      .when(requeue('ann'))
      .when(requeue('ann'))
      .answers('not-confirmable', { reservation: { status: 'waitlisted' } })
      .happens()
  })

  test('finds units that are free, as a hold, in the same decision', () => {
    given(line(), hold('ann', 10, minute))
      .at(60)
      .when(requeue('ann'))
      .answers('ok', { reservation: { status: 'held', expires_at: timeAt(120) } })
      .happens('hold_expired ann', 'expired_requeued ann', 'waiter_promoted ann')
      .counts({ held: 10, waiting: 0 })
      .when(confirm('ann'))
      .answers('ok')
  })

  test('sends nobody into the line before all else that is due has ended', () => {
    crowded().when(requeue('ann')).now('ann held until 90')
  })

  test('finds nothing behind a hundred who do not fit, however much is free', () => {
    const large = (count: number) => many(count, 'large', (label) => join(label, 3))
    const after = (count: number) =>
      given(line(), hold('ann', 2, minute), buy('bob', 8), ...large(count))
        .at(60)
        .when(requeue('ann'))
    after(99).now('ann held until 120')
    after(100)
      .now('ann waitlisted')
      .counts({ waiting: 101 })
      .when(cancel('large-0'))
      .now('ann held until 120')
  })

  test.each([
    ['there is no line', {}, []],
    ['the slot is closed', { waitlist: true }, [update({ status: 'closed' })]],
    ['it can never fit any more', { waitlist: true }, [update({ capacity: 3 })]],
    ['the user has taken as much elsewhere since', { waitlist: true, max_per_user: 4 }, [buy('ann/2')]],
  ])('means a refund when %s', (_what, terms, since) => {
    given(slot(terms), hold('ann', 4, minute))
      .at(60)
      .when(...since)
      .when(requeue('ann'))
      .answers('refund-required')
  })
})

test('of many lives the latest are kept', () => {
  const scene = given(slot({ waitlist: true }), hold('ann', 1, minute))
  for (let life = 1; life <= 20; life++) scene.at(life * 60).when(requeue('ann'))
  const { transitions } = scene.row('ann')
  expect(transitions).toHaveLength(32)
  expect(transitions.at(-1)).toMatchObject({ status: 'held', reason: 'units-released' })
})
