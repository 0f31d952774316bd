/** Who watches a key is told of all that is new, once, wherever it came from. */
import { createMemoryRedis } from '@ironsys/testing/twins'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type SnapshotCache, type SnapshotRead, snapshotCacheDefaults } from './index.ts'
import { createCacheOn, type Seat, Store } from './snapshot-cache.fixture.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

interface World {
  readonly store: Store
  readonly cache: SnapshotCache<Seat>
  readonly start: () => SnapshotCache<Seat>
  readonly told: string[]
  /** Requests. */
  readonly asked: { redis: number; fails: boolean }
  readonly watch: (key: string) => () => void
  readonly announce: (key: string, version: number, epoch?: number) => void
}

function createWorld(options = {}): World {
  const asked = { redis: 0, fails: false }
  const redis = createMemoryRedis({ nowMs: () => Date.now() }).connect(async (_request, work) => {
    asked.redis++
    if (asked.fails) throw new Error('Redis is down')
    return work()
  })
  const store = new Store()
  const start = () => createCacheOn(redis, store, () => Date.now(), options)
  const cache = start()
  const told: string[] = []
  return {
    store,
    cache,
    start,
    told,
    asked,
    watch: (key) => cache.watch(key, (read) => void told.push(`${key} ${described(read)}`)),
    announce: (key, version, epoch = 1) =>
      cache.apply([{ key, epoch, version, document: { left: version } }]),
  }
}

function described(read: SnapshotRead<Seat>): string {
  return 'missing' in read ? 'missing' : `${read.epoch}.${read.version}`
}

const { freshMs, sharedFreshMs, negativeMs } = snapshotCacheDefaults
/** Until a watched key was certainly refreshed once more. */
const ROUND_MS = 2.5 * freshMs

test('announcements are told in order, each once, and none that is older, to all who watch the key and nobody else', async () => {
  const { store, cache, told, watch, announce } = createWorld()
  store.put('a', 3)
  await cache.get('a')
  const [end] = [watch('a'), watch('a')]
  for (const version of [3, 4, 4, 2, 6]) announce('a', version)
  announce('b', 9)
  announce('a', 1, 2)
  expect(told).toEqual(['a 1.4', 'a 1.4', 'a 1.6', 'a 1.6', 'a 2.1', 'a 2.1'])
  end()
  announce('a', 2, 2)
  expect(told.slice(6)).toEqual(['a 2.2'])
  expect(cache.peek('b')).toBeUndefined()
})

test('a key that nobody reads is taken over from announcements while it is watched, with its bytes', () => {
  const { cache, told, watch, announce } = createWorld()
  const end = watch('a')
  announce('a', 5)
  expect(told).toEqual(['a 1.5'])
  const read = cache.peek('a')
  expect(String(read && 'body' in read && read.body)).toBe('{"left":5,"from_cache":true,"stale":false}')
  end()
})

test('a missed announcement heals, and who has unwatched costs nothing any more', async () => {
  const { store, cache, told, watch } = createWorld()
  store.put('a', 1)
  await cache.get('a')
  const end = watch('a')
  await vi.advanceTimersByTimeAsync(ROUND_MS)
  expect(told).toEqual([])
  store.put('a', 2)
  await vi.advanceTimersByTimeAsync(1.2 * sharedFreshMs + ROUND_MS)
  expect(told).toEqual(['a 1.2'])
  const { loads } = store
  end()
  expect(vi.getTimerCount()).toBe(0)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(store.loads).toBe(loads)
})

test('while announcements arrive a quiet key is looked at as seldom as the store is asked, and once they are back at once', async () => {
  const { store, cache, start, told, asked, watch } = createWorld({ maxEntries: 80 })
  cache.setLive(true)
  const keys = Array.from({ length: 40 }, (_, i) => `k${i}`)
  for (const key of keys) store.put(key, 1)
  await Promise.all(keys.map((key) => cache.get(key)))
  for (const key of keys) watch(key)
  // Others, that are read once: those that are watched keep their places.
  await vi.advanceTimersByTimeAsync(2 * freshMs)
  for (let i = 0; i < 70; i++) {
    store.put(`other ${i}`, 1)
    await cache.get(`other ${i}`)
  }
  expect(keys.filter((key) => cache.peek(key) === undefined)).toEqual([])
  asked.redis = 0
  const rounds = 10
  await vi.advanceTimersByTimeAsync(rounds * 1.2 * sharedFreshMs)
  // A look, the lock with a second one, what the store has said, and the lock's return.
  expect(asked.redis).toBeLessThanOrEqual(rounds * 40 * 5)
  expect(asked.redis).toBeGreaterThan((rounds - 2) * 40 * 5)

  for (const key of keys) store.put(key, 2)
  cache.setLive(false)
  const other = start()
  await Promise.all(keys.map((key) => other.get(key, { minVersion: 2 })))
  expect(told).toEqual([])
  cache.setLive(true)
  await vi.advanceTimersByTimeAsync(ROUND_MS)
  expect(told).toHaveLength(40)
})

