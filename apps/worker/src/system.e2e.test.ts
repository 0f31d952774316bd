/** The main job on real parts: HTTP to Kafka to Postgres to Redis and back. */
import { randomUUID } from 'node:crypto'
import { partitionOfId, topics } from '@ironsys/contracts'
import { createCommandConsumer, createCommandProducer, silentLogger } from '@ironsys/kafka'
import {
  type Client,
  createClient,
  createTcpProxy,
  startSystem,
  type TestApp,
  type TestSystem,
} from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

let system: TestSystem
let api: TestApp
let worker: TestApp
let client: Client

beforeAll(async () => {
  system = await startSystem()
  ;[api, worker] = await Promise.all([system.startApi(), system.startWorker()])
  client = createClient(api.url)
})

afterAll(async () => {
  await system?.close()
})

const logger = silentLogger

describe('a slot is sold', () => {
  test('from its creation to the last unit, and not one more', async () => {
    const slotId = await client.createSlot(3)
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, i) => client.reserve(slotId, { user_id: `u${i}` })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 409, 409])
    expect(answers.filter(({ status }) => status === 409).map(({ body }) => body.code)).toEqual([
      'sold-out',
      'sold-out',
    ])
    const slot = await client.call('GET', `/slots/${slotId}?min_version=4`)
    expect(slot.body).toMatchObject({ reserved_count: 3, available: 0, version: 4 })
    expect(slot.headers.get('etag')).toBe('W/"1.4"')
    expect(await client.audit(slotId)).toMatchObject({
      confirmed: 3,
      version: 4,
      ledger_events: 4,
      balanced: true,
    })
  })

  test('a cancelled unit is sold again', async () => {
    const slotId = await client.createSlot(1)
    const { body } = await client.reserve(slotId)
    expect((await client.reserve(slotId)).status).toBe(409)
    const cancelled = await client.call('DELETE', `/reservations/${body.id}`, undefined, {
      prefer: 'wait=10',
    })
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled' } })
    expect((await client.reserve(slotId)).status).toBe(201)
    expect(await client.audit(slotId)).toMatchObject({ confirmed: 1, version: 4, balanced: true })
  })

  test('is resized, closed and opened', async () => {
    const slotId = await client.createSlot(2)
    await client.reserve(slotId, { quantity: 2 })
    const patch = (body: object) => client.call('PATCH', `/slots/${slotId}`, body, { prefer: 'wait=10' })
    expect(await patch({ capacity: 1 })).toMatchObject({ status: 409, body: { code: 'capacity-in-use' } })
    expect(await patch({ capacity: 3, name: 'Larger' })).toMatchObject({
      status: 200,
      body: { available: 1, name: 'Larger' },
    })
    expect(await patch({ status: 'closed' })).toMatchObject({ status: 200 })
    expect(await client.reserve(slotId)).toMatchObject({ status: 409, body: { code: 'slot-closed' } })
    expect(await patch({ status: 'open' })).toMatchObject({ status: 200 })
    expect((await client.reserve(slotId)).status).toBe(201)
  })
})

describe('a client that does not wait', () => {
  test('learns the outcome by its cursor', async () => {
    const slotId = await client.createSlot(1)
    const accepted = await client.call('POST', '/reservations', { slot_id: slotId, user_id: 'ann' })
    expect(accepted).toMatchObject({
      status: 202,
      body: { status: 'pending', queue: { position: expect.any(Number) } },
    })
    const { id, cursor } = accepted.body
    expect(accepted.headers.get('location')).toBe(`/reservations/${id}`)
    const decided = await client.call('GET', `/reservations/${id}?cursor=${cursor}&wait=10`)
    expect(decided).toMatchObject({ status: 200, body: { id, status: 'confirmed', slot_version: 2 } })
  })

  test('gets one answer per item of a batch, in order', async () => {
    const slotId = await client.createSlot(100)
    const items = Array.from({ length: 50 }, (_, i) => ({
      slot_id: slotId,
      user_id: `u${i}`,
      quantity: i === 7 ? 0 : 1,
    }))
    const { status, body } = await client.call('POST', '/reservations/batch', { items })
    expect(status).toBe(202)
    expect(body.items).toHaveLength(50)
    expect(body.items[7]?.error).toMatchObject({ code: 'invalid-request' })
    await vi.waitFor(async () => expect((await client.audit(slotId)).confirmed).toBe(49), 10_000)
  })
})

