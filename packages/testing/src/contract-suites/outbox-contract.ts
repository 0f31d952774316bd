/** What the publisher relies on of the outbox. */
import { expect, test } from 'vitest'
import { createSlot, decide, newReservationId, reserve } from './reservation-batches.ts'
import type { StartTest } from './store-contract.ts'
import { nothingChanged } from './stored-states.ts'

/** Three batches of one, two and three events. */
async function sixEvents(start: StartTest) {
  const { store, id, slotId } = start()
  const reserves = Array.from({ length: 5 }, () => reserve(newReservationId(slotId), slotId))
  for (const records of [[createSlot(slotId)], reserves.slice(0, 2), reserves.slice(2)]) {
    await store.commit(await decide(store, id, await store.open(id), records))
  }
  const pending = async (afterSeq: number, limit: number) =>
    (await store.pendingSegments(id, afterSeq, limit)).map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])
  return { store, id, pending }
}

export function outboxContract(start: StartTest): void {
  test('keeps what a batch sends as it was given', async () => {
    const { store, id, slotId } = start()
    const batch = await decide(store, id, await store.open(id), [createSlot(slotId)])
    const message = { topic: 'events', partition: 7, key: 'k "☃"', value: '{"quote":"\\"","nul":"\\u0000"}' }
    const followUp = { topic: 'commands', partition: 2, key: 'l', value: '{}' }
    const segment = { firstSeq: 1, lastSeq: 1, messages: [message, followUp] }
    await store.commit({ ...batch, segment })
    expect(await store.pendingSegments(id, 0, 10)).toEqual([segment])
  })

  test('answers in order what ends after a sequence, up to a limit', async () => {
    const { pending } = await sixEvents(start)
    expect(await pending(0, 10)).toEqual([
      [1, 1],
      [2, 3],
      [4, 6],
    ])
    expect(await pending(0, 2)).toEqual([
      [1, 1],
      [2, 3],
    ])
    expect(await pending(1, 1)).toEqual([[2, 3]])
    expect(await pending(2, 10)).toEqual([
      [2, 3],
      [4, 6],
    ])
    expect(await pending(6, 10)).toEqual([])
  })

  test('removes what ends at a sequence or before, as often as it is told', async () => {
    const { store, id, pending } = await sixEvents(start)
    await store.removePublished(id, 2)
    expect(await pending(0, 10)).toEqual([
      [2, 3],
      [4, 6],
    ])
    for (let i = 0; i < 2; i++) await store.removePublished(id, 3)
    expect(await pending(0, 10)).toEqual([[4, 6]])
    await store.removePublished(id, 100)
    expect(await pending(0, 10)).toEqual([])
  })

  test('is one per partition', async () => {
    const { store, id, pending } = await sixEvents(start)
    const other = { ...id, partition: 1 }
    expect(await store.pendingSegments(other, 0, 10)).toEqual([])
    await store.removePublished(other, 100)
    expect(await pending(0, 10)).toHaveLength(3)
  })

  test('tells a new owner which keys the last segments are about, the newest first', async () => {
    const { store, id } = await sixEvents(start)
    const rest = { partition: 7, value: '{"nul":"\\u0000"}' }
    const segmentOf = (seq: number, ...keys: string[]) => ({
      firstSeq: seq,
      lastSeq: seq,
      messages: [
        ...keys.map((key) => ({ topic: 'events', ...rest, key })),
        { topic: 'commands', ...rest, key: 'x' },
      ],
    })
    const unsent = (limit: number) => store.unsentKeys(id, 'events', limit)
    await store.removePublished(id, 100)
    expect(await unsent(10)).toEqual([])
    for (const [seq, keys] of [['a', 'b'], ['c', 'b', 'c'], ['d']].entries()) {
      const from = await store.open(id)
      const to = { ...from, nextOffset: from.nextOffset + 1, eventSeq: from.eventSeq + 1 }
      await store.commit({ ...nothingChanged, id, from, to, segment: segmentOf(to.eventSeq, ...keys) })
      expect(to.eventSeq).toBe(7 + seq)
    }
    expect(await unsent(10)).toEqual(['d', 'c', 'b', 'a'])
    expect(await unsent(3)).toEqual(['d', 'c', 'b'])
    expect(await store.unsentKeys({ ...id, partition: 1 }, 'events', 10)).toEqual([])
  })
}
