/** All that goes through Redis, through three nodes that share the keys. */
import { redisNames } from '@ironsys/contracts'
import type { CommittedBatch } from '@ironsys/engine'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  type Announcement,
  connectRedisAt,
  connectSubscription,
  createLiveSubscriber,
  createRedisSink,
  type LiveSubscriber,
  type RedisAddress,
  type RedisConnection,
  type RedisSink,
  readProgress,
  readSnapshot,
  redisReady,
} from './index.ts'
import { type OwnCluster, startOwnCluster } from './own-redis.fixture.ts'
import { createCacheOn, Store } from './snapshot-cache.fixture.ts'

const WAIT = { timeout: 20_000, interval: 50 }
const logger = { info() {}, warn() {} }
const slotIds = Array.from({ length: 60 }, (_, i) => `slot-${i}`)

let cluster: OwnCluster
let address: RedisAddress
let redis: RedisConnection
let subscriber: LiveSubscriber
let sink: RedisSink<{ version: number }, string>
const heard: Announcement<{ version: number }>[] = []
const modes: string[] = []

beforeAll(async () => {
  cluster = await startOwnCluster()
  address = { urls: cluster.urls, cluster: true }
  redis = await connected()
  subscriber = createLiveSubscriber<{ version: number }>({
    redis: connectSubscription(address, { name: 'test-live', logger }),
    instanceId: 'me',
    parseDocument: readDocument,
    onSnapshots: (announcements) => void heard.push(...announcements),
    onReplies: () => {},
    onProgress: () => {},
    onLost: () => void modes.push('lost'),
    onRestored: () => void modes.push('live'),
    onUnreadable: () => {},
    pingMs: 50,
  })
  expect(await subscriber.ready(20_000)).toBe(true)
  sink = createRedisSink({
    redis,
    snapshots: { redisKey: redisNames.slot, toDocument: ({ version }) => ({ version }) },
    nowMs: () => 1000,
    observe: { dropped: () => {}, replied: () => {} },
    options: { retryMs: 20 },
  })
})

afterAll(async () => {
  await sink?.close(2000)
  subscriber?.close()
  redis?.disconnect()
  await cluster?.close()
})

async function connected(): Promise<RedisConnection> {
  const connection = connectRedisAt(address, { name: 'test', logger, commandTimeoutMs: 2000 })
  expect(await redisReady(connection, 20_000)).toBe(true)
  return connection
}

function readDocument(value: unknown): { version: number } | null {
  return typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    typeof value.version === 'number'
    ? { version: value.version }
    : null
}

function batch(
  version: number,
  removed: readonly string[] = [],
): CommittedBatch<{ version: number }, string> {
  const left = slotIds.filter((id) => !removed.includes(id))
  return {
    id: { topic: 't', partition: 1 },
    epoch: 1,
    nextOffset: version,
    headers: new Map(left.map((id) => [id, { version }])),
    removed: new Map(removed.map((id) => [id, version])),
    due: new Map(),
    replies: [],
    decided: 1,
    firstTimeMs: 990,
    outcomes: new Map(),
    appendedAt: new Map(),
  }
}

const versionOf = async (id: string) => (await readSnapshot(redis, redisNames.slot(id)))?.version ?? null
const versions = () => Promise.all(slotIds.map(versionOf))

test('a batch is written to all nodes, guarded, announced and removed', async () => {
  sink.committed(batch(7))
  await vi.waitFor(async () => expect(new Set(await versions())).toEqual(new Set([7])), WAIT)
  for (const node of cluster.nodes) expect(await (await node.connected()).dbsize()).toBeGreaterThan(5)
  expect(await readProgress(redis, 't', 3)).toMatchObject([{ partition: 1, nextOffset: 7 }])
  await vi.waitFor(() => expect(new Set(heard.map(({ key }) => key)).size).toBe(slotIds.length), WAIT)

  expect(await redis.putSnapshot(redisNames.slot('slot-1'), 1, 6, '1:6:0:{}', 60_000)).toBe(0)
  expect(await redis.removeSnapshot(redisNames.slot('slot-1'), 1, 6)).toBe(0)
  sink.committed(batch(8, ['slot-1', 'slot-2']))
  const expected = slotIds.map((id) => (['slot-1', 'slot-2'].includes(id) ? null : 8))
  await vi.waitFor(async () => expect(await versions()).toEqual(expected), WAIT)
  await vi.waitFor(() => expect(heard.filter(({ document }) => document === null)).toHaveLength(2), WAIT)
})

test('two instances load each key once between them', async () => {
  const store = new Store()
  const other = await connected()
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`)
  for (const key of keys) store.put(key, 1)
  const instances = [redis, other].map((each) => createCacheOn(each, store, () => Date.now()))
  const reads = await Promise.all(instances.flatMap((cache) => keys.map((key) => cache.get(key))))
  expect(reads.every((read) => 'version' in read)).toBe(true)
  expect(store.loads).toBe(keys.length)
  other.disconnect()
})

test('a node dies: the others take writes, announcements and reads; its keys are read from the store', async () => {
  sink.committed(batch(8))
  await vi.waitFor(async () => expect(new Set(await versions())).toEqual(new Set([8])), WAIT)
  // The subscription is at the first one.
  const [, second] = cluster.nodes
  const node = await second?.connected(2000)
  await Promise.all(
    cluster.nodes.map(async (each) => {
      const config = await each.connected(2000)
      await config.config('SET', 'cluster-require-full-coverage', 'no')
    }),
  )
  const lost = new Set<string>()
  for (const id of slotIds) if ((await node?.exists(redisNames.slot(id)).catch(() => 0)) === 1) lost.add(id)
  expect(lost.size).toBeGreaterThan(5)
  await second?.kill()
  heard.length = 0
  sink.committed(batch(9))
  const others = slotIds.filter((id) => !lost.has(id))
  const versionsOfOthers = () => Promise.all(others.map((id) => versionOf(id).catch(() => null)))
  await vi.waitFor(async () => expect(new Set(await versionsOfOthers())).toEqual(new Set([9])), WAIT)
  await vi.waitFor(() => expect(new Set(heard.map(({ key }) => key)).size).toBe(slotIds.length), WAIT)
  const store = new Store()
  for (const id of slotIds) store.put(id, 3)
  const cache = createCacheOn(redis, store, () => Date.now())
  for (const id of lost) expect(await cache.get(id)).toMatchObject({ version: 3, stale: false })
  for (const id of others) expect(await cache.get(id)).toMatchObject({ stale: false })

  await second?.start()
  await vi.waitFor(async () => expect(new Set(await versions())).toEqual(new Set([9])), WAIT)
})

test('a subscription whose node dies goes on at another', async () => {
  await cluster.nodes[0]?.kill()
  await vi.waitFor(() => expect(modes).toEqual(['live', 'lost', 'live']), WAIT)
  await cluster.nodes[0]?.start()
})
