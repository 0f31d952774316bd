/** Units that one user may have: held, confirmed and waited for, together. */
import { describe, expect, test } from 'vitest'
import { book, buy, cancel, confirm, erase, hold, join, many, slot, update } from './commands.fixture.ts'
import { given } from './decider.fixture.ts'

const limited = (fields: object = {}) => slot({ max_per_user: 3, ...fields })
const minute = { hold_ttl_seconds: 60 }

describe('the limit per user', () => {
  test('is of units, to the unit, and of each user', () => {
    given(limited())
      .when(buy('ann', 4))
      .answers('limit-exceeded', { reservation: { status: 'rejected', reason: 'limit-exceeded' } })
      .when(buy('ann/2', 3))
      .answers('ok')
      .when(buy('ann/3'))
      .answers('limit-exceeded')
      .when(buy('bob', 3))
      .answers('ok')
  })

  test('counts what is held, confirmed and waited for', () => {
    given(limited({ waitlist: true }), hold('ann'), buy('ann/2'), buy('bob', 3), buy('cy', 3), buy('dee', 2))
      .when(join('ann/3'))
      .answers('ok', { reservation: { status: 'waitlisted' } })
      .when(join('ann/4'))
      .answers('limit-exceeded')
  })

  test('does not count what is rejected, cancelled or over', () => {
    given(limited(), buy('ann', 4), buy('ann/2', 3), cancel('ann/2'), hold('ann/3', 3, minute))
      .when(buy('ann/4'))
      .answers('limit-exceeded')
      .at(60)
      .when(buy('ann/5', 3))
      .answers('ok')
      .happens('hold_expired ann/3', 'reservation_confirmed ann/5')
  })

  test('does not count holds that are over behind a hundred others', () => {
    const crowd = many(100, 'crowd', (label) => hold(label, 1, minute))
    given(limited({ capacity: 200 }), ...crowd, hold('ann', 3, minute))
      .at(60)
      .when(buy('ann/2', 3))
      .answers('ok')
  })

  test('lets who was promoted have what was waited for, and no more', () => {
    given(limited({ waitlist: true, capacity: 3 }), buy('bob', 3), join('ann', 3), cancel('bob'))
      .now('ann held until 900')
      .when(update({ capacity: 10 }), buy('ann/2'))
      .answers('limit-exceeded')
      .when(confirm('ann'))
      .when(buy('ann/3'))
      .answers('limit-exceeded')
  })

  test('counts a booking’s holds like all others', () => {
    given(limited(), book('ann', 3)).when(buy('ann/2')).answers('limit-exceeded')
    given(limited(), buy('ann')).when(book('ann/2', 3)).answers('limit-exceeded')
  })

  test('is not there where the slot says none', () => {
    given(slot(), buy('ann', 5)).when(buy('ann/2', 5)).answers('ok')
  })

  test('goes with the person: what is erased counts for the pseudonym', () => {
    given(limited(), buy('ann', 3), erase('ann', ['ann'], 'gone'))
      .when(buy('ann/2', 3))
      .answers('ok')
      .when(buy('gone'))
      .answers('limit-exceeded')
  })

  test('reads no more of a user’s reservations than a user may have, though many are erased under one name', () => {
    const guests = many(20, 'guest', (label) => label)
    const scene = given(limited({ capacity: 100 }), ...guests.map((guest) => buy(guest)))
    scene.when(...guests.map((guest) => erase(guest, [guest], 'gone')))
    expect(scene.when(buy('gone')).answers('limit-exceeded').writer.longestRead).toBe(3)
  })
})
