/** What two API instances show of a slot that changes, goes and comes again under its id. */
import { randomUUID } from 'node:crypto'
import { connectRedis, redisReady } from '@ironsys/cache'
import { COMMAND_SCHEMA_VERSION, mintId, partitionOfKey, redisNames, topics } from '@ironsys/contracts'
import { createCommandProducer, silentLogger } from '@ironsys/kafka'
import { type Answer, type Client, createClient, startSystem, type TestSystem } from '@ironsys/testing'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const DEADLINE = { timeout: 30_000, interval: 20 }
const DAY_MS = 24 * 3600 * 1000

/** What is not announced is not seen within this test's time. */
const slowToHeal = { CACHE_FRESH_MS: '60000', CACHE_SHARED_FRESH_MS: '300000' }

let system: TestSystem
let instances: readonly Client[]
let redis: Redis

beforeAll(async () => {
  system = await startSystem()
  const [one, two] = await Promise.all([
    system.startApi(slowToHeal),
    system.startApi(slowToHeal),
    system.startWorker(),
  ])
  instances = [createClient(one.url), createClient(two.url)]
  redis = connectRedis(system.redisUrl, { name: 'test', logger: silentLogger, commandTimeoutMs: 10_000 })
  expect(await redisReady(redis, 20_000)).toBe(true)
})

afterAll(async () => {
  redis?.disconnect()
  await system?.close()
})

const read = (slotId: string): Promise<readonly Answer[]> =>
  Promise.all(instances.map((client) => client.call('GET', `/slots/${slotId}`)))

async function bothShow(slotId: string, expected: object): Promise<void> {
  await vi.waitFor(async () => {
    for (const { status, body } of await read(slotId)) expect({ ...body, status }).toMatchObject(expected)
  }, DEADLINE)
}

async function retire(slotId: string): Promise<void> {
  const producer = createCommandProducer({
    brokers: system.kafkaBrokers,
    clientId: 'test',
    logger: silentLogger,
  })
  const command = {
    v: COMMAND_SCHEMA_VERSION,
    id: mintId(slotId, Date.now()),
    type: 'retire_slot',
    slot_id: slotId,
    keep_days: 8,
  }
  try {
    const partition = partitionOfKey(slotId, system.partitions)
    await producer.append({ topic: topics.reservationCommands, partition }, slotId, JSON.stringify(command))
  } finally {
    await producer.close()
  }
}

test('a change, a removal, and a slot made again under its id with version 1', async () => {
  const id = randomUUID()
  const endMs = Date.now() - 30 * DAY_MS
  const times = {
    start_time: new Date(endMs - 3_600_000).toISOString(),
    end_time: new Date(endMs).toISOString(),
  }
  const [client] = instances
  const make = (capacity: number) => client?.createSlot(capacity, { id, ...times })
  await make(5)
  await bothShow(id, { status: 200, version: 1, available: 5 })
  await client?.call('PATCH', `/slots/${id}`, { capacity: 7 }, { prefer: 'wait=20' })
  await bothShow(id, { status: 200, version: 2, available: 7 })

  await retire(id)
  await bothShow(id, { status: 404, code: 'slot-not-found' })
  await vi.waitFor(async () => expect(await redis.exists(redisNames.slot(id))).toBe(0), DEADLINE)

  await make(9)
  await bothShow(id, { status: 200, version: 1, available: 9 })
  expect(await redis.get(redisNames.slot(id))).toMatch(/^1:1:/)
})
