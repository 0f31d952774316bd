/** A key that is removed is gone everywhere, and one that is made again under its id begins anew. */
import { createMemoryRedis } from '@ironsys/testing/twins'
import { beforeEach, expect, test, vi } from 'vitest'
import { type SnapshotCache, type SnapshotRedis, snapshotCacheDefaults } from './index.ts'
import { createCacheOn, redisKey, type Seat, Store } from './snapshot-cache.fixture.ts'

const { negativeMs, remadeAfterMs, staleWhileRevalidateMs } = snapshotCacheDefaults

let nowMs: number
let redis: SnapshotRedis
let store: Store
let cache: SnapshotCache<Seat>
let inRedis: (key: string) => string | undefined

beforeEach(() => {
  nowMs = 1_000_000
  const memory = createMemoryRedis({ nowMs: () => nowMs })
  redis = memory.connect()
  inRedis = (key) => memory.peek(redisKey(key))?.text
  store = new Store()
  cache = start()
  cache.setLive(true)
})

const start = () => createCacheOn(redis, store, () => nowMs)
const removal = (version: number, epoch = 1) => ({ key: 'a', epoch, version, document: null })
const made = (version: number, epoch = 1) => ({ key: 'a', epoch, version, document: { left: version } })

test('an announced removal is answered at once, without a look anywhere, and the first version after it too', async () => {
  store.put('a', 7)
  await cache.get('a')
  cache.apply([removal(7)])
  expect(cache.getNow('a')).toEqual({ missing: true })
  expect(cache.peek('a')).toEqual({ missing: true })
  cache.apply([made(1)])
  expect(cache.getNow('a')).toMatchObject({ version: 1, stale: false })
  expect(store.loads).toBe(1)
})

test('a removal and what was made behind it, in one message', async () => {
  store.put('a', 7)
  await cache.get('a')
  const told: unknown[] = []
  cache.watch('a', (read) => told.push('missing' in read ? 'missing' : read.version))
  cache.apply([removal(8), made(2)])
  expect(cache.getNow('a')).toMatchObject({ version: 2 })
  expect(told).toEqual(['missing', 2])
})

test('a removal of an earlier epoch or version takes nothing that is newer', async () => {
  store.put('a', 7, 1, 2)
  await cache.get('a')
  cache.apply([removal(6, 2), removal(99, 1)])
  expect(cache.getNow('a')).toMatchObject({ epoch: 2, version: 7 })
})

test('a removal of what nobody has asked for is not remembered', () => {
  cache.apply([removal(7)])
  expect(cache.peek('a')).toBeUndefined()
})

test('what was being loaded when it was removed comes back neither here nor in Redis', async () => {
  store.put('a', 7)
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const read = cache.get('a')
  await vi.waitFor(() => expect(store.loads).toBe(1))
  cache.apply([removal(7)])
  gate.resolve()
  expect(await read).toEqual({ missing: true })
  expect(cache.peek('a')).toEqual({ missing: true })
  // The lock is given back without a snapshot beside it.
  await vi.waitFor(async () => expect(await redis.lock(`${redisKey('a')}:load`, 'free', 1)).toBe(1))
  expect(inRedis('a')).toBeUndefined()
})

test('what was made again while its earlier life was being loaded is what is answered', async () => {
  store.put('a', 7)
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const read = cache.get('a')
  await vi.waitFor(() => expect(store.loads).toBe(1))
  cache.apply([removal(7), made(1)])
  gate.resolve()
  expect(await read).toMatchObject({ version: 1 })
  expect(cache.getNow('a')).toMatchObject({ version: 1 })
})

test('a removal that nobody heard of: the store knows, and Redis forgets', async () => {
  store.put('a', 7)
  await cache.get('a')
  await vi.waitFor(() => expect(inRedis('a')).toBeDefined())
  store.rows.delete('a')
  nowMs += 2 * staleWhileRevalidateMs
  expect(await cache.get('a')).toEqual({ missing: true })
  await vi.waitFor(() => expect(inRedis('a')).toBeUndefined())
  nowMs += negativeMs
  expect(await start().get('a')).toEqual({ missing: true })
})

test('removed and made again, and nobody heard of either: the first version of the new life wins in the end', async () => {
  store.put('a', 7)
  await cache.get('a')
  await vi.waitFor(() => expect(inRedis('a')).toBeDefined())
  const told: unknown[] = []
  cache.watch('a', (read) => told.push('missing' in read ? 'missing' : read.version))()
  store.put('a', 1)
  nowMs += remadeAfterMs
  // As far as can be known the store may be behind.
  expect(await cache.get('a', { minVersion: 8 })).toMatchObject({ version: 7 })
  nowMs += 1
  expect(await cache.get('a', { minVersion: 8 })).toMatchObject({ version: 1, stale: false })
  expect(cache.getNow('a')).toMatchObject({ version: 1 })
  await vi.waitFor(() => expect(inRedis('a')).toMatch(/^1:1:/))
})

test('a lower version of an earlier epoch is no new life', async () => {
  store.put('a', 2, 1, 3)
  await cache.get('a')
  store.put('a', 9, 1, 2)
  nowMs += 10 * remadeAfterMs
  expect(await cache.get('a')).toMatchObject({ epoch: 3, version: 2 })
})

test.each([
  ['alone', [removal(7)], { missing: true }, ['missing']],
  ['and made again', [removal(7), made(1)], { version: 1 }, ['missing', 1]],
])('what Redis has told before a removal, %s, is of the life before', async (_, announced, read, heard) => {
  store.put('a', 7)
  await cache.get('a')
  const asked = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const slow: SnapshotRedis = {
    ...redis,
    getSnapshot: async (key) => {
      const answer = await redis.getSnapshot(key)
      asked.resolve()
      await held.promise
      return answer
    },
  }
  const other = createCacheOn(slow, store, () => nowMs)
  other.setLive(true)
  const told: unknown[] = []
  other.watch('a', (each) => told.push('missing' in each ? 'missing' : each.version))
  const first = other.get('a')
  await asked.promise
  other.apply(announced)
  held.resolve()
  await first
  expect(await other.get('a')).toMatchObject(read)
  expect(told).toEqual(heard)
})

test('what was found missing before announcements were lost may have been made meanwhile', async () => {
  await cache.get('a')
  expect(cache.peek('a')).toEqual({ missing: true })
  cache.setLive(false)
  store.put('a', 1)
  cache.setLive(true)
  expect(cache.peek('a')).toBeUndefined()
  expect(await cache.get('a')).toMatchObject({ version: 1 })
})

test('a key that is about to be made is not known to be missing any more; what is known of one stays, however idle', async () => {
  await cache.get('a')
  cache.dropMissing('a')
  expect(cache.peek('a')).toBeUndefined()
  store.put('a', 7)
  expect(await cache.get('a')).toMatchObject({ version: 7 })
  nowMs += 2 * staleWhileRevalidateMs
  expect(cache.peek('a')).toBeUndefined()
  cache.dropMissing('a')
  store.down = true
  redis.getSnapshot = () => Promise.reject(new Error('away'))
  expect(await cache.get('a')).toMatchObject({ version: 7, stale: true })
})

test('an announcement that is older than what is here does not make it current', async () => {
  store.put('a', 7)
  await cache.get('a')
  nowMs += staleWhileRevalidateMs * 2
  store.down = true
  redis.getSnapshot = () => Promise.reject(new Error('away'))
  expect(await cache.get('a')).toMatchObject({ version: 7, stale: true })
  cache.apply([made(5)])
  expect(cache.getNow('a')).toMatchObject({ version: 7, stale: true })
})
