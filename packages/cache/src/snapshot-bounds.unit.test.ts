/** What a reader gets when no more can be under way, and that the store is asked no more than that. */
import { createMemoryRedis } from '@ironsys/testing/twins'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { checkSnapshotCacheOptions, SnapshotUnavailableError, snapshotCacheDefaults } from './index.ts'
import { createCacheOn, Store } from './snapshot-cache.fixture.ts'

const { staleWhileRevalidateMs, loadTimeoutMs } = snapshotCacheDefaults

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function createWorld(options: object) {
  const store = new Store()
  const redis = createMemoryRedis({ nowMs: () => Date.now() }).connect(async () => {
    throw new Error('Redis is down')
  })
  return { store, cache: createCacheOn(redis, store, () => Date.now(), options) }
}

test('Redis down and the store slow: known keys are answered as stale, unknown ones are refused, and no more is asked', async () => {
  const { store, cache } = createWorld({ maxRefreshes: 3 })
  for (const key of ['a', 'b', 'c', 'd', 'e']) store.put(key, 1)
  await cache.get('a')
  vi.advanceTimersByTime(2 * staleWhileRevalidateMs)
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const slow = ['b', 'c', 'd'].map((key) => cache.get(key))
  await vi.advanceTimersByTimeAsync(0)
  const known = await cache.get('a')
  expect(known).toMatchObject({ version: 1, stale: true, body: null })
  expect('ageMs' in known && known.ageMs).toBe(2 * staleWhileRevalidateMs)
  await expect(cache.get('e')).rejects.toThrow(SnapshotUnavailableError)
  expect(store.loads).toBe(4)
  gate.resolve()
  expect(await Promise.all(slow)).toMatchObject([{ version: 1 }, { version: 1 }, { version: 1 }])
  expect(await cache.get('e')).toMatchObject({ version: 1 })
})

test('a load that was given up counts until the store has let go of it', async () => {
  const { store, cache } = createWorld({ maxRefreshes: 2 })
  store.put('c', 1)
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const failures = ['a', 'b'].map((key) => expect(cache.get(key)).rejects.toThrow(SnapshotUnavailableError))
  await vi.advanceTimersByTimeAsync(loadTimeoutMs + 1000)
  await Promise.all(failures)
  await expect(cache.get('c')).rejects.toThrow(SnapshotUnavailableError)
  expect(store.loads).toBe(2)
  gate.resolve()
  await vi.advanceTimersByTimeAsync(0)
  expect(await cache.get('c')).toMatchObject({ version: 1 })
})

test('many made-up ids are looked up once each, and cost no known key its place', async () => {
  const { store, cache } = createWorld({ maxNegatives: 1000 })
  store.put('a', 1)
  await cache.get('a')
  cache.setLive(true)
  for (let start = 0; start < 20_000; start += 1000) {
    await Promise.all(Array.from({ length: 1000 }, (_, i) => cache.get(`made-up-${start + i}`)))
  }
  expect(cache.peek('a')).toMatchObject({ version: 1 })
  expect(cache.size()).toBe(1)
  expect(store.loads).toBe(20_001)
  expect(cache.peek('made-up-19999')).toEqual({ missing: true })
  expect(cache.peek('made-up-18999')).toBeUndefined()
})

test('options that contradict each other are refused', () => {
  checkSnapshotCacheOptions(snapshotCacheDefaults)
  for (const wrong of [
    { lockMs: snapshotCacheDefaults.lockWaitMs - 1 },
    { remadeAfterMs: loadTimeoutMs },
    { sharedFreshMs: snapshotCacheDefaults.sharedTtlMs },
  ]) {
    expect(() => checkSnapshotCacheOptions({ ...snapshotCacheDefaults, ...wrong })).toThrow(RangeError)
  }
})
