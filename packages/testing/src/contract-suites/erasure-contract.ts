/** A person is taken out of state and ledger in the transaction of the decision; everything else stays as it was. */
import { expect, test } from 'vitest'
import { createSlot, decide, erase, newReservationId, nothing, reserve } from './reservation-batches.ts'
import type { StartTest } from './store-contract.ts'

const asked = { user_id: 'ann', metadata: { email: 'ann@example.org' }, body_hash: 'c'.repeat(32) }
const gone = { userId: 'nobody-1', metadata: null, bodyHash: null }

/** Two reservations of one person, one of them rejected, and one of another. */
async function reserved(start: StartTest) {
  const { database, store, id, slotId } = start()
  const [mine, rejected, other] = [
    newReservationId(slotId),
    newReservationId(slotId),
    newReservationId(slotId),
  ]
  const records = [
    createSlot(slotId),
    reserve(mine, slotId, 2, asked),
    reserve(rejected, slotId, 100, asked),
    reserve(other, slotId, 3, { ...asked, user_id: 'bob' }),
  ]
  const personalEvents = async () => {
    const lines = await database.ledger(slotId)
    return lines.flatMap(({ event }) => ('userId' in event ? [event] : []))
  }
  const rows = async () => {
    const found = await store.prefetch({ ...nothing, rowIds: [mine, rejected, other] })
    return found.rows
  }
  const from = await store.open(id)
  return { store, id, slotId, from, records, ids: { mine, rejected, other }, personalEvents, rows }
}

export function erasureContract(start: StartTest): void {
  test('is replaced in reservations and in the first event of each', async () => {
    const { store, id, slotId, from, records, ids, personalEvents, rows } = await reserved(start)
    const first = await decide(store, id, from, records)
    await store.commit(first)
    const [before, events] = [await rows(), await personalEvents()]
    const command = erase(slotId, [ids.mine, ids.rejected], 'ann', gone.userId)
    const batch = await decide(store, id, first.to, [command])
    await store.commit(batch)
    const after = await rows()
    expect(after.get(ids.mine)).toEqual({ ...before.get(ids.mine), ...gone, slotVersion: 4 })
    expect(after.get(ids.rejected)).toEqual({ ...before.get(ids.rejected), ...gone })
    expect(after.get(ids.other)).toEqual(before.get(ids.other))
    expect(await personalEvents()).toEqual([{ ...events[0], ...gone }, events[1]])
    expect(events).toMatchObject([{ userId: 'ann' }, { userId: 'bob', metadata: asked.metadata }])
  })

  test('is replaced also where it came in the same batch', async () => {
    const { store, id, slotId, from, records, ids, personalEvents, rows } = await reserved(start)
    const command = erase(slotId, [ids.mine, ids.rejected], 'ann', gone.userId)
    const batch = await decide(store, id, from, [...records, command])
    await store.commit(batch)
    const after = await rows()
    expect([after.get(ids.mine), after.get(ids.rejected)]).toMatchObject([gone, gone])
    expect(after.get(ids.other)?.userId).toBe('bob')
    expect(await personalEvents()).toMatchObject([gone, { userId: 'bob', metadata: asked.metadata }])
  })
}
