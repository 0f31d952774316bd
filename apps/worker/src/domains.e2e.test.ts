/** One worker process writes both domains: commands between them, wakes, and what it says of itself. */
import { randomUUID } from 'node:crypto'
import { type CommandTopic, mintId, partitionOfKey, topics } from '@ironsys/contracts'
import { type CommandProducer, createCommandProducer, silentLogger } from '@ironsys/kafka'
import { createPool, type Pool } from '@ironsys/postgres'
import { startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const DEADLINE = { timeout: 20_000, interval: 50 }

let system: TestSystem
let worker: TestApp
let producer: CommandProducer
let pool: Pool

beforeAll(async () => {
  system = await startSystem()
  worker = await system.startWorker()
  producer = createCommandProducer({ brokers: system.kafkaBrokers, clientId: 'test', logger: silentLogger })
  pool = createPool(system.databaseUrl, { applicationName: 'test', maxConnections: 1 })
})

afterAll(async () => {
  await producer?.close()
  await pool?.end()
  await system?.close()
})

function send(topic: CommandTopic, key: string, command: object): Promise<unknown> {
  const partition = partitionOfKey(key, system.partitions)
  return producer.append({ topic, partition }, key, JSON.stringify({ v: 2, ...command }))
}

async function createSlot(capacity: number): Promise<string> {
  const id = randomUUID()
  await send(topics.reservationCommands, id, {
    type: 'create_slot',
    id,
    name: 'A slot',
    start_time: '2030-01-01T09:00:00Z',
    end_time: '2030-01-01T10:00:00Z',
    capacity,
    overbooking_bps: 0,
    sales_open_at: null,
    sales_close_at: null,
    body_hash: '0'.repeat(32),
  })
  return id
}

/** Answers the booking's id. */
async function book(slotIds: readonly string[]): Promise<string> {
  const id = randomUUID()
  const items = slotIds.map((slotId) => {
    return { slot_id: slotId, reservation_id: mintId(slotId, Date.now()), quantity: 1 }
  })
  await send(topics.bookingCommands, id, { type: 'book', id, user_id: 'ann', mode: 'confirm', items })
  return id
}

async function statusesOf(bookingId: string): Promise<readonly string[]> {
  const { rows } = await pool.query<{ status: string }>(
    `SELECT status FROM bookings WHERE id = $1
      UNION ALL (SELECT status FROM reservations WHERE booking_id = $1 ORDER BY status)`,
    [bookingId],
  )
  return rows.map(({ status }) => status)
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${worker.operationsUrl}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1) ?? 0,
  )
}

test('it writes every partition of both topics and says so by topic', async () => {
  const all = Object.fromEntries(Array.from({ length: system.partitions }, (_, i) => [i, 'running']))
  expect(await (await fetch(`${worker.operationsUrl}/health/ready`)).json()).toEqual({
    status: 'ready',
    partitions: { [topics.reservationCommands]: all, [topics.bookingCommands]: all },
  })
})

test('a booking asks its slots and hears from them: all or none', async () => {
  const [one, another] = [await createSlot(1), await createSlot(5)]
  const first = await book([one, another])
  await vi.waitFor(
    async () => expect(await statusesOf(first)).toEqual(['confirmed', 'confirmed', 'confirmed']),
    DEADLINE,
  )
  const second = await book([another, one])
  await vi.waitFor(
    async () => expect(await statusesOf(second)).toEqual(['rejected', 'cancelled', 'rejected']),
    DEADLINE,
  )
})

test('a hold of a quiet slot expires by a wake, and both are counted', async () => {
  const slotId = await createSlot(1)
  const id = mintId(slotId, Date.now())
  const hold = { type: 'reserve', id, slot_id: slotId, user_id: 'bob', quantity: 1, mode: 'hold' }
  await send(topics.reservationCommands, slotId, { ...hold, hold_ttl_seconds: 1 })
  await vi.waitFor(async () => {
    const { rows } = await pool.query('SELECT status FROM reservations WHERE id = $1', [id])
    expect(rows).toEqual([{ status: 'expired' }])
  }, DEADLINE)
  const partition = partitionOfKey(slotId, system.partitions)
  expect(await metric(`ironsys_holds_expired_total{partition="${partition}"}`)).toBe(1)
  expect(await metric(`ironsys_wakes_total{topic="${topics.reservationCommands}"}`)).toBeGreaterThan(0)
})
