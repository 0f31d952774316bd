import { type PublishedProgress, type Reply, redisNames } from '@ironsys/contracts'
import type { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Announcement, createLiveSubscriber, type LiveSubscriber } from './index.ts'
import { type OwnRedis, startOwnRedis } from './own-redis.fixture.ts'

let server: OwnRedis
let publisher: Redis
let subscriber: LiveSubscriber
const heard: {
  snapshots: Announcement<string>[]
  replies: Reply[]
  progress: PublishedProgress[]
  unreadable: string[]
  modes: string[]
} = { snapshots: [], replies: [], progress: [], unreadable: [], modes: [] }

beforeEach(async () => {
  server = await startOwnRedis()
  publisher = server.connect()
  for (const list of Object.values(heard)) list.length = 0
  subscriber = createLiveSubscriber<string>({
    redis: server.connect(),
    instanceId: 'me',
    parseDocument: (value) => (typeof value === 'string' ? value : null),
    onSnapshots: (announcements) => void heard.snapshots.push(...announcements),
    onReplies: (replies) => void heard.replies.push(...replies),
    onProgress: (progress) => void heard.progress.push(progress),
    onLost: () => void heard.modes.push('lost'),
    onRestored: () => void heard.modes.push('live'),
    onUnreadable: (channel) => void heard.unreadable.push(channel),
    pingMs: 50,
  })
  expect(await subscriber.ready(10_000)).toBe(true)
})
afterEach(async () => {
  subscriber.close()
  await server.close()
})

test('hears its three channels and nobody else’s replies', async () => {
  const progress = { topic: 't', partition: 1, nextOffset: 5, perSecond: 2 }
  const snapshot = { key: 'a', epoch: 1, version: 2, document: 'd' }
  await publisher.publish(redisNames.replies('other'), '[{"to":"x","outcome":1}]')
  await publisher.publish(redisNames.snapshots, 'garbage')
  await publisher.publish(redisNames.snapshots, JSON.stringify([snapshot, { ...snapshot, document: 7 }]))
  await publisher.publish(redisNames.progressChannel, JSON.stringify(progress))
  await publisher.publish(redisNames.replies('me'), '[{"to":"y","outcome":{"code":"ok"}}]')
  await expect.poll(() => heard.replies).toEqual([{ to: 'y', outcome: { code: 'ok' } }])
  expect(heard).toMatchObject({
    snapshots: [snapshot],
    progress: [progress],
    unreadable: [redisNames.snapshots],
  })
})

test('Redis restarted: lost is told, then it hears again', async () => {
  await server.kill()
  await expect.poll(() => heard.modes).toEqual(['live', 'lost'])
  expect(subscriber.isLive()).toBe(false)
  await server.start()
  expect(await subscriber.ready(15_000)).toBe(true)
  expect(heard.modes).toEqual(['live', 'lost', 'live'])
  await expect.poll(() => publisher.status, { timeout: 15_000 }).toBe('ready')
  await publisher.publish(redisNames.replies('me'), '[{"to":"y","outcome":1}]')
  await expect.poll(() => heard.replies).toHaveLength(1)
  expect(server.logged).toContain('Redis connection is back')
})

test('a frozen Redis is noticed, and heard again when it thaws', async () => {
  server.freeze()
  await expect.poll(() => heard.modes, { timeout: 10_000 }).toEqual(['live', 'lost'])
  server.thaw()
  expect(await subscriber.ready(15_000)).toBe(true)
})

test('a connection cut by the server is replaced', async () => {
  await publisher.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await expect.poll(() => heard.modes, { timeout: 10_000 }).toEqual(['live', 'lost', 'live'])
})
