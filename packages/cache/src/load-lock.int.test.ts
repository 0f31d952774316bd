/** The lock around loads, on a real Redis: it saves queries, and nothing depends on it. */
import { expect, test, vi } from 'vitest'
import { loadLockKey } from './shared-tier.ts'
import { clock, makeCache, redisKey, server, setUpEachTest, store, stored } from './snapshot-cache.fixture.ts'

setUpEachTest()

const COMMAND_TIMEOUT_MS = 10_000
const WAIT = { timeout: 20_000 }
/** A slow machine is no reason to give up. */
const patient = { loadTimeoutMs: 9000, lockWaitMs: 3000 }
const lockOf = (key: string) => loadLockKey(redisKey(key))

test('Redis flushed, two instances with many readers each: one query per key', async () => {
  const keys = Array.from({ length: 300 }, (_, i) => `k${i}`)
  for (const key of keys) store.put(key, 1)
  // What is not given back stays for the whole of this test.
  const options = { lockMs: 600_000 }
  const instances = [
    await makeCache(options, COMMAND_TIMEOUT_MS),
    await makeCache(options, COMMAND_TIMEOUT_MS),
  ]
  const readAll = () =>
    Promise.all([1, 2, 3].flatMap(() => instances.flatMap((cache) => keys.map((key) => cache.get(key)))))
  await readAll()
  expect(store.loads).toBe(keys.length)

  const redis = await server.connected(COMMAND_TIMEOUT_MS)
  await vi.waitFor(async () => expect(await redis.dbsize()).toBe(keys.length), WAIT)
  await redis.flushall()
  for (const key of keys) store.put(key, 2)
  clock.ms += 120_000
  const reads = await readAll()
  expect(reads.every((read) => 'version' in read && read.version === 2)).toBe(true)
  expect(store.loads).toBe(2 * keys.length)
  // All locks are given back.
  await vi.waitFor(async () => expect(await redis.dbsize()).toBe(keys.length), WAIT)
  expect(await redis.exists(...keys.map(lockOf))).toBe(0)
})

test('who comes second gets what the first one loads, however often it has to look', async () => {
  store.put('a', 1)
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const [first, second] = [
    await makeCache(patient, COMMAND_TIMEOUT_MS),
    await makeCache(patient, COMMAND_TIMEOUT_MS),
  ]
  const reads = [first.get('a')]
  await vi.waitFor(() => expect(store.loads).toBe(1), WAIT)
  reads.push(second.get('a'))
  await triedOften(2)
  gate.resolve()
  expect(await Promise.all(reads)).toMatchObject([{ version: 1 }, { version: 1, fromCache: true }])
  expect(store.loads).toBe(1)
})

/** The lock was asked for more than so many times. */
async function triedOften(times: number): Promise<void> {
  const redis = await server.connected()
  const tries = async () => Number(/cmdstat_set:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1])
  await vi.waitFor(async () => expect(await tries()).toBeGreaterThan(times), WAIT)
}

test('who waits is answered by an announcement too', async () => {
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const [first, second] = [
    await makeCache(patient, COMMAND_TIMEOUT_MS),
    await makeCache(patient, COMMAND_TIMEOUT_MS),
  ]
  const slow = first.get('a')
  await vi.waitFor(() => expect(store.loads).toBe(1), WAIT)
  const waiting = second.get('a')
  await triedOften(1)
  second.apply([{ key: 'a', epoch: 1, version: 4, document: { left: 4 } }])
  expect(await waiting).toMatchObject({ version: 4 })
  expect(store.loads).toBe(1)
  gate.resolve()
  await slow
})

test('a holder that died is waited for until the bound; its lock is left to end by itself', async () => {
  store.put('a', 1)
  const redis = await server.connected()
  await redis.lock(lockOf('a'), 'of a dead process', 600_000)
  const cache = await makeCache({ lockWaitMs: 60 })
  expect(await cache.get('a')).toMatchObject({ version: 1, stale: false })
  expect(store.loads).toBe(1)
  await stored('a')
  expect(await redis.get(lockOf('a'))).toBe('of a dead process')
})

test('an unknown key keeps nobody waiting: each instance asks when the other is done', async () => {
  const instances = [await makeCache({ lockWaitMs: 3000 }), await makeCache({ lockWaitMs: 3000 })]
  const reads = await Promise.all(instances.map((cache) => cache.get('a')))
  expect(reads).toEqual([{ missing: true }, { missing: true }])
  expect(store.loads).toBe(2)
  const redis = await server.connected()
  await vi.waitFor(async () => expect(await redis.dbsize()).toBe(0), WAIT)
})

test('who asks for a version asks the store, whoever is loading', async () => {
  store.put('a', 5)
  const redis = await server.connected()
  await redis.lock(lockOf('a'), 'of another', 600_000)
  const cache = await makeCache({ lockWaitMs: 600_000, lockMs: 600_000 })
  expect(await cache.get('a', { minVersion: 5 })).toMatchObject({ version: 5 })
})

test('without Redis there is no lock, one load per process, and no error', async () => {
  store.put('a', 1)
  const instances = [await makeCache(), await makeCache()]
  await server.kill()
  const reads = await Promise.all([1, 2, 3].flatMap(() => instances.map((cache) => cache.get('a'))))
  expect(reads.every((read) => 'version' in read)).toBe(true)
  expect(store.loads).toBe(2)
})
