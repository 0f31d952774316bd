import { InvariantError } from '@ironsys/engine'
import { expect, test } from 'vitest'
import { buy, slot } from './commands.fixture.ts'
import { given } from './decider.fixture.ts'
import { type SavedState, save } from './save.ts'
import type { Reservation } from './state.ts'

/** A batch that leaves one reservation as it is here, without an entry in the ledger. */
function batchOf(row: Reservation, created: boolean): SavedState {
  const rows = new Map([[row.id, { row, created }]])
  const nothingElse = { headers: new Map(), ledger: [], removedKeys: new Set<string>() }
  return { id: { partition: 0 }, from: { epoch: 1 }, rows, ...nothingElse }
}

const names = (state: SavedState) => save(state).map(({ name }) => name)

test('a rejected reservation that was there before changes by an erasure alone, and anything else is not saved', () => {
  const rejected = given(slot({ capacity: 0 }), buy('ann', 1, { metadata: { seat: 7 } })).row('ann')
  const erased = { ...rejected, userId: 'erased-1', metadata: null, bodyHash: null }
  expect(names(batchOf(rejected, true))).toEqual(['reservations-insert'])
  expect(names(batchOf(erased, false))).toEqual(['reservations-update', 'reservations-erase'])
  expect(() => save(batchOf(rejected, false))).toThrow(InvariantError)
})
