/** The line: who joins it, who is served from it and when, and who may not pass. */
import type { ReservationCommand } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import {
  buy,
  cancel,
  confirm,
  hold,
  join,
  many,
  noonMs,
  slot,
  timeAt,
  update,
  wake,
} from './commands.fixture.ts'
import { given } from './decider.fixture.ts'
import { reservationDecider } from './decider.ts'

const line = (fields: object = {}) => slot({ waitlist: true, ...fields })
const minute = { hold_ttl_seconds: 60 }

describe('in line', () => {
  test('is who asks for it where there is no room, and told the place', () => {
    given(line(), buy('ann', 10))
      .when(join('bob'))
      .answers('ok', { reservation: { status: 'waitlisted', waitlist_position: 1 } })
      .happens('reservation_waitlisted bob')
      .when(join('cy', 3))
      .answers('ok', { reservation: { status: 'waitlisted', waitlist_position: 2 } })
      .counts({ confirmed: 10, held: 0, waiting: 2, version: 4 })
  })

  test('is nobody who fits, did not ask for it, or where there is no line', () => {
    given(line()).when(join('ann', 10)).now('ann confirmed')
    given(line(), buy('ann', 10)).when(buy('bob')).answers('sold-out').now('bob rejected')
    given(slot(), buy('ann', 10)).when(join('bob')).answers('sold-out').now('bob rejected')
  })

  test('are a million at most', () => {
    const scene = given(line({ capacity: 1 }), hold('ann', 1, minute))
      .at(60)
      .when(wake(), buy('bob'))
    const { header } = scene.writer
    if (header === null) throw new Error('no slot')
    const inLine = (waitlistCount: number) => ({
      header: { ...header, waitlistCount },
      row: (id: string) => scene.writer.rows.get(id),
      list: () => [],
      steps: 0,
    })
    const decided = (waiting: number, command: ReservationCommand) =>
      reservationDecider.decide(inLine(waiting), command, noonMs)
    const late = confirm('ann', { late: 'waitlist' })
    expect(decided(999_999, join('cy'))).toMatchObject({ outcome: { code: 'ok' } })
    expect(decided(1_000_000, join('cy'))).toMatchObject({ outcome: { code: 'sold-out' } })
    expect(decided(999_999, late)).toMatchObject({ outcome: { code: 'ok' } })
    expect(decided(1_000_000, late)).toMatchObject({ outcome: { code: 'refund-required' } })
  })

  test('one cannot be confirmed, and leaves by cancelling', () => {
    given(line(), hold('zoe', 6), buy('ann', 4), join('bob'))
      .when(confirm('bob'))
      .answers('not-confirmable', { reservation: { status: 'waitlisted' } })
      .happens()
      .when(cancel('bob'))
      .answers('ok')
      .happens('reservation_cancelled bob')
      .counts({ waiting: 0, held: 6, confirmed: 4 })
      .when(cancel('ann'))
      .happens('reservation_cancelled ann')
  })
})

describe('units that become free are held for the first in line that fits, in the same decision', () => {
  test('when a confirmed reservation is cancelled', () => {
    given(line(), buy('ann', 10), join('bob', 4), join('cy', 6))
      .at(30)
      .when(cancel('ann'))
      .answers('ok', { reservation: { status: 'cancelled' } })
      .happens('reservation_cancelled ann', 'waiter_promoted bob', 'waiter_promoted cy')
      .now('bob held until 930', 'cy held until 930')
      .counts({ held: 10, confirmed: 0, waiting: 0 })
  })

  test('when a hold is cancelled', () => {
    given(line(), hold('ann', 10), join('bob'))
      .when(cancel('ann'))
      .happens('reservation_cancelled ann', 'waiter_promoted bob')
  })

  test('when a hold ends, before the command that finds it over', () => {
    given(line(), hold('ann', 10, minute), join('bob', 10))
      .at(60)
      .when(buy('cy'))
      .answers('sold-out')
      .happens('hold_expired ann', 'waiter_promoted bob', 'reservation_rejected cy')
  })

  test('when the promoted hold ends again: it is the next one’s', () => {
    given(line({ hold_ttl_seconds: 60 }), hold('ann', 10), join('bob', 10), join('cy', 10))
      .at(60)
      .when(wake())
      .now('bob held until 120', 'cy waitlisted')
      .at(120)
      .when(wake())
      .happens('hold_expired bob', 'waiter_promoted cy')
      .now('bob expired', 'cy held until 180')
  })

  test('when the slot grows, which its answer shows', () => {
    given(line(), buy('ann', 10), join('bob', 2), join('cy', 2))
      .when(update({ capacity: 13 }))
      .answers('ok', { slot: { capacity: 13, available: 1, held_count: 2, waitlist_count: 1 } })
      .happens('slot_updated', 'waiter_promoted bob')
      .when(update({ overbooking_bps: 1000 }))
      .happens('slot_updated', 'waiter_promoted cy')
  })

  test('when somebody leaves who stood at the head, nobody else gets anything', () => {
    given(line(), buy('ann', 9), join('bob', 2), join('cy', 2))
      .when(cancel('bob'))
      .happens('reservation_cancelled bob')
  })

  test('and the promoted one confirms as any hold', () => {
    given(line(), buy('ann', 10), join('bob'), cancel('ann'))
      .when(confirm('bob'))
      .answers('ok', {
        reservation: {
          transitions: [
            { status: 'waitlisted' },
            { status: 'held', reason: 'units-released' },
            { status: 'confirmed' },
          ],
        },
      })
  })
})

