/** The script and the limiters on real Redis: frozen, killed, flushed, and a cluster. */
import { type OwnRedis, startOwnCluster, startOwnRedis } from '@ironsys/cache/own-redis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { connectLimiter, type RedisLimiter } from './redis.fixture.ts'

const WAIT = { timeout: 20_000, interval: 20 }
/** So slow that nothing comes back during a test. */
const still = { ratePerSecond: 0.001, burst: 100 }

let server: OwnRedis
const open: RedisLimiter[] = []

beforeAll(async () => {
  server = await startOwnRedis()
})
beforeEach(async () => {
  await (await server.connected(2000)).flushall()
})
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})
afterAll(() => server?.close())

async function limiters(count: number, bucket = still, timeoutMs = 2000): Promise<readonly RedisLimiter[]> {
  for (let n = 0; n < count; n++) open.push(await connectLimiter([server.url], bucket, { timeoutMs }))
  return open
}

async function passedOf(limiter: RedisLimiter, id: string, requests: number): Promise<number> {
  const answers = await Promise.all(Array.from({ length: requests }, () => limiter.take(id)))
  return answers.filter(Boolean).length
}

test('instances share one limit; who is refused asks no more', async () => {
  const [first, second, third] = await limiters(3)
  if (!first || !second || !third) throw new Error('unreachable')
  expect(await passedOf(first, 'ann', 60)).toBe(60)
  const both = await Promise.all([passedOf(second, 'ann', 60), passedOf(third, 'ann', 60)])
  expect(both.reduce((sum, passed) => sum + passed)).toBe(40)
  expect(await passedOf(second, 'bob', 60)).toBe(60)
  const fetches = first.fetches.length
  expect(await passedOf(first, 'ann', 1)).toBe(0)
  expect(await passedOf(first, 'ann', 500)).toBe(0)
  expect(first.fetches.length).toBeLessThanOrEqual(fetches + 1)
})

test('what comes back is let through, no more; a bucket that is full again has no key', async () => {
  const bucket = { ratePerSecond: 200, burst: 20 }
  const [first, second] = await limiters(2, bucket)
  if (!first || !second) throw new Error('unreachable')
  const startMs = performance.now()
  let passed = 0
  while (performance.now() - startMs < 1000) {
    for (const each of [first, second]) passed += await passedOf(each, 'ann', 5)
    // Redis is asked again when there can be more.
    await new Promise((resolve) => setImmediate(resolve))
  }
  const elapsedMs = performance.now() - startMs
  expect(passed).toBeLessThanOrEqual(20 + 0.2 * elapsedMs + 2 * 2 + 1)
  expect(passed).toBeGreaterThan(60)
  const redis = await server.connected(2000)
  expect(await redis.pttl('ironsys:{limit:ip:ann}')).toBeLessThanOrEqual(100)
  await vi.waitFor(async () => expect(await redis.dbsize()).toBe(0), WAIT)
})

test('a cost above the burst is owed, as far as a request can cost', async () => {
  const [limiter] = await limiters(1)
  expect(await limiter?.take('ann', 1000)).toBe(true)
  expect(await limiter?.take('ann')).toBe(false)
  expect(limiter?.limiter.standings([{ limit: 'ip', id: 'ann' }], 1)[0]).toMatchObject({ remaining: 0 })
  const redis = await server.connected(2000)
  // Of a limit that was far higher: it is paid back as if it were this one.
  await redis.set('ironsys:{limit:ip:bob}', '9000000000000000')
  const probe = await connectLimiter([server.url], { ratePerSecond: 100_000, burst: 100_000 })
  open.push(probe)
  await vi.waitFor(async () => expect(await probe.take('bob')).toBe(true), WAIT)
})

test('Redis frozen: a share of the limit after one time-out, without waiting; then shared again', async () => {
  const [limiter] = await limiters(1, still, 100)
  if (!limiter) throw new Error('unreachable')
  expect(await limiter.take('ann')).toBe(true)
  server.freeze()
  try {
    expect(await passedOf(limiter, 'bob', 50)).toBe(25)
    expect(limiter.changes).toEqual([true])
    for (let n = 0; n < 30; n++) {
      const answer = limiter.limiter.tryTake([{ limit: 'ip', id: `new ${n}` }], 1)
      expect(answer).toBe('yes')
    }
  } finally {
    server.thaw()
  }
  await vi.waitFor(() => expect(limiter.limiter.isLocal()).toBe(false), WAIT)
  expect(limiter.changes.at(-1)).toBe(false)
  expect(await limiter.take('bob')).toBe(true)
})

test('Redis killed and started anew: the same, and the new one has forgotten everybody', async () => {
  const [limiter] = await limiters(1)
  if (!limiter) throw new Error('unreachable')
  expect(await passedOf(limiter, 'ann', 200)).toBe(100)
  await server.kill()
  expect(await passedOf(limiter, 'bob', 50)).toBe(25)
  expect(await passedOf(limiter, 'ann', 50)).toBe(0)
  await server.start()
  await vi.waitFor(() => expect(limiter.limiter.isLocal()).toBe(false), WAIT)
  expect(await passedOf(limiter, 'ann', 200)).toBe(100)
})

test('Redis flushed: a full bucket again at the most, and only for who may ask', async () => {
  const [first, second] = await limiters(2)
  if (!first || !second) throw new Error('unreachable')
  expect(await passedOf(first, 'ann', 200)).toBe(100)
  await (await server.connected(2000)).flushall()
  // It goes by what it was told.
  expect(await passedOf(first, 'ann', 10)).toBe(0)
  expect(await passedOf(second, 'ann', 200)).toBe(100)
})

test('a flood of addresses: bounded here, and gone from Redis by itself', async () => {
  const limiter = await connectLimiter(
    [server.url],
    { ratePerSecond: 20, burst: 20 },
    { entriesMax: 1000, timeoutMs: 10_000 },
  )
  open.push(limiter)
  expect(await passedOf(limiter, 'ann', 30)).toBe(20)
  for (let n = 0; n < 20; n++) {
    const ids = Array.from({ length: 500 }, (_, m) => `stranger ${n * 500 + m}`)
    const answers = await Promise.all(ids.map((id) => limiter.take(id)))
    expect(answers.every(Boolean)).toBe(true)
    expect(limiter.limiter.size()).toBeLessThanOrEqual(1000)
  }
  expect(limiter.changes).toEqual([])
  const redis = await server.connected(2000)
  await vi.waitFor(async () => expect(await redis.dbsize()).toBe(0), WAIT)
})

test('a cluster: each bucket at its node, and shared', async () => {
  const cluster = await startOwnCluster()
  const pair = await Promise.all([1, 2].map(() => connectLimiter(cluster.urls, still, { cluster: true })))
  try {
    for (let n = 0; n < 20; n++) {
      const passed = await Promise.all(pair.map((each) => passedOf(each, `user ${n}`, 60)))
      expect(passed.reduce((sum, each) => sum + each)).toBe(100)
    }
    const redis = await Promise.all(cluster.nodes.map((node) => node.connected(2000)))
    for (const node of redis) expect(await node.dbsize()).toBeGreaterThan(0)
  } finally {
    for (const each of pair) each.close()
    await cluster.close()
  }
})
