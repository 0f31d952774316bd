/** What a worker commits is seen by every instance, and none of them reads Redis for it. */
import { redisNames } from '@ironsys/contracts'
import type { CommittedBatch } from '@ironsys/engine'
import { afterEach, expect, test, vi } from 'vitest'
import {
  createLiveSubscriber,
  createRedisSink,
  createSnapshotCache,
  type LiveSubscriber,
  type SnapshotCache,
} from './index.ts'
import { readSeat, type Seat, server, setUpEachTest, store, toBody } from './snapshot-cache.fixture.ts'

setUpEachTest()

const WAIT = { timeout: 20_000 }
const COMMAND_TIMEOUT_MS = 10_000
const subscribers: LiveSubscriber[] = []
afterEach(() => {
  for (const subscriber of subscribers.splice(0)) subscriber.close()
})

async function startInstance(instanceId: string): Promise<SnapshotCache<Seat>> {
  const cache = createSnapshotCache<Seat>({
    redis: await server.connected(COMMAND_TIMEOUT_MS),
    redisKey: redisNames.slot,
    load: store.load,
    parse: readSeat,
    toBody,
    nowMs: () => Date.now(),
    observe: () => {},
  })
  const subscriber = createLiveSubscriber<Seat>({
    redis: server.connect(COMMAND_TIMEOUT_MS),
    instanceId,
    parseDocument: readSeat,
    onSnapshots: cache.apply.bind(cache),
    onReplies: () => {},
    onProgress: () => {},
    onLost: () => cache.setLive(false),
    onRestored: () => cache.setLive(true),
    onUnreadable: () => {},
  })
  subscribers.push(subscriber)
  expect(await subscriber.ready(20_000)).toBe(true)
  return cache
}

function batch(version: number, more: object = {}): CommittedBatch<{ version: number }, string> {
  return {
    id: { topic: 't', partition: 0 },
    epoch: 1,
    nextOffset: version,
    headers: new Map([['a', { version }]]),
    removed: new Map(),
    due: new Map(),
    replies: [],
    decided: 1,
    firstTimeMs: 0,
    outcomes: new Map(),
    appendedAt: new Map(),
    ...more,
  }
}

test('a change, a removal and a new life are seen on both, without a read of Redis', async () => {
  const instances = [await startInstance('one'), await startInstance('two')]
  const sink = createRedisSink<{ version: number }, string>({
    redis: await server.connected(COMMAND_TIMEOUT_MS),
    snapshots: { redisKey: redisNames.slot, toDocument: ({ version }) => ({ left: 100 - version }) },
    nowMs: () => Date.now(),
    observe: { dropped: () => {}, replied: () => {} },
  })
  const redis = await server.connected(COMMAND_TIMEOUT_MS)
  const seen = () => instances.map((cache) => cache.peek('a'))
  store.put('a', 1)
  for (const cache of instances) await cache.get('a')
  // The one that loaded it may still be writing it.
  await vi.waitFor(async () => expect(await redis.exists(redisNames.slot('a'))).toBe(1), WAIT)
  await redis.config('RESETSTAT')

  sink.committed(batch(2))
  await vi.waitFor(() => expect(seen()).toMatchObject([{ version: 2 }, { version: 2 }]), WAIT)
  sink.committed(batch(3, { headers: new Map(), removed: new Map([['a', 2]]) }))
  await vi.waitFor(() => expect(seen()).toEqual([{ missing: true }, { missing: true }]), WAIT)
  expect(await redis.exists(redisNames.slot('a'))).toBe(0)
  sink.committed(batch(1))
  await vi.waitFor(() => expect(seen()).toMatchObject([{ version: 1 }, { version: 1 }]), WAIT)

  const stats = await redis.info('commandstats')
  expect(stats).toContain('cmdstat_publish:')
  expect(stats).not.toContain('cmdstat_get:')
  expect(store.loads).toBe(1)
  await sink.close(5000)
})
