/** A person taken out of reservations, and a slot taken away with all that belongs to it. */
import { slotIdSchema } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import {
  buy,
  cancel,
  confirm,
  DAY_SECONDS,
  erase,
  hash,
  hold,
  idOf,
  join,
  reserve,
  retire,
  slot,
} from './commands.fixture.ts'
import { given } from './decider.fixture.ts'

describe('an erasure', () => {
  const about = { metadata: { phone: '123' }, body_hash: hash('a') }

  test('replaces the person and drops what was said, and nothing else', () => {
    const scene = given(slot(), buy('ann', 2, about), hold('ann/2'))
    const before = scene.row('ann')
    scene
      .when(erase('ann', ['ann', 'ann/2'], 'p-1'))
      .answers('ok')
      .happens('reservation_erased ann', 'reservation_erased ann/2')
      .counts({ confirmed: 2, held: 1, version: 5 })
    const erased = { userId: 'p-1', metadata: null, bodyHash: null, slotVersion: 4 }
    expect(scene.row('ann')).toEqual({ ...before, ...erased })
    expect(JSON.stringify(scene.outcome)).not.toContain('ann')
  })

  test('of a rejected reservation takes no version: the ledger does not know it', () => {
    given(slot(), buy('ann', 11))
      .when(erase('ann', ['ann'], 'p-1'))
      .happens('reservation_erased ann')
      .counts({ version: 1 })
  })

  test('reaches what was rejected for a slot that is not there', () => {
    const scene = given(buy('ann'))
      .when(erase('ann', ['ann'], 'p-1'))
      .happens('reservation_erased ann')
    expect(scene.row('ann').userId).toBe('p-1')
  })

  test('touches only what is that user’s, each once, and nothing again', () => {
    given(slot(), buy('ann'), buy('bob'))
      .when(erase('ann', ['ann', 'bob', 'ann', 'nobody'], 'p-1'))
      .happens('reservation_erased ann')
      .when(erase('ann', ['ann'], 'p-1'))
      .answers('ok')
      .happens()
      .when(erase('p-1', ['ann'], 'p-1'))
      .happens()
  })

  test('touches nothing of another slot', () => {
    const elsewhere = {
      ...given(slot(), buy('ann')).row('ann'),
      slotId: slotIdSchema.parse(idOf('elsewhere')),
    }
    const scene = given(slot())
    scene.writer.rows.set(elsewhere.id, elsewhere)
    scene
      .when(erase('ann', ['ann']))
      .answers('ok')
      .happens()
  })

  test('takes the reservation from its owner’s hands, not from the line', () => {
    given(slot({ waitlist: true }), buy('bob', 10), join('ann'), erase('ann', ['ann'], 'p-1'))
      .when(confirm('ann', { caller: 'ann' }))
      .answers('reservation-not-found')
      .when(cancel('bob'))
      .happens('reservation_cancelled bob', 'waiter_promoted ann')
  })
})

describe('a slot’s retirement', () => {
  const over = 30 * DAY_SECONDS + 3600

  test('waits for the days that are kept after its end, to the millisecond', () => {
    given(slot(), buy('ann'))
      .at(over + 8 * DAY_SECONDS - 0.001)
      .when(retire(8))
      .answers('not-over-yet')
      .happens()
      .at(over + 8 * DAY_SECONDS)
      .when(retire(9))
      .answers('not-over-yet')
      .when(retire(8))
      .answers('ok')
      .happens('slot_retired')
  })

  test('leaves nothing behind', () => {
    const scene = given(slot(), buy('ann'), reserve('bob'))
      .at(over + 8 * DAY_SECONDS)
      .when(retire(8))
    expect(scene.writer).toMatchObject({ header: null, rows: new Map() })
    scene.when(retire(8)).answers('slot-not-found').happens()
    scene.when(cancel('ann')).answers('reservation-not-found')
    scene.when(buy('cy')).answers('slot-not-found')
  })

  test('of no slot says so', () => {
    given().when(retire()).answers('slot-not-found').happens()
  })
})