test.each([
  ['what was asked for', minute, { hold_ttl_seconds: 5 }, 5],
  ['else what the slot says', minute, {}, 60],
  ['else fifteen minutes', {}, {}, 900],
])('a promoted hold lasts for %s', (_what, terms, fields, seconds) => {
  given(line(terms), buy('ann', 10), join('bob', 1, fields))
    .at(10)
    .when(cancel('ann'))
    .now(`bob held until ${10 + seconds}`)
})

describe('nobody is served', () => {
  test('while the slot is closed; all who can be are when it opens again', () => {
    given(line(), buy('ann', 10), join('bob', 4), join('cy', 6), update({ status: 'closed' }))
      .when(cancel('ann'))
      .happens('reservation_cancelled ann')
      .when(wake())
      .happens()
      .when(update({ status: 'open' }))
      .answers('ok', { slot: { status: 'open', available: 0, waitlist_count: 0 } })
      .happens('slot_updated', 'waiter_promoted bob', 'waiter_promoted cy')
  })

  test('after the sale', () => {
    given(line({ sales_close_at: timeAt(20) }), hold('ann', 10, minute), join('bob'))
      .at(60)
      .when(wake())
      .happens('hold_expired ann')
      .when(cancel('bob'))
      .now('bob cancelled')
  })
})

describe('the first that fits', () => {
  test('goes before the head of the line that does not', () => {
    given(line(), buy('ann', 8), buy('bob', 2), join('cy', 5), join('dee', 2))
      .when(cancel('bob'))
      .happens('reservation_cancelled bob', 'waiter_promoted dee')
      .now('cy waitlisted')
  })

  test('is the one that came first, though a later one fits better', () => {
    given(line(), buy('ann', 10), join('bob', 6), join('cy', 10))
      .when(cancel('ann'))
      .now('bob held until 900', 'cy waitlisted')
  })

  test('is looked for among the first hundred', () => {
    const large = (count: number) => many(count, 'large', (label) => join(label, 10))
    const fits = (before: number) =>
      given(line(), buy('ann', 9), buy('bob'), ...large(before), join('cy')).when(cancel('bob'))
    const scene = fits(99).happens('reservation_cancelled bob', 'waiter_promoted cy')
    expect(scene.writer.longestRead).toBe(100)
    expect(fits(100).happens('reservation_cancelled bob').writer.longestRead).toBe(100)
    // And whoever was behind them comes into sight when one of them leaves.
    fits(100).when(cancel('large-5')).happens('reservation_cancelled large-5', 'waiter_promoted cy')
  })
})

describe('a newcomer', () => {
  test('passes when nobody in line fits', () => {
    given(line(), buy('ann', 8), join('bob', 3)).when(buy('cy', 2)).answers('ok').now('cy confirmed')
  })

  test('does not pass who fits into what has just ended', () => {
    given(line(), hold('ann', 10, minute), join('bob', 8))
      .at(60)
      .when(buy('cy', 3))
      .answers('sold-out')
    given(line(), hold('ann', 10, minute), join('bob', 8))
      .at(60)
      .when(buy('cy', 2))
      .answers('ok')
  })

  test('does not pass who fits into all of a hundred that end together', () => {
    const crowd = many(100, 'crowd', (label) => hold(label, 1, minute))
    given(line({ capacity: 100 }), ...crowd, join('bob', 90))
      .at(60)
      .when(buy('cy', 11))
      .answers('sold-out')
      .now('bob held until 960')
  })

  test('stands behind all who wait, and with nothing free in front of nobody', () => {
    given(line(), hold('ann', 10, minute), join('bob', 8), join('cy', 8))
      .at(60)
      .when(join('dee', 3))
      .answers('ok', { reservation: { status: 'waitlisted', waitlist_position: 2 } })
      .now('bob held until 960', 'cy waitlisted')
  })
})

test('a crowd in line is served by wakes of 500 steps, or at once before whoever else comes', () => {
  const crowd = many(300, 'crowd', (label) => hold(label, 1, minute))
  const waiting = many(300, 'line', (label) => join(label))
  const woken = given(line({ capacity: 300 }), ...crowd, ...waiting)
    .at(60)
    .when(wake())
  woken.counts({ held: 300, waiting: 50, version: 1 + 600 + 500 })
  woken.when(wake()).counts({ held: 300, waiting: 0, version: 1 + 600 + 600 })
  given(line({ capacity: 300 }), ...crowd, ...waiting)
    .at(60)
    .when(join('a newcomer'))
    .counts({ held: 300, waiting: 1, version: 1 + 600 + 600 + 1 })
})
