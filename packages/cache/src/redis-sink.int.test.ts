import { redisNames } from '@ironsys/contracts'
import type { CommittedBatch } from '@ironsys/engine'
import type { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  createRedisSink,
  type RedisSink,
  readProgress,
  readSnapshot,
  type SinkKind,
  type SnapshotForm,
} from './index.ts'
import { type OwnRedis, startOwnRedis } from './own-redis.fixture.ts'

interface Seats {
  readonly version: number
}

let server: OwnRedis
let reader: Redis
const dropped: Record<SinkKind, number> = { snapshot: 0, reply: 0, progress: 0 }
let replied = 0

beforeEach(async () => {
  server = await startOwnRedis()
  reader = await connected()
  Object.assign(dropped, { snapshot: 0, reply: 0, progress: 0 })
  replied = 0
})
afterEach(() => server.close())

async function connected(commandTimeoutMs?: number): Promise<Redis> {
  const redis = server.connect(commandTimeoutMs)
  await expect.poll(() => redis.status).toBe('ready')
  return redis
}

const seatSnapshots: SnapshotForm<Seats> = {
  redisKey: redisNames.slot,
  toDocument: (header, key) => ({ id: key, version: header.version }),
}

async function makeSink(
  options = {},
  snapshots: SnapshotForm<Seats> | null = seatSnapshots,
): Promise<RedisSink<Seats, string>> {
  return createRedisSink<Seats, string>({
    redis: await connected(2000),
    snapshots,
    nowMs: () => 1_000,
    observe: {
      dropped: (kind, count) => {
        dropped[kind] += count
      },
      replied: (count) => {
        replied += count
      },
    },
    options,
  })
}

async function heard(...channels: string[]): Promise<{ channel: string; value: unknown }[]> {
  const messages: { channel: string; value: unknown }[] = []
  const redis = await connected()
  await redis.subscribe(...channels)
  redis.on('message', (channel: string, text: string) => messages.push({ channel, value: JSON.parse(text) }))
  return messages
}

function batch(versions: Record<string, number>, more: Partial<CommittedBatch<Seats, string>> = {}) {
  return {
    id: { topic: 't', partition: 3 },
    epoch: 1,
    nextOffset: 10,
    headers: new Map(Object.entries(versions).map(([key, version]) => [key, { version }])),
    removed: new Map<string, number>(),
    due: new Map(),
    replies: [],
    decided: 10,
    firstTimeMs: 990,
    outcomes: new Map(),
    appendedAt: new Map(),
    ...more,
  }
}

test('a batch becomes guarded snapshots, progress and one message of replies per instance', async () => {
  const messages = await heard(
    redisNames.snapshots,
    redisNames.progressChannel,
    redisNames.replies('i1'),
    redisNames.replies('i2'),
  )
  const sink = await makeSink()
  const replies = [
    { to: 'i1/1', outcome: 'yes' },
    { to: 'i2/1', outcome: 'no' },
    { to: 'i1/3', outcome: 'yes' },
  ]
  sink.committed(batch({ a: 4, b: 9 }, { replies }))
  await expect.poll(() => messages.length).toBe(4)
  const progress = { topic: 't', partition: 3, nextOffset: 10, perSecond: 1000 }
  expect(messages).toEqual([
    {
      channel: redisNames.snapshots,
      value: [
        { key: 'a', epoch: 1, version: 4, document: { id: 'a', version: 4 } },
        { key: 'b', epoch: 1, version: 9, document: { id: 'b', version: 9 } },
      ],
    },
    { channel: redisNames.progressChannel, value: progress },
    {
      channel: redisNames.replies('i1'),
      value: [
        { to: 'i1/1', outcome: 'yes' },
        { to: 'i1/3', outcome: 'yes' },
      ],
    },
    { channel: redisNames.replies('i2'), value: [{ to: 'i2/1', outcome: 'no' }] },
  ])
  const { ageMs, ...snapshot } = (await readSnapshot(reader, redisNames.slot('a'))) ?? {}
  expect(snapshot).toEqual({ epoch: 1, version: 4, document: { id: 'a', version: 4 } })
  expect(ageMs).toBeLessThan(60_000)
  expect(await readProgress(reader, 't', 5)).toEqual([progress])
  expect(replied).toBe(3)
  await sink.close(1000)
})

test('a domain without snapshots leaves progress and replies, and nothing else', async () => {
  const messages = await heard(redisNames.snapshots, redisNames.progressChannel, redisNames.replies('i'))
  const sink = await makeSink({}, null)
  sink.committed(batch({ a: 4 }, { replies: [{ to: 'i/1', outcome: 'yes' }] }))
  await sink.close(1000)
  await expect
    .poll(() => messages.map(({ channel }) => channel))
    .toEqual([redisNames.progressChannel, redisNames.replies('i')])
  expect(await reader.keys('*')).toEqual([redisNames.progress('t', 3)])
})

test('while a flush is under way what comes is conflated to the newest', async () => {
  const messages = await heard(redisNames.snapshots)
  const sink = await makeSink()
  for (let version = 1; version <= 100; version++) sink.committed(batch({ a: version }))
  await sink.close(2000)
  const versions = () =>
    messages.flatMap(({ value }) => (value as { version: number }[]).map(({ version }) => version))
  await expect.poll(versions).toEqual([1, 100])
  expect(await reader.get(redisNames.slot('a'))).toContain('1:100:')
})

