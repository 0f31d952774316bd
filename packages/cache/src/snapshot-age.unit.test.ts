/** How long a snapshot in Redis is believed, when the clocks of those who share it disagree; and which age is told. */
import { createMemoryRedis } from '@ironsys/testing/twins'
import { expect, test, vi } from 'vitest'
import { type SnapshotRead, type SnapshotRedis, snapshotCacheDefaults } from './index.ts'
import { createCacheOn, redisKey, Store } from './snapshot-cache.fixture.ts'

const MINUTES_MS = 10 * 60_000
const TTL_MS = 600_000
/** With its jitter. */
const BELIEVED_MS = snapshotCacheDefaults.sharedFreshMs * 1.2

/** One Redis and one store. Each process has a clock of its own; all of them run at the same speed. */
function createDeployment() {
  let nowMs = Date.UTC(2030, 0, 1)
  const memory = createMemoryRedis({ nowMs: () => nowMs })
  const redis = memory.connect()
  const store = new Store()
  return {
    redis,
    store,
    /** By Redis's clock. */
    nowMs: () => nowMs,
    startProcess: (aheadMs = 0) => createCacheOn(redis, store, () => nowMs + aheadMs),
    pass: (ms: number) => {
      nowMs += ms
    },
    isStored: () => vi.waitFor(() => expect(memory.peek(redisKey('a'))).not.toBeNull()),
  }
}

test.each([
  ['agrees', 0],
  ['is ten minutes ahead', MINUTES_MS],
  ['is ten minutes behind', -MINUTES_MS],
])(
  'a reader whose clock %s believes what another process wrote, and only for a while',
  async (_, aheadMs) => {
    const { store, startProcess, pass, isStored } = createDeployment()
    const [writer, reader] = [startProcess(), startProcess(aheadMs)]
    store.put('a', 1)
    await writer.get('a')
    await isStored()

    // A write that neither Redis nor an announcement tells of.
    store.put('a', 2)
    pass(1000)
    expect(await reader.get('a')).toMatchObject({ version: 1, ageMs: 0, stale: false })
    pass(400)
    expect(reader.getNow('a')).toMatchObject({ version: 1, ageMs: 400 })
    expect(store.loads).toBe(1)

    pass(BELIEVED_MS - 1400)
    expect(await startProcess(aheadMs).get('a')).toMatchObject({ version: 2, ageMs: 0 })
  },
)

test('a snapshot has the age that it had when a slow load brought it', async () => {
  const { store, startProcess, pass, isStored } = createDeployment()
  const writer = startProcess()
  store.put('a', 1)
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const read = writer.get('a')
  await vi.waitFor(() => expect(store.loads).toBe(1))
  pass(3000)
  gate.resolve()
  expect(await read).toMatchObject({ ageMs: 3000 })
  await isStored()
  // What Redis has was true when the store was asked.
  pass(60_000)
  store.down = true
  expect(await startProcess().get('a')).toMatchObject({ ageMs: 63_000, stale: true })
})

test('what was announced since is not made older by what Redis still has of it', async () => {
  const { store, startProcess, pass, isStored } = createDeployment()
  const cache = startProcess()
  store.put('a', 1)
  await cache.get('a')
  await isStored()
  pass(3000)
  cache.apply([{ key: 'a', epoch: 1, version: 1, document: { left: 99 } }])
  pass(600)
  expect(cache.getNow('a')).toMatchObject({ stale: true, ageMs: 600 })
  // The look behind it has found it in Redis, as old as it is there.
  await vi.waitFor(() => expect(cache.peek('a')).toMatchObject({ stale: false, ageMs: 0 }))
  expect(store.loads).toBe(1)
  pass(600)
  expect(cache.peek('a')).toMatchObject({ stale: true, ageMs: 1200 })
})

const ageOf = (read: SnapshotRead<unknown> | undefined): number =>
  read !== undefined && 'ageMs' in read ? read.ageMs : expect.fail('it is not there')

/** Of the public Cache-Control of a slot, seconds. */
const S_MAXAGE = 1

test('a shared cache in front keeps what nobody changes: found current counts, not changed', async () => {
  const { store, startProcess, pass } = createDeployment()
  store.put('a', 1)
  const cache = startProcess()
  cache.setLive(true)
  await cache.get('a')
  let asked = 0
  let keptForMs = 0
  const requests = 300
  for (let request = 0; request < requests; request++) {
    pass(100)
    keptForMs -= 100
    if (keptForMs > 0) continue
    asked++
    const read = cache.getNow('a') ?? (await cache.get('a'))
    // RFC 9111, 4.2: fresh while its lifetime is above its age.
    keptForMs = (S_MAXAGE - Math.floor(ageOf(read) / 1000)) * 1000
    // What runs behind it is done before the next one comes.
    await vi.waitFor(() => expect(ageOf(cache.peek('a'))).toBeLessThan(1000), { interval: 1 })
  }
  // Two a second at most: one that says how long nobody has looked, and the next one, for which somebody has.
  expect(asked).toBeLessThanOrEqual(2 * (requests / 10))
  expect(asked).toBeGreaterThan(requests / 20)
})

interface Found {
  readonly what: string
  readonly put: (redis: SnapshotRedis, nowMs: number) => Promise<unknown>
}

const text = (third: number) => `1:9:${third}:{"left":9}`

test.each<Found>([
  { what: 'never expires', put: (redis) => redis.set(redisKey('a'), text(100)) },
  {
    what: 'has more time left than it was given',
    put: (redis) => redis.putSnapshot(redisKey('a'), 1, 9, text(TTL_MS), TTL_MS + 1),
  },
  {
    what: 'says the time of day, as before a rolling deploy',
    put: (redis, nowMs) => redis.putSnapshot(redisKey('a'), 1, 9, text(nowMs), TTL_MS),
  },
])('what $what is not believed', async ({ put }) => {
  const { redis, store, startProcess, nowMs } = createDeployment()
  store.put('a', 10)
  await put(redis, nowMs())
  const read: SnapshotRead<unknown> = await startProcess().get('a')
  expect(read).toMatchObject({ version: 10, fromCache: false })
})
