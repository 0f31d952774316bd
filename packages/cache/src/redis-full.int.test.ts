/** A Redis without room: what it has is read, and what it does not take is missed by nobody. */
import { redisNames } from '@ironsys/contracts'
import type { Redis } from 'ioredis'
import { beforeEach, expect, test, vi } from 'vitest'
import { createRedisSink, readAnnouncements } from './index.ts'
import { makeCache, readSeat, server, setUpEachTest, store, stored, tiers } from './snapshot-cache.fixture.ts'

setUpEachTest()

const WAIT = { timeout: 20_000 }
let redis: Redis

beforeEach(async () => {
  redis = await server.connected(10_000)
})

test('that takes no writes (noeviction): reads go on from it and, for what it lacks, from the store', async () => {
  store.put('a', 1)
  store.put('b', 1)
  await (await makeCache({}, 10_000)).get('a')
  await stored('a')
  await redis.config('SET', 'maxmemory', '1')
  await expect(redis.set('x', '1')).rejects.toThrow('OOM')

  const cache = await makeCache({}, 10_000)
  expect(await cache.get('b')).toMatchObject({ version: 1, fromCache: false, stale: false })
  // That it refused to write is no reason to leave it alone.
  expect(await cache.get('a')).toMatchObject({ version: 1, fromCache: true, stale: false })
  expect(tiers).toEqual(['l3', 'l3', 'l2'])
})

test('that takes no writes: changes are announced all the same, and written when there is room', async () => {
  const heard: unknown[] = []
  const subscription = await server.connected(10_000)
  await subscription.subscribe(redisNames.snapshots, redisNames.replies('i'))
  subscription.on('message', (channel: string, text: string) =>
    heard.push(channel === redisNames.snapshots ? readAnnouncements(text, readSeat) : text),
  )
  const sink = createRedisSink<{ version: number }, string>({
    redis: await server.connected(10_000),
    snapshots: { redisKey: redisNames.slot, toDocument: ({ version }) => ({ left: version }) },
    nowMs: () => 1000,
    observe: { dropped: () => {}, replied: () => {} },
    options: { retryMs: 20 },
  })
  await redis.config('SET', 'maxmemory', '1')
  sink.committed({
    id: { topic: 't', partition: 0 },
    epoch: 1,
    nextOffset: 5,
    headers: new Map([['a', { version: 4 }]]),
    removed: new Map(),
    due: new Map(),
    replies: [{ to: 'i/1', outcome: 'yes' }],
    decided: 1,
    firstTimeMs: 0,
    outcomes: new Map(),
    appendedAt: new Map(),
  })
  await vi.waitFor(() => {
    expect(heard).toContainEqual([{ key: 'a', epoch: 1, version: 4, document: { left: 4 } }])
  }, WAIT)
  await redis.config('SET', 'maxmemory', '0')
  await vi.waitFor(async () => expect(await redis.get(redisNames.slot('a'))).toContain('1:4:'), WAIT)
  await sink.close(5000)
})

test('that makes room (allkeys-lru): what it has thrown away is loaded again', async () => {
  const keys = Array.from({ length: 3000 }, (_, i) => `k${i}`)
  for (const key of keys) store.put(key, 1)
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
  await redis.config('SET', 'maxmemory', `${used + 200_000}`)
  for (let round = 0; round < 2; round++) {
    const cache = await makeCache({ maxEntries: 100 }, 10_000)
    for (let start = 0; start < keys.length; start += 200) {
      const reads = await Promise.all(keys.slice(start, start + 200).map((key) => cache.get(key)))
      expect(reads.every((read) => 'version' in read && !read.stale)).toBe(true)
    }
  }
  expect(Number(/evicted_keys:(\d+)/.exec(await redis.info('stats'))?.[1])).toBeGreaterThan(0)
  expect(store.loads).toBeGreaterThan(keys.length)
})
