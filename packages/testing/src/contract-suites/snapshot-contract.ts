/** What readers and writers of snapshots rely on of Redis: run against the twin and against the real one. */
import { decodeSnapshot, readSnapshot, type SnapshotRedis, storeSnapshot } from '@ironsys/cache'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

/** One Redis, empty before each test. */
export interface RedisUnderTest {
  connect(): Promise<SnapshotRedis>
  /** Resolves when what is published from now on to one of these channels is heard. */
  subscribe(channels: readonly string[], listener: (channel: string, message: string) => void): Promise<void>
  /** How long the key has to live, milliseconds; infinite when it stays, null when it is not there. */
  ttlMs(key: string): Promise<number | null>
  flush(): Promise<void>
  close(): Promise<void>
}

const LONG_MS = 60_000

/** Registers the tests. `open` is called once, before the first of them. */
export function snapshotContract(open: () => Promise<RedisUnderTest>): void {
  let server: RedisUnderTest | null = null
  let redis: SnapshotRedis | null = null
  beforeAll(async () => {
    server = await open()
    redis = await server.connect()
  })
  beforeEach(() => server?.flush())
  afterAll(() => server?.close())
  const current = (): Current => {
    if (server === null || redis === null) throw new Error('Redis is not open')
    return { server, redis }
  }

  describe('the guard', () => guardContract(current))
  describe('a removal', () => removalContract(current))
  describe('a lock', () => lockContract(current))
  describe('a key', () => keyContract(current))
  describe('a channel', () => channelContract(current))
}

interface Current {
  readonly server: RedisUnderTest
  readonly redis: SnapshotRedis
}

/** Numbers that order differently as text than as numbers. */
const low = 9
const mid = 10
const high = 11
const all = [low, mid, high]
const pairs = all.flatMap((epoch) => all.map((version) => [epoch, version] as const))

function guardContract(current: () => Current): void {
  test.each(pairs)(
    'over epoch 10, version 10 lets epoch %i, version %i by its place only',
    async (epoch, version) => {
      const { redis } = current()
      expect(await redis.putSnapshot('k', mid, mid, `${mid}:${mid}:0:"old"`, LONG_MS)).toBe(1)
      const stands = epoch < mid || (epoch === mid && version < mid)
      const text = `${epoch}:${version}:0:"new"`
      expect(await redis.putSnapshot('k', epoch, version, text, LONG_MS)).toBe(stands ? 0 : 1)
      expect(await redis.get('k')).toBe(stands ? `${mid}:${mid}:0:"old"` : text)
    },
  )

  test('lets the largest numbers that are read back order as numbers', async () => {
    const { redis } = current()
    const version = 999_999_999_999_999
    await redis.putSnapshot('k', 1, version, `1:${version}:${version}:{}`, LONG_MS)
    expect(await redis.putSnapshot('k', 1, version - 1, 'older', LONG_MS)).toBe(0)
    expect(decodeSnapshot((await redis.get('k')) ?? '')).toMatchObject({ version, ttlMs: version })
  })

  test('lets an equal place renew the time to live, and an older one change nothing', async () => {
    const { redis, server } = current()
    await redis.putSnapshot('k', 1, 5, '1:5:0:{}', LONG_MS)
    expect(await redis.putSnapshot('k', 1, 4, '1:4:9:{}', 100 * LONG_MS)).toBe(0)
    expect(await server.ttlMs('k')).toBeLessThanOrEqual(LONG_MS)
    expect(await redis.putSnapshot('k', 1, 5, '1:5:9:{}', 100 * LONG_MS)).toBe(1)
    expect(await server.ttlMs('k')).toBeGreaterThan(LONG_MS)
    expect(await redis.get('k')).toBe('1:5:9:{}')
  })

  test.each(['garbage', '', '1:', '1:x:0:{}', ' 1:99:0:{}', '-1:99:0:{}', ':1:99:0:{}'])(
    'takes a key with %j in it for missing',
    async (text) => {
      const { redis } = current()
      await redis.set('k', text)
      expect(decodeSnapshot(text)).toBeNull()
      expect(await redis.putSnapshot('k', 1, 1, '1:1:0:{}', LONG_MS)).toBe(1)
      expect(await redis.get('k')).toBe('1:1:0:{}')
    },
  )

  test('is one per key', async () => {
    const { redis } = current()
    await redis.putSnapshot('a', 5, 5, '5:5:0:{}', LONG_MS)
    expect(await redis.putSnapshot('b', 1, 1, '1:1:0:{}', LONG_MS)).toBe(1)
    expect(await redis.get('a')).toBe('5:5:0:{}')
  })
}

function removalContract(current: () => Current): void {
  test.each(pairs)('up to epoch %i, version %i spares what stands behind it only', async (epoch, version) => {
    const { redis } = current()
    const text = `${mid}:${mid}:0:{}`
    await redis.putSnapshot('k', mid, mid, text, LONG_MS)
    const stands = epoch < mid || (epoch === mid && version < mid)
    expect(await redis.removeSnapshot('k', epoch, version)).toBe(stands ? 0 : 1)
    expect(await redis.get('k')).toBe(stands ? text : null)
  })

  test('takes what is no snapshot with it, and finds nothing where nothing is', async () => {
    const { redis } = current()
    expect(await redis.removeSnapshot('k', 1, 1)).toBe(0)
    await redis.set('k', 'garbage')
    expect(await redis.removeSnapshot('k', 1, 1)).toBe(1)
    expect(await redis.get('k')).toBeNull()
  })

  test('makes room for the first version of a new life', async () => {
    const { redis } = current()
    await redis.putSnapshot('k', 1, 57, '1:57:0:{}', LONG_MS)
    const sent = [redis.removeSnapshot('k', 1, 57), redis.putSnapshot('k', 1, 1, '1:1:0:{}', LONG_MS)]
    expect(await Promise.all(sent)).toEqual([1, 1])
    expect(await redis.get('k')).toBe('1:1:0:{}')
  })
}

