import { expect, test, vi } from 'vitest'
import { SnapshotUnavailableError, snapshotCacheDefaults } from './index.ts'
import {
  clock,
  makeCache,
  passTime,
  server,
  setUpEachTest,
  store,
  stored,
  tiers,
} from './snapshot-cache.fixture.ts'

setUpEachTest()

test('store, then L1; another process finds it in Redis', async () => {
  store.put('a', 7)
  const cache = await makeCache()
  expect(cache.getNow('a')).toBeUndefined()
  expect(await cache.get('a')).toMatchObject({
    version: 7,
    fromCache: false,
    stale: false,
    body: null,
    ageMs: 0,
  })
  clock.ms += 100
  const hit = cache.getNow('a')
  expect(hit).toMatchObject({
    document: { left: 93 },
    epoch: 1,
    version: 7,
    fromCache: true,
    stale: false,
    ageMs: 100,
  })
  expect(String(hit && 'body' in hit && hit.body)).toBe('{"left":93,"from_cache":true,"stale":false}')
  expect(await stored('a')).toMatch(/^1:7:\d{6}:{"left":93}$/)
  await passTime('a', 3000)
  const found = await (await makeCache()).get('a')
  expect(found).toMatchObject({ version: 7, fromCache: true, stale: false, ageMs: 0 })
  expect(store.loads).toBe(1)
  expect(tiers).toEqual(['l3', 'l1', 'l2'])
})

test('the body of a version is made once', async () => {
  store.put('a', 1)
  const cache = await makeCache()
  await cache.get('a')
  const made = vi.spyOn(JSON, 'stringify')
  const reads = [cache.getNow('a'), cache.getNow('a')]
  expect(made).not.toHaveBeenCalled()
  made.mockRestore()
  const bodies = reads.map((read) => (read && 'body' in read ? read.body : null))
  expect(bodies).toEqual(Array(2).fill(JSON.stringify({ left: 99, from_cache: true, stale: false })))
})

test('a stampede on a cold key loads it once', async () => {
  store.put('a', 1)
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const cache = await makeCache()
  const reads = Array.from({ length: 500 }, () => cache.get('a'))
  gate.resolve()
  const results = await Promise.all(reads)
  expect(results.every((read) => 'version' in read && read.version === 1)).toBe(true)
  expect(store.loads).toBe(1)
})

test('after the fresh window the old answer is given at once and one refresh runs', async () => {
  store.put('a', 1)
  const cache = await makeCache()
  cache.setLive(true)
  await cache.get('a')
  store.put('a', 2)
  await passTime('a', snapshotCacheDefaults.sharedFreshMs * 2)
  for (let i = 0; i < 100; i++) expect(cache.getNow('a')).toMatchObject({ version: 1, stale: false })
  await expect.poll(() => cache.peek('a')).toMatchObject({ version: 2 })
  expect(store.loads).toBe(2)
})

test('while announcements are lost, what was not checked since reads as stale', async () => {
  store.put('a', 1)
  const cache = await makeCache()
  cache.setLive(true)
  await cache.get('a')
  cache.setLive(false)
  clock.ms += snapshotCacheDefaults.freshMs + 100
  expect(cache.getNow('a')).toMatchObject({ stale: true, body: null })
  await expect.poll(() => cache.peek('a')).toMatchObject({ stale: false })
})

test('an announcement replaces what is older, never what is newer, and epochs win over versions', async () => {
  store.put('a', 5)
  const cache = await makeCache()
  await cache.get('a')
  const announce = (epoch: number, version: number) =>
    cache.apply([{ key: 'a', epoch, version, document: { left: version } }])
  announce(1, 8)
  expect(cache.getNow('a')).toMatchObject({ version: 8, document: { left: 8 } })
  announce(1, 6)
  expect(cache.getNow('a')).toMatchObject({ version: 8 })
  announce(2, 1)
  expect(cache.getNow('a')).toMatchObject({ epoch: 2, version: 1 })
  announce(1, 99)
  expect(cache.getNow('a')).toMatchObject({ epoch: 2, version: 1 })
})

