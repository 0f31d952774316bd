/** Who asks for a version is not put off with what was being looked up for somebody who asked for less. */
import { createMemoryRedis, directWire, type Wire } from '@ironsys/testing/twins'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { encodeSnapshot, type SnapshotCache, snapshotCacheDefaults } from './index.ts'
import { loadLockKey } from './shared-tier.ts'
import { createCacheOn, redisKey, type Seat, Store } from './snapshot-cache.fixture.ts'

const TTL_MS = 600_000

let memory: ReturnType<typeof createMemoryRedis>
let store: Store

beforeEach(() => {
  vi.useFakeTimers()
  memory = createMemoryRedis({ nowMs: () => Date.now() })
  store = new Store()
})
afterEach(() => void vi.useRealTimers())

const start = (wire?: Wire): SnapshotCache<Seat> =>
  createCacheOn(memory.connect(wire), store, () => Date.now())

async function writeToRedis(version: number): Promise<void> {
  const text = encodeSnapshot({ epoch: 1, version, ttlMs: TTL_MS, document: { left: version } })
  await memory.connect().putSnapshot(redisKey('a'), 1, version, text, TTL_MS)
}

/** Redis's first answer is held back until the gate opens. */
function startGated() {
  const answered = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const cache = start(async (request, work) => {
    const answer = await directWire(request, work)
    if (request !== 'get-snapshot') return answer
    answered.resolve()
    await gate.promise
    return answer
  })
  return { cache, answered: answered.promise, open: gate.resolve }
}

test('each gets the version it asked for, of one look that had begun for less', async () => {
  const { cache, answered, open } = startGated()
  await writeToRedis(1)
  const reads = [cache.get('a')]
  await answered
  reads.push(cache.get('a', { minVersion: 6 }), cache.get('a', { minVersion: 7 }))
  // The first one may have what Redis had when it asked; for the second this would do, and not for the third.
  await writeToRedis(6)
  store.put('a', 7)
  open()
  expect(await Promise.all(reads)).toMatchObject([{ version: 7 }, { version: 7 }, { version: 7 }])
  expect(store.loads).toBe(1)
})

test('who asks for less and comes later spoils nothing for who began', async () => {
  const { cache, answered, open } = startGated()
  await writeToRedis(6)
  store.put('a', 7)
  const reads = [cache.get('a', { minVersion: 7 })]
  await answered
  reads.push(cache.get('a', { minVersion: 6 }), cache.get('a'))
  open()
  expect(await Promise.all(reads)).toMatchObject([{ version: 7 }, { version: 7 }, { version: 7 }])
  expect(store.loads).toBe(1)
})

test('what the store had said before it was asked for does not count', async () => {
  const gate = Promise.withResolvers<void>()
  const { load } = store
  store.load = async (key) => {
    const row = await load(key)
    await gate.promise
    return row
  }
  const cache = start()
  store.put('a', 1)
  const early = cache.get('a')
  await vi.waitFor(() => expect(store.loads).toBe(1))
  store.put('a', 2)
  const late = [2, 3, 2].map((minVersion) => cache.get('a', { minVersion }))
  gate.resolve()
  expect(await early).toMatchObject({ version: 1 })
  // The second one asks for more than there is.
  expect(await Promise.all(late)).toMatchObject([{ version: 2 }, { version: 2 }, { version: 2 }])
  expect(store.loads).toBe(2)
})

test('who asks for a version does not wait for another process, though somebody who does was first', async () => {
  await memory.connect().lock(loadLockKey(redisKey('a')), 'of a dead process', TTL_MS)
  const cache = start()
  store.put('a', 5)
  const anybody = cache.get('a')
  await vi.advanceTimersByTimeAsync(10)
  expect(store.loads).toBe(0)
  const asked = cache.get('a', { minVersion: 5 })
  await vi.advanceTimersByTimeAsync(snapshotCacheDefaults.lockWaitMs / 4)
  expect(store.loads).toBe(1)
  expect(await Promise.all([anybody, asked])).toMatchObject([{ version: 5 }, { version: 5 }])
})

test('who asks for a version keeps nobody from loading: it takes no lock', async () => {
  const asked: string[] = []
  const cache = start((request, work) => {
    asked.push(request)
    return directWire(request, work)
  })
  store.put('a', 5)
  expect(await cache.get('a', { minVersion: 5 })).toMatchObject({ version: 5, fromCache: false })
  await vi.waitFor(() => expect(memory.peek(redisKey('a'))).not.toBeNull())
  expect(asked).toEqual(['get-snapshot', 'put-snapshot'])
})