test('a key whose last look has failed is looked at again soon, though it was announced shortly before', async () => {
  const { store, cache, told, asked, watch } = createWorld()
  cache.setLive(true)
  store.put('a', 1)
  await cache.get('a')
  watch('a')
  asked.fails = true
  store.down = true
  await vi.advanceTimersByTimeAsync(1.2 * freshMs)
  // Somebody reads it: the look behind it fails.
  cache.getNow('a')
  await vi.advanceTimersByTimeAsync(1)
  expect(cache.peek('a')).toMatchObject({ version: 1, stale: true })
  store.down = false
  store.put('a', 2)
  await vi.advanceTimersByTimeAsync(ROUND_MS)
  expect(told).toEqual(['a 1.2'])
  expect(cache.peek('a')).toMatchObject({ version: 2, stale: false })
})

test('what another instance has put into Redis is told', async () => {
  const { store, cache, start, told, watch } = createWorld()
  store.put('a', 1)
  await cache.get('a')
  watch('a')
  store.put('a', 2)
  await start().get('a', { minVersion: 2 })
  await vi.advanceTimersByTimeAsync(ROUND_MS)
  expect(told).toEqual(['a 1.2'])
  expect(store.loads).toBe(2)
})

test('one timer serves all keys, and each is refreshed though their number is above what may be under way', async () => {
  const { store, told, watch } = createWorld({ maxRefreshes: 4 })
  for (let i = 0; i < 50; i++) store.put(`k${i}`, 1)
  for (let i = 0; i < 50; i++) watch(`k${i}`)
  expect(vi.getTimerCount()).toBe(1)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(new Set(told).size).toBe(50)
  expect(told.length).toBe(50)
})

test('while nothing is announced all are looked at, a quarter of what may be under way at a time', async () => {
  const maxRefreshes = 40
  const { store, watch } = createWorld({ maxRefreshes, sharedFreshMs: 0 })
  for (let i = 0; i < 100; i++) store.put(`k${i}`, 1)
  for (let i = 0; i < 100; i++) watch(`k${i}`)
  const perTick: number[] = []
  for (let before = 0; perTick.length < 20; before = store.loads) {
    await vi.advanceTimersByTimeAsync(freshMs / 4)
    perTick.push(store.loads - before)
  }
  expect(Math.max(...perTick)).toBe(maxRefreshes / 4)
})

test('a key that is gone is told as missing once, and again when it is there again', async () => {
  const { store, cache, told, watch } = createWorld()
  store.put('a', 7)
  await cache.get('a')
  watch('a')
  store.rows.delete('a')
  await vi.advanceTimersByTimeAsync(1.2 * sharedFreshMs + 4 * ROUND_MS)
  expect(told).toEqual(['a missing'])
  store.put('a', 1)
  await vi.advanceTimersByTimeAsync(negativeMs + ROUND_MS)
  expect(told).toEqual(['a missing', 'a 1.1'])
})

test('what L1 has forgotten meanwhile is told neither again nor backwards', async () => {
  const { store, cache, told, watch, announce } = createWorld({ maxEntries: 1 })
  store.put('a', 1)
  store.put('b', 1)
  await cache.get('a')
  watch('a')
  announce('a', 5)
  await cache.get('b')
  expect(cache.peek('a')).toBeUndefined()
  await vi.advanceTimersByTimeAsync(ROUND_MS)
  announce('a', 4)
  announce('a', 5)
  expect(told).toEqual(['a 1.5'])
  announce('a', 6)
  expect(told).toEqual(['a 1.5', 'a 1.6'])
})

test('a listener may stop while it is told', () => {
  const { cache, announce } = createWorld()
  const heard: number[] = []
  const end = cache.watch('a', (read) => {
    if ('version' in read) heard.push(read.version)
    end()
  })
  announce('a', 1)
  announce('a', 2)
  expect(heard).toEqual([1])
})
