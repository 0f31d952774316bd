/** Other windows while the cache is in use: for what is held, what is missing, and what is watched. */
import { createMemoryRedis } from '@ironsys/testing/twins'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSnapshotCache, type SnapshotCacheWindows, snapshotCacheDefaults } from './index.ts'
import { readSeat, redisKey, type Seat, Store, toBody } from './snapshot-cache.fixture.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const { freshMs, staleWhileRevalidateMs, staleIfErrorMs, sharedFreshMs, negativeMs, sharedTtlMs } =
  snapshotCacheDefaults
const defaults: SnapshotCacheWindows = {
  freshMs,
  staleWhileRevalidateMs,
  staleIfErrorMs,
  sharedFreshMs,
  negativeMs,
}
const HOUR_MS = 3_600_000

/** Nothing is shared: each check is a load. */
function createWorld(windows: Partial<SnapshotCacheWindows> = {}) {
  const store = new Store()
  const redis = createMemoryRedis({ nowMs: () => Date.now() }).connect(async () => {
    throw new Error('Redis is down')
  })
  const { load } = store
  const options = { ...defaults, ...windows }
  const nowMs = () => Date.now()
  const cache = createSnapshotCache<Seat>({
    ...{ redis, redisKey, load, parse: readSeat, toBody, nowMs, options },
    observe: () => undefined,
  })
  return { store, cache }
}

test('what was to be fresh for an hour is checked as soon as what comes new', async () => {
  const { store, cache } = createWorld({ freshMs: 60_000, negativeMs: 60_000 })
  store.put('a', 1)
  await cache.get('a')
  expect(await cache.get('b')).toEqual({ missing: true })
  cache.configure({ ...defaults, freshMs: 100, negativeMs: 100 })
  store.put('a', 2)
  store.put('b', 1)
  await vi.advanceTimersByTimeAsync(101)
  cache.getNow('a')
  expect(await cache.get('b')).toMatchObject({ version: 1 })
  await vi.advanceTimersByTimeAsync(0)
  expect(cache.getNow('a')).toMatchObject({ version: 2 })
})

test('what is held is answered for longer, or not any more, as the windows say', async () => {
  const { store, cache } = createWorld()
  store.put('a', 1)
  await cache.get('a')
  await vi.advanceTimersByTimeAsync(freshMs + staleWhileRevalidateMs + 1)
  expect(cache.peek('a')).toBeUndefined()
  cache.configure({ ...defaults, staleWhileRevalidateMs: HOUR_MS })
  expect(cache.peek('a')).toMatchObject({ version: 1 })
  cache.configure({ ...defaults, staleWhileRevalidateMs: 0 })
  expect(cache.peek('a')).toBeUndefined()
})

test('who watches a key hears of a missed change as soon as the new windows say', async () => {
  const { store, cache } = createWorld({ freshMs: 60_000 })
  store.put('a', 1)
  await cache.get('a')
  const told: unknown[] = []
  const end = cache.watch('a', (read) => void told.push('version' in read && read.version))
  store.put('a', 2)
  cache.configure({ ...defaults, freshMs: 100 })
  await vi.advanceTimersByTimeAsync(300)
  expect(told).toEqual([2])
  end()
  expect(vi.getTimerCount()).toBe(0)
})

test('windows that contradict what is fixed are refused, and nothing of them is taken', async () => {
  const { store, cache } = createWorld()
  store.put('a', 1)
  await cache.get('a')
  expect(() =>
    cache.configure({ ...defaults, staleWhileRevalidateMs: 0, sharedFreshMs: sharedTtlMs }),
  ).toThrow(RangeError)
  await vi.advanceTimersByTimeAsync(freshMs * 2)
  expect(cache.peek('a')).toMatchObject({ version: 1 })
})