test('a store that is behind does not take L1 back', async () => {
  store.put('a', 5)
  const cache = await makeCache({ remadeAfterMs: 120_001 })
  await cache.get('a')
  cache.apply([{ key: 'a', epoch: 1, version: 9, document: { left: 9 } }])
  clock.ms += 120_000
  expect(await cache.get('a')).toMatchObject({ version: 9 })
  expect(store.loads).toBe(2)
})

test('garbage and foreign documents in Redis are a miss', async () => {
  store.put('a', 3)
  const redis = server.connect()
  await expect.poll(() => redis.status).toBe('ready')
  const cache = await makeCache()
  await redis.set('test:{a}', 'garbage')
  expect(await cache.get('a')).toMatchObject({ version: 3, fromCache: false })
  await redis.set('test:{a}', '1:9:600000:{"right":1}', 'PX', 600_000)
  expect(await (await makeCache()).get('a')).toMatchObject({ version: 3, fromCache: false })
})

test('a missing key is negative for a moment, until it is announced', async () => {
  const cache = await makeCache()
  cache.setLive(true)
  expect(cache.peek('a')).toBeUndefined()
  expect(await cache.get('a')).toEqual({ missing: true })
  expect(cache.peek('a')).toEqual({ missing: true })
  expect(await cache.get('a')).toEqual({ missing: true })
  expect(store.loads).toBe(1)
  cache.apply([{ key: 'a', epoch: 1, version: 1, document: { left: 9 } }])
  expect(cache.getNow('a')).toMatchObject({ version: 1 })
  expect(await cache.get('b')).toEqual({ missing: true })
  clock.ms += snapshotCacheDefaults.negativeMs
  expect(cache.peek('b')).toBeUndefined()
  store.put('b', 1)
  expect(await cache.get('b')).toMatchObject({ version: 1 })
})

test('without announcements a negative entry is no ground for a refusal', async () => {
  const cache = await makeCache()
  await cache.get('a')
  expect(cache.peek('a')).toBeUndefined()
})

test('what is announced while the store is being asked wins over its "no such key"', async () => {
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const cache = await makeCache()
  const read = cache.get('a')
  await expect.poll(() => store.loads).toBe(1)
  cache.apply([{ key: 'a', epoch: 1, version: 1, document: { left: 9 } }])
  gate.resolve()
  expect(await read).toMatchObject({ version: 1 })
  expect(cache.getNow('a')).toMatchObject({ version: 1 })
})

test('minVersion goes past older copies to the store', async () => {
  store.put('a', 1)
  const cache = await makeCache()
  await cache.get('a')
  await stored('a')
  store.put('a', 2)
  expect(await cache.get('a', { minVersion: 1 })).toMatchObject({ version: 1 })
  expect(await cache.get('a', { minVersion: 2 })).toMatchObject({ version: 2 })
  expect(await cache.get('a', { minVersion: 3 })).toMatchObject({ version: 2 })
})

test('entries and negatives are bounded; the longest unread go first', async () => {
  for (let i = 0; i < 10; i++) store.put(`k${i}`, 1)
  const cache = await makeCache({ maxEntries: 4, maxNegatives: 2 })
  cache.setLive(true)
  for (let i = 0; i < 10; i++) await cache.get(`k${i}`)
  expect(cache.size()).toBe(4)
  expect(cache.peek('k5')).toBeUndefined()
  expect(cache.peek('k9')).toMatchObject({ version: 1 })
  for (const key of ['x', 'y', 'z']) await cache.get(key)
  expect([cache.peek('x'), cache.peek('z')]).toEqual([undefined, { missing: true }])
})

test('too many loads at a time are refused, not queued', async () => {
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const cache = await makeCache({ maxRefreshes: 1 })
  const first = cache.get('a')
  await expect(cache.get('b')).rejects.toThrow(SnapshotUnavailableError)
  gate.resolve()
  expect(await first).toEqual({ missing: true })
})