function lockContract(current: () => Current): void {
  test('is held by one, until that one gives it back', async () => {
    const { redis, server } = current()
    const other = await server.connect()
    expect(await redis.lock('k', 'mine', LONG_MS)).toBe(1)
    expect(await other.lock('k', 'theirs', LONG_MS)).toBe(0)
    expect(await redis.lock('k', 'mine', LONG_MS)).toBe(0)
    expect(await other.unlock('k', 'theirs')).toBe(0)
    expect(await redis.unlock('k', 'mine')).toBe(1)
    expect(await redis.unlock('k', 'mine')).toBe(0)
    expect(await other.lock('k', 'theirs', LONG_MS)).toBe(1)
  })

  test('ends by itself, and then is not given back by who had it', async () => {
    const { redis, server } = current()
    const other = await server.connect()
    await redis.lock('k', 'mine', 30)
    await vi.waitFor(async () => expect(await other.lock('k', 'theirs', LONG_MS)).toBe(1))
    expect(await redis.unlock('k', 'mine')).toBe(0)
    expect(await redis.lock('k', 'mine', LONG_MS)).toBe(0)
  })
}

function keyContract(current: () => Current): void {
  test('that is not there is null', async () => {
    const { redis, server } = current()
    expect(await redis.get('k')).toBeNull()
    expect(await server.ttlMs('k')).toBeNull()
  })

  test('gives back what another connection put there, without end unless it was a snapshot', async () => {
    const { redis, server } = current()
    await redis.putSnapshot('k', 1, 1, '1:1:0:{}', LONG_MS)
    expect(await server.ttlMs('k')).toBeLessThanOrEqual(LONG_MS)
    await redis.set('k', '{"☃":"\0"}')
    expect(await (await server.connect()).get('k')).toBe('{"☃":"\0"}')
    expect(await server.ttlMs('k')).toBe(Number.POSITIVE_INFINITY)
    await redis.set('k', '')
    expect(await redis.get('k')).toBe('')
  })

  test('tells with a snapshot what is left of its time, and of what never expires that it does not', async () => {
    const { redis } = current()
    expect(await redis.getSnapshot('k')).toBeNull()
    await redis.putSnapshot('k', 1, 1, '1:1:9:{"☃":0}', LONG_MS)
    const [text, atFirstMs] = (await redis.getSnapshot('k')) ?? []
    expect(text).toBe('1:1:9:{"☃":0}')
    expect(atFirstMs).toBeGreaterThan(0)
    expect(atFirstMs).toBeLessThanOrEqual(LONG_MS)
    const laterMs = async () => (await redis.getSnapshot('k'))?.[1]
    await vi.waitFor(async () => expect(await laterMs()).toBeLessThan(atFirstMs ?? 0))
    await redis.set('k', '')
    expect(await redis.getSnapshot('k')).toEqual(['', -1])
  })

  test('ages from what it was when it was stored, and by no clock but this one', async () => {
    const { redis } = current()
    const snapshot = { epoch: 1, version: 1, document: { left: 3 } }
    expect(await readSnapshot(redis, 'k')).toBeNull()
    await storeSnapshot(redis, 'k', snapshot, { ttlMs: 10 * LONG_MS, ageMs: LONG_MS })
    const { ageMs = 0, ...read } = (await readSnapshot(redis, 'k')) ?? {}
    expect(read).toEqual(snapshot)
    expect(ageMs).toBeGreaterThanOrEqual(LONG_MS)
    expect(ageMs).toBeLessThan(2 * LONG_MS)
    await storeSnapshot(redis, 'k', snapshot, { ttlMs: LONG_MS, ageMs: LONG_MS })
    await vi.waitFor(async () => expect(await readSnapshot(redis, 'k')).toBeNull())
  })

  test('expires, and then an older snapshot may come', async () => {
    const { redis, server } = current()
    await redis.putSnapshot('k', 2, 9, '2:9:0:{}', 30)
    await vi.waitFor(async () => expect(await redis.get('k')).toBeNull())
    expect(await server.ttlMs('k')).toBeNull()
    expect(await redis.putSnapshot('k', 1, 1, '1:1:0:{}', LONG_MS)).toBe(1)
  })

  test('is gone after a flush, and the guard knows nothing any more', async () => {
    const { redis, server } = current()
    await redis.putSnapshot('k', 2, 9, '2:9:0:{}', LONG_MS)
    await redis.set('p', 'progress')
    await server.flush()
    expect([await redis.get('k'), await redis.get('p')]).toEqual([null, null])
    expect(await redis.putSnapshot('k', 1, 1, '1:1:0:{}', LONG_MS)).toBe(1)
  })
}

function channelContract(current: () => Current): void {
  test('carries every message of a connection in order to everyone who listens to it', async () => {
    const { redis, server } = current()
    const [first, second]: [string[], string[]] = [[], []]
    expect(await redis.publish('a', 'nobody hears it')).toBe(0)
    await server.subscribe(['a', 'b'], (channel, message) => first.push(`${channel} ${message}`))
    await server.subscribe(['a'], (channel, message) => second.push(`${channel} ${message}`))
    await server.flush()
    const sent = [redis.publish('a', '1'), redis.publish('b', '2 ☃'), redis.publish('c', '3')]
    expect(await Promise.all([...sent, redis.publish('a', '4')])).toEqual([2, 1, 0, 2])
    await vi.waitFor(() => expect(first).toEqual(['a 1', 'b 2 ☃', 'a 4']))
    await vi.waitFor(() => expect(second).toEqual(['a 1', 'a 4']))
  })
}
