/** What was committed and may not have been told is told by whoever opens the partition next. */
import { expect, test, vi } from 'vitest'
import { id, slowCommits, world } from './partition-writer.fixture.ts'

const DEADLINE = { timeout: 10_000 }

/** An owner that commits this and dies: nobody has heard of it, and nothing of it is sent. */
async function committedBy(w: ReturnType<typeof world>, records: number): Promise<void> {
  const { writer } = w.start()
  await w.applied(records)
  await writer.close()
  w.batches.length = 0
}

const toldOf = (w: ReturnType<typeof world>) =>
  w.batches.map(({ headers }) => Object.fromEntries([...headers].map(([key, { version }]) => [key, version])))

test('by the next owner, once, as it stands now and with no answer to anybody', async () => {
  const w = world({ batchRecordsMax: 2 })
  w.put('a', 1, 'k', { reply_to: 'api' })
  w.put('b')
  w.put('c', 1, 'l')
  await committedBy(w, 3)
  const { writer } = w.start()
  await vi.waitFor(() => expect(toldOf(w)).toEqual([{ k: 2, l: 1 }]), DEADLINE)
  expect(w.batches[0]).toMatchObject({ id, epoch: 1, nextOffset: 3, decided: 0, replies: [] })
  await writer.close()
  expect(w.batches).toHaveLength(1)
})

test('by the writer itself that never learned that it was committed', async () => {
  const w = world()
  let lost = 0
  w.network.wire = async (request, work) => {
    const answer = await slowCommits(request, work)
    if (request === 'commit' && lost++ === 0) throw new Error('connection lost')
    return answer
  }
  w.put('a')
  const { writer } = w.start()
  await vi.waitFor(() => expect(toldOf(w)).toEqual([{ k: 1 }]), DEADLINE)
  await writer.close()
  expect(lost).toBe(1)
})

test('but not what was sent, nor keys that are gone, nor what left for other topics', async () => {
  const w = world()
  w.put('a', 1, 'sent')
  await committedBy(w, 1)
  const sent = w.database.outbox(id).at(-1)?.lastSeq ?? 0
  const store = w.database.connect({ clusterId: 'cluster', partitionCount: 2 })
  await store.removePublished(id, sent)
  w.put('b', 1, 'gone', { endMs: 1000 })
  w.send('wake', 2000, { key: 'gone' })
  w.send('drop', 3000, { key: 'gone' })
  w.put('c', 1, 'left')
  await committedBy(w, 5)
  const { writer } = w.start()
  await vi.waitFor(() => expect(toldOf(w)).toEqual([{ left: 1 }]), DEADLINE)
  await writer.close()
})

test('as far as the bound goes, the last ones first', async () => {
  const w = world({ batchRecordsMax: 1000, batchEventsMax: 1000 })
  for (let n = 0; n < 700; n++) w.put(`row ${n}`, 1, `k${n}`)
  await committedBy(w, 700)
  const { writer } = w.start()
  await vi.waitFor(() => expect(w.batches).toHaveLength(1), DEADLINE)
  await writer.close()
  expect(w.batches[0]?.headers.size).toBe(500)
  expect(w.batches[0]?.headers.has('k699')).toBe(true)
  expect(w.batches[0]?.headers.has('k0')).toBe(false)
})
