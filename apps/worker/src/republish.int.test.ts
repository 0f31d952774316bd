/** A worker commits and dies before it has told anybody. Its successor's start is enough, on real Postgres and Redis. */
import { randomUUID } from 'node:crypto'
import {
  type Announcement,
  connectRedis,
  createRedisSink,
  readAnnouncements,
  readSnapshot,
  redisReady,
} from '@ironsys/cache'
import { type CommandOutcome, redisNames, topics } from '@ironsys/contracts'
import { type SnapshotSink, startPartitionWriter } from '@ironsys/engine'
import { createPartitionStore, createPool, type Pool } from '@ironsys/postgres'
import {
  reservationBinding,
  reservationDecider,
  reservationTables,
  type Slot,
  slotDocument,
} from '@ironsys/reservations'
import { createTestDatabase, type TestDatabase, testServices } from '@ironsys/testing'
import { createMemoryLog } from '@ironsys/testing/twins'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const DEADLINE = { timeout: 20_000 }
const id = { topic: topics.reservationCommands, partition: 0 }
const logger = { info() {}, warn() {} }
const slotId = randomUUID()

let database: TestDatabase
let pool: Pool
let redis: Redis

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 4, keyLookupsOnly: true })
  redis = connectRedis(testServices().redisUrl, { name: 'test', logger, commandTimeoutMs: 10_000 })
  expect(await redisReady(redis, 20_000)).toBe(true)
})

afterAll(async () => {
  await redis?.del(redisNames.slot(slotId))
  redis?.disconnect()
  await pool?.end()
  await database?.drop()
})

function startWriter(log: ReturnType<typeof createMemoryLog>, sink: SnapshotSink<Slot, CommandOutcome>) {
  const faults: unknown[] = []
  const writer = startPartitionWriter(id, log.reader(), {
    decider: reservationDecider,
    binding: reservationBinding(1),
    store: createPartitionStore(pool, reservationTables, { clusterId: 'test', partitionCount: 1 }),
    sink,
    // Its events stay in the outbox.
    publisher: { open: () => {}, committed: () => {}, release: async () => {} },
    appender: { append: () => Promise.reject(new Error('a wake')) },
    scheduler: { nowMs: () => Date.now(), delay: untilAborted },
    observer: { mode: () => {}, fault: (_id, error) => void faults.push(error), committed: () => {} },
  })
  return { writer, faults }
}

test('what was committed and not published is seen without any new command', async () => {
  const log = createMemoryLog()
  const slot = {
    v: 1,
    id: slotId,
    type: 'create_slot',
    name: 'Morning',
    start_time: '2030-07-01T09:00:00.000Z',
    end_time: '2030-07-01T10:00:00.000Z',
    capacity: 10,
    overbooking_bps: 0,
    sales_open_at: null,
    sales_close_at: null,
    metadata: {},
    body_hash: 'a'.repeat(32),
  }
  log.append(JSON.stringify(slot), Date.now(), slotId)
  const committed = vi.fn()
  const first = startWriter(log, { committed })
  await vi.waitFor(() => expect(committed).toHaveBeenCalled(), DEADLINE)
  await first.writer.close()

  const announced: Announcement<unknown>[] = []
  const subscription = connectRedis(testServices().redisUrl, { name: 'test', logger })
  expect(await redisReady(subscription, 20_000)).toBe(true)
  await subscription.subscribe(redisNames.snapshots)
  subscription.on('message', (_channel: string, text: string) => {
    announced.push(...(readAnnouncements<unknown>(text, (document) => document) ?? []))
  })
  expect(await readSnapshot(redis, redisNames.slot(slotId))).toBeNull()

  const sink = createRedisSink<Slot, CommandOutcome>({
    redis,
    snapshots: { redisKey: redisNames.slot, toDocument: slotDocument },
    nowMs: () => Date.now(),
    observe: { dropped: () => {}, replied: () => {} },
  })
  const second = startWriter(log, sink)
  await vi.waitFor(async () => {
    expect(await readSnapshot(redis, redisNames.slot(slotId))).toMatchObject({ epoch: 1, version: 1 })
  }, DEADLINE)
  await vi.waitFor(() => {
    expect(announced).toContainEqual(expect.objectContaining({ key: slotId, version: 1 }))
  }, DEADLINE)
  await second.writer.close()
  await sink.close(5000)
  subscription.disconnect()
  expect([...first.faults, ...second.faults]).toEqual([])
})

function untilAborted(_ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