test("a late writer's older snapshot does not replace a newer one", async () => {
  const sink = await makeSink()
  await reader.putSnapshot(redisNames.slot('a'), 2, 1, '2:1:0:{}', 60_000)
  sink.committed(batch({ a: 50 }))
  await sink.close(1000)
  expect(await reader.get(redisNames.slot('a'))).toBe('2:1:0:{}')
})

test('Redis dead: nothing throws, replies are counted as dropped, the newest snapshot is written on its return', async () => {
  const sink = await makeSink({ retryMs: 20 })
  await server.kill()
  const reply = { to: 'i/1', outcome: 'yes' }
  for (let version = 1; version <= 3; version++) sink.committed(batch({ a: version }, { replies: [reply] }))
  await expect.poll(() => dropped.reply).toBe(3)
  await server.start()
  await expect
    .poll(() => reader.get(redisNames.slot('a')).catch(() => null), { timeout: 15_000 })
    .toContain('1:3:')
  await sink.close(1000)
  expect(dropped).toEqual({ snapshot: 0, reply: 3, progress: 0 })
})

test('what is kept for a frozen Redis is bounded, and what does not fit is counted', async () => {
  const sink = await makeSink({ maxSnapshots: 5, maxReplies: 7 })
  server.freeze()
  sink.committed(batch({ first: 1 }))
  const replies = Array.from({ length: 10 }, (_, i) => ({ to: `i/${i}`, outcome: 'yes' }))
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, 1]))
  sink.committed(batch(many, { replies }))
  expect(dropped).toEqual({ snapshot: 4, reply: 3, progress: 0 })
  server.thaw()
  await sink.close(2000)
  expect(replied).toBe(7)
})

test('close gives up on a frozen Redis', async () => {
  const sink = await makeSink()
  server.freeze()
  sink.committed(batch({ a: 1 }))
  await sink.close(50)
  sink.committed(batch({ a: 2 }))
  server.thaw()
})

test('long lists are published in parts', async () => {
  const messages = await heard(redisNames.replies('i'))
  const sink = await makeSink({ maxItemsPerMessage: 4 })
  const replies = Array.from({ length: 10 }, (_, i) => ({ to: `i/${i}`, outcome: 'yes' }))
  sink.committed(batch({}, { replies }))
  await sink.close(1000)
  await expect.poll(() => messages.map(({ value }) => (value as unknown[]).length)).toEqual([4, 4, 2])
})

test('a removal takes the snapshot away, unless a newer one is there, and is announced', async () => {
  const messages = await heard(redisNames.snapshots)
  const sink = await makeSink()
  sink.committed(batch({ a: 4, b: 4 }))
  await expect.poll(() => reader.exists(redisNames.slot('a'), redisNames.slot('b'))).toBe(2)
  await reader.putSnapshot(redisNames.slot('b'), 2, 1, '2:1:0:{}', 60_000)
  const removed = new Map([
    ['a', 4],
    ['b', 4],
  ])
  sink.committed(batch({}, { removed }))
  await sink.close(1000)
  expect(await reader.get(redisNames.slot('a'))).toBeNull()
  expect(await reader.get(redisNames.slot('b'))).toBe('2:1:0:{}')
  await expect.poll(() => messages).toHaveLength(2)
  expect(messages[1]?.value).toEqual([
    { key: 'a', epoch: 1, version: 4, document: null },
    { key: 'b', epoch: 1, version: 4, document: null },
  ])
})

test('of removals and snapshots of one key in a flush the later wins, and what was removed is told before', async () => {
  const messages = await heard(redisNames.snapshots)
  const sink = await makeSink()
  const gone = (...keys: string[]) => batch({}, { removed: new Map(keys.map((key) => [key, 50])) })
  sink.committed(batch({ made: 40, gone: 40, unmade: 40 }))
  await expect.poll(() => messages).toHaveLength(1)
  server.freeze()
  // On its way; what comes now is conflated behind it.
  sink.committed(batch({ other: 1 }))
  sink.committed(batch({ made: 50, gone: 50, unmade: 50 }))
  sink.committed(gone('made', 'gone', 'unmade'))
  sink.committed(batch({ made: 1, unmade: 1 }))
  sink.committed(batch({ made: 2 }))
  sink.committed(batch({}, { removed: new Map([['unmade', 1]]) }))
  server.thaw()
  await sink.close(10_000)
  expect(await reader.get(redisNames.slot('made'))).toMatch(/^1:2:/)
  expect(await reader.exists(redisNames.slot('gone'), redisNames.slot('unmade'))).toBe(0)
  await expect.poll(() => messages).toHaveLength(3)
  expect(messages[2]?.value).toEqual([
    { key: 'made', epoch: 1, version: 50, document: null },
    { key: 'made', epoch: 1, version: 2, document: { id: 'made', version: 2 } },
    { key: 'gone', epoch: 1, version: 50, document: null },
    // The higher one: what both have removed must go.
    { key: 'unmade', epoch: 1, version: 50, document: null },
  ])
})