describe('the same request again', () => {
  test('with its key has the same id, one effect and the recorded outcome', async () => {
    const slotId = await client.createSlot(10)
    const key = { 'idempotency-key': randomUUID() }
    const answers = await Promise.all([1, 2, 3].map(() => client.reserve(slotId, { user_id: 'ann' }, key)))
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
    expect(await client.audit(slotId)).toMatchObject({ confirmed: 1, version: 2 })
    const other = await client.reserve(slotId, { user_id: 'ann', quantity: 2 }, key)
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
  })

  test('also when the key is in the body, for slots and changes to them too', async () => {
    const idempotency_key = randomUUID()
    const slot = {
      name: 'n',
      start_time: '2030-01-01T00:00:00Z',
      end_time: '2030-01-01T01:00:00Z',
      capacity: 5,
    }
    const create = () => client.call('POST', '/slots', { ...slot, idempotency_key }, { prefer: 'wait=10' })
    const [one, two] = [await create(), await create()]
    expect([one.status, two.body.id]).toEqual([201, one.body.id])
    const patch = (capacity: number) =>
      client.call(
        'PATCH',
        `/slots/${one.body.id}`,
        { capacity },
        { prefer: 'wait=10', 'idempotency-key': 'resize-1' },
      )
    await patch(6)
    expect(await patch(6)).toMatchObject({ status: 200, body: { version: 2, capacity: 6 } })
    expect(await patch(7)).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
  })
})

describe('what does not exist', () => {
  test('an unknown slot is rejected by the writer and recorded', async () => {
    const answer = await client.reserve(randomUUID())
    expect(answer).toMatchObject({ status: 404, body: { code: 'slot-not-found' } })
    expect(await client.call('GET', `/reservations/${answer.body.id}`)).toMatchObject({
      status: 200,
      body: { status: 'rejected', reason: 'slot-not-found' },
    })
  })

  test('a slot that was missed a moment ago can be reserved as soon as it is made', async () => {
    const id = randomUUID()
    expect((await client.call('GET', `/slots/${id}`)).status).toBe(404)
    await client.createSlot(1, { id })
    expect((await client.reserve(id)).status).toBe(201)
  })
})

test('a record that cannot be read reads as failed, and its neighbours are decided', async () => {
  const slotId = await client.createSlot(10)
  const before = await client.reserve(slotId)
  const producer = createCommandProducer({ brokers: system.kafkaBrokers, clientId: 'test', logger })
  const { id } = before.body
  const poisonId = `${id.slice(0, -4)}beef`
  const partition = partitionOfId(id, system.partitions)
  const poison = JSON.stringify({
    v: 1,
    type: 'reserve',
    id: poisonId,
    slot_id: slotId,
    user_id: 'ann',
    quantity: -1,
  })
  await producer.append({ topic: topics.reservationCommands, partition }, slotId, poison)
  await producer.close()
  expect((await client.reserve(slotId)).status).toBe(201)
  expect(await client.call('GET', `/reservations/${poisonId}`)).toMatchObject({
    status: 200,
    body: { status: 'failed' },
  })
  expect(await client.audit(slotId)).toMatchObject({ confirmed: 2, balanced: true })
})

test('events leave in order with a gapless sequence per partition', async () => {
  const slotId = await client.createSlot(2)
  for (let i = 0; i < 3; i++) await client.reserve(slotId)
  const seen = new Map<number, { seq: number; type: string; slot_id: string }[]>()
  const consumer = createCommandConsumer(
    {
      brokers: system.kafkaBrokers,
      clientId: 'test',
      logger,
      groupId: randomUUID(),
      topic: topics.reservationEvents,
    },
    {
      assigned: async (log, partition) => {
        log.seek(0)
        for (let records = await log.next(1000); records !== null; records = await log.next(1000)) {
          const events = records.map((record) => JSON.parse(String(record.value)))
          seen.set(partition, [...(seen.get(partition) ?? []), ...events])
        }
      },
      revoked: () => {},
      crashed: () => {},
    },
  )
  await consumer.start()
  const mine = () => [...seen.values()].flat().filter((event) => event.slot_id === slotId)
  await vi.waitFor(() => expect(mine()).toHaveLength(4), 15_000)
  await consumer.close()
  expect(mine().map(({ type }) => type)).toEqual([
    'slot_created',
    'reservation_confirmed',
    'reservation_confirmed',
    'reservation_rejected',
  ])
  for (const events of seen.values())
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1))
})

test('both apps tell their state and metrics on their operations ports', async () => {
  for (const app of [api, worker]) {
    expect((await fetch(`${app.operationsUrl}/health/ready`)).status).toBe(200)
    expect(await (await fetch(`${app.operationsUrl}/metrics`)).text()).toContain('ironsys_')
  }
})

test('a worker has its database look rows up by key', async () => {
  const url = new URL(system.databaseUrl)
  const proxy = await createTcpProxy({ targetHost: url.hostname, targetPort: Number(url.port) })
  url.host = `${proxy.host}:${proxy.port}`
  let firstWords = ''
  // Loses nothing: it only listens to what a connection begins with.
  void proxy.arm('lost-request', {
    matches: (chunk) => {
      firstWords ||= chunk.toString('latin1')
      return false
    },
  })
  const second = await system.startWorker({ DATABASE_URL: url.toString() })
  expect(firstWords).toContain('enable_seqscan=off')
  expect(await second.end('SIGTERM')).toBe('exit code 0')
  await proxy.close()
})
