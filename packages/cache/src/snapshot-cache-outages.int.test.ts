import { expect, test } from 'vitest'
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

test('Redis killed: reads go on from L1 and the store, one load per key; Redis is found again', async () => {
  store.put('a', 1)
  store.put('b', 1)
  const cache = await makeCache()
  await cache.get('a')
  await server.kill()
  expect(cache.getNow('a')).toMatchObject({ version: 1 })
  const reads = await Promise.all(Array.from({ length: 50 }, () => cache.get('b')))
  expect(reads.every((read) => 'version' in read)).toBe(true)
  expect(store.loads).toBe(2)
  await server.start()
  await expect
    .poll(
      async () => {
        // Until it is looked up anew.
        clock.ms += 2 * snapshotCacheDefaults.staleWhileRevalidateMs
        await cache.get('b')
        return tiers.includes('l2')
      },
      { timeout: 15_000 },
    )
    .toBe(true)
})

test('Redis frozen: the first read is held up for the time-out, then Redis is left alone', async () => {
  store.put('a', 1)
  store.put('b', 1)
  const cache = await makeCache()
  server.freeze()
  expect(await cache.get('a')).toMatchObject({ version: 1, fromCache: false })
  expect(await cache.get('b')).toMatchObject({ version: 1, fromCache: false })
  server.thaw()
  const redis = server.connect()
  await expect.poll(() => redis.status).toBe('ready')
  expect(await redis.info('commandstats')).toContain('cmdstat_eval:calls=1,')
})

test('Redis flushed: the store is asked once and Redis is filled again', async () => {
  store.put('a', 1)
  const cache = await makeCache()
  await cache.get('a')
  const redis = server.connect()
  await expect.poll(() => redis.status).toBe('ready')
  await redis.flushall()
  clock.ms += 120_000
  expect(await cache.get('a')).toMatchObject({ version: 1 })
  expect(await stored('a')).toMatch(/^1:1:/)
  expect(store.loads).toBe(2)
})

test('Redis and store both down: the last known, marked stale, for a while; unknown keys are an error', async () => {
  store.put('a', 1)
  const cache = await makeCache()
  await cache.get('a')
  await server.kill()
  store.down = true
  clock.ms += 120_000
  expect(await cache.get('a')).toMatchObject({
    version: 1,
    stale: true,
    body: null,
    fromCache: true,
    ageMs: 120_000,
  })
  expect(cache.getNow('a')).toMatchObject({ stale: true })
  await expect(cache.get('b')).rejects.toThrow(SnapshotUnavailableError)
  clock.ms += snapshotCacheDefaults.staleIfErrorMs
  await expect(cache.get('a')).rejects.toThrow(SnapshotUnavailableError)
  store.down = false
  expect(await cache.get('a')).toMatchObject({ version: 1, stale: false })
})

test('the store down, Redis up: an old snapshot in Redis is better than none', async () => {
  store.put('a', 1)
  await (await makeCache()).get('a')
  await passTime('a', 120_000)
  store.down = true
  const found = await (await makeCache()).get('a')
  expect(found).toMatchObject({ version: 1, stale: true })
  expect('ageMs' in found && found.ageMs).toBeGreaterThanOrEqual(120_000)
})

test('a store that hangs is given up', async () => {
  store.gate = new Promise(() => {})
  const cache = await makeCache({ loadTimeoutMs: 20 })
  await expect(cache.get('a')).rejects.toThrow(SnapshotUnavailableError)
})

test('Redis frozen and the store down: the last known at once, stale and with its age, however often it is read', async () => {
  store.put('a', 1)
  const cache = await makeCache()
  await cache.get('a')
  server.freeze()
  store.down = true
  clock.ms += 120_000
  const read = await cache.get('a')
  expect(read).toMatchObject({ version: 1, stale: true, ageMs: 120_000, fromCache: true })
  for (let i = 0; i < 100; i++) {
    clock.ms += snapshotCacheDefaults.freshMs / 10
    expect(cache.getNow('a')).toMatchObject({ version: 1, stale: true })
  }
  // One look per fresh window, behind the readers.
  expect(store.loads).toBeLessThan(14)
  server.thaw()
})
