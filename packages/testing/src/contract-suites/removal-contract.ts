/** What is long over goes with all that belongs to it; what is made anew in the same batch stays. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  at,
  createSlot,
  decide,
  newReservationId,
  noonMs,
  nothing,
  type ReservationStore,
  reserve,
  retire,
} from './reservation-batches.ts'
import type { StartTest } from './store-contract.ts'
import { nothingChanged } from './stored-states.ts'

/** Two slots with two reservations each. */
async function twoSlots(start: StartTest) {
  const { database, store, id, slotId: over } = start()
  const going = randomUUID()
  const reservationsOf = (slotId: string) => [newReservationId(slotId), newReservationId(slotId)]
  const rowIds = { over: reservationsOf(over), going: reservationsOf(going) }
  const first = await decide(store, id, await store.open(id), [
    createSlot(over),
    createSlot(going),
    ...rowIds.over.map((rowId) => reserve(rowId, over, 1, { mode: 'hold' })),
    ...rowIds.going.map((rowId) => reserve(rowId, going)),
  ])
  await store.commit(first)
  return { database, store, id, over, going, rowIds, first }
}

async function found(store: ReservationStore, keys: readonly string[], rowIds: readonly string[]) {
  const { headers, rows } = await store.prefetch({ ...nothing, keys, rowIds })
  return { keys: [...headers.keys()].sort(), rowIds: [...rows.keys()].sort() }
}

export function removalContract(start: StartTest): void {
  test('goes with its reservations and its ledger, and nothing else does', async () => {
    const { database, store, id, over, going, rowIds, first } = await twoSlots(start)
    const batch = await decide(store, id, first.to, [retire(over)])
    expect(batch.removedKeys).toEqual(new Set([over]))
    await store.commit(batch)
    expect(await found(store, [over, going], [...rowIds.over, ...rowIds.going])).toEqual({
      keys: [going],
      rowIds: rowIds.going.toSorted(),
    })
    expect(await database.ledger(over)).toEqual([])
    expect(await database.ledger(going)).toHaveLength(3)
  })

  test('may be made anew in the same batch, under the same ids and versions', async () => {
    const { database, store, id, over, rowIds, first } = await twoSlots(start)
    const [again = ''] = rowIds.over
    const afterMs = noonMs + 366 * 24 * 3600 * 1000
    const records = [
      { ...retire(over), timeMs: afterMs },
      at(afterMs, createSlot(over, { name: 'Again', sales_close_at: null })),
      at(afterMs, reserve(again, over, 5)),
    ]
    const batch = await decide(store, id, first.to, records)
    expect(batch.headers.get(over)).toMatchObject({ created: true, header: { version: 2 } })
    // At the same times too, as far as a ledger may tell versions apart by them.
    const ledger = batch.ledger.map((entry) => ({ ...entry, atMs: noonMs }))
    await store.commit({ ...batch, ledger })
    expect(await found(store, [over], rowIds.over)).toEqual({ keys: [over], rowIds: [again] })
    const { rows } = await store.prefetch({ ...nothing, rowIds: [again] })
    expect(rows.get(again)).toEqual(batch.rows.get(again)?.row)
    expect((await database.ledger(over)).map(({ version }) => version)).toEqual([1, 2])
  })

  test('may be made anew later, exactly as it was, and has nothing of what it had', async () => {
    const { database, store, id, over, first } = await twoSlots(start)
    await store.commit(await decide(store, id, first.to, [retire(over)]))
    const from = await store.open(id)
    const header = first.headers.get(over) ?? expect.fail('the slot was not made')
    const ledger = first.ledger.filter((entry) => entry.key === over)
    const headers = new Map([[over, header]])
    const to = { ...from, nextOffset: from.nextOffset + 1 }
    await store.commit({ ...nothingChanged, id, from, to, headers, ledger })
    const { pages } = await store.prefetch({ ...nothing, listedKeys: [over] })
    expect(pages.flatMap((page) => page.rows)).toEqual([])
    expect(await database.ledger(over)).toHaveLength(3)
  })

  test('takes along what was refused before it was made, also where one batch makes and removes it', async () => {
    const { store, id, first } = await twoSlots(start)
    const brief = randomUUID()
    const early = newReservationId(brief)
    const refused = await decide(store, id, first.to, [reserve(early, brief)])
    await store.commit(refused)
    expect(await found(store, [brief], [early])).toEqual({ keys: [], rowIds: [early] })
    const batch = await decide(store, id, refused.to, [createSlot(brief), retire(brief)])
    expect([batch.headers.size, batch.removedKeys]).toEqual([0, new Set([brief])])
    await store.commit(batch)
    expect(await found(store, [brief], [early])).toEqual({ keys: [], rowIds: [] })
  })
}
