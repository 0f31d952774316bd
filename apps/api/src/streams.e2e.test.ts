/** Streams on real processes: two instances, the writer behind them, and Redis between. */
import { randomUUID } from 'node:crypto'
import { COMMAND_SCHEMA_VERSION, partitionOfKey, topics } from '@ironsys/contracts'
import { createCommandProducer, silentLogger } from '@ironsys/kafka'
import {
  type Client,
  createClient,
  createTcpProxy,
  openEvents,
  openWebSocket,
  type StreamClient,
  startSystem,
  type TestApp,
  type TestSystem,
} from '@ironsys/testing'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'

const deadline = { timeout: 20_000 }

let system: TestSystem
/** Where commands are sent, and where streams are open. */
let here: Client
let there: TestApp
const clients: StreamClient[] = []

beforeAll(async () => {
  system = await startSystem()
  const [api, other] = await Promise.all([system.startApi(), system.startApi(), system.startWorker()])
  here = createClient(api.url)
  there = other
})

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

afterAll(async () => {
  await system?.close()
})

async function events(app: TestApp, slotId: string, headers = {}) {
  const client = await openEvents(`${app.url}/slots/${slotId}/events`, headers)
  clients.push(client)
  return client
}

async function webSocket(app: TestApp, slotId: string, query = '') {
  const client = await openWebSocket(`${app.url}/slots/${slotId}/ws${query}`)
  clients.push(client)
  return client
}

async function arrived(client: StreamClient, id: string): Promise<void> {
  await vi.waitFor(() => expect(client.messages.at(-1)?.id).toBe(id), deadline)
}

test('a change that was made at one instance is told at the other, in both forms', async () => {
  const slotId = await here.createSlot(5)
  const [sse, ws] = [await events(there, slotId), await webSocket(there, slotId)]
  for (const client of [sse, ws]) await arrived(client, '1.1')
  await here.reserve(slotId, { quantity: 2 })
  for (const client of [sse, ws]) {
    await arrived(client, '1.2')
    expect(client.messages.at(-1)).toMatchObject({
      event: 'snapshot',
      data: { id: slotId, available: 3, version: 2, from_cache: true, stale: false },
    })
  }
})

test('many changes are conflated: versions are left out, none comes twice or late, the last one comes', async () => {
  const slotId = await here.createSlot(1000)
  const [sse, ws] = [await events(there, slotId), await webSocket(there, slotId)]
  const rounds = Array.from({ length: 200 }, () => here.reserve(slotId))
  expect((await Promise.all(rounds)).every(({ status }) => status === 201)).toBe(true)
  for (const client of [sse, ws]) {
    await arrived(client, '1.201')
    const versions = client.messages.map(({ data }) => data.version)
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b))
    expect(versions.length).toBeLessThan(201)
  }
})

test('a client that was away gets what is new, once', async () => {
  const slotId = await here.createSlot(5)
  const first = await events(there, slotId)
  await arrived(first, '1.1')
  first.close()
  await here.reserve(slotId)
  await here.reserve(slotId)
  // From a moment on in which this instance knows it too, nothing is repeated.
  await here.call('GET', `/slots/${slotId}?min_version=3`)
  const missed = await events(there, slotId, { 'last-event-id': '1.1' })
  await arrived(missed, '1.3')
  const [sse, ws] = [
    await events(there, slotId, { 'last-event-id': '1.3' }),
    await webSocket(there, slotId, '?last_event_id=1.3'),
  ]
  await here.reserve(slotId)
  for (const client of [sse, ws]) {
    await arrived(client, '1.4')
    expect(client.messages).toHaveLength(1)
  }
  expect(missed.messages.map(({ id }) => id)).toEqual(['1.3', '1.4'])
})

test('a slot that is removed is told to be gone, and the stream ends', async () => {
  const past = { start_time: '2020-01-01T09:00:00Z', end_time: '2020-01-01T10:00:00Z' }
  const slotId = await here.createSlot(5, past)
  const [sse, ws] = [await events(there, slotId), await webSocket(there, slotId)]
  for (const client of [sse, ws]) await arrived(client, '1.1')
  const producer = createCommandProducer({
    brokers: system.kafkaBrokers,
    clientId: 'test',
    logger: silentLogger,
  })
  const partition = partitionOfKey(slotId, system.partitions)
  const command = {
    v: COMMAND_SCHEMA_VERSION,
    type: 'retire_slot',
    id: randomUUID(),
    slot_id: slotId,
    keep_days: 90,
  }
  await producer.append({ topic: topics.reservationCommands, partition }, slotId, JSON.stringify(command))
  await producer.close()
  await vi.waitFor(() => expect([sse.ended, ws.ended]).toEqual(['end', '1000']), deadline)
  for (const client of [sse, ws]) {
    expect(client.messages.at(-1)).toEqual({ event: 'gone', id: null, data: { id: slotId } })
  }
  expect((await events(there, slotId)).status).toBe(404)
})

test('while an instance cannot reach Redis its streams go on', async () => {
  const { hostname, port } = new URL(system.redisUrl)
  const proxy = await createTcpProxy({ targetHost: hostname, targetPort: Number(port) })
  const app = await system.startApi({ REDIS_URL: `redis://${proxy.host}:${proxy.port}` })
  const slotId = await here.createSlot(5)
  const sse = await events(app, slotId)
  await arrived(sse, '1.1')
  await proxy.close()
  await here.reserve(slotId)
  await arrived(sse, '1.2')
  await app.end('SIGTERM')
})

test('an instance that stops ends its streams, and then itself', async () => {
  const app = await system.startApi({ DRAIN_MS: '3000', STREAMS_PER_CALLER: '2' })
  const slotId = await here.createSlot(5)
  const [sse, ws] = [await events(app, slotId), await webSocket(app, slotId)]
  for (const client of [sse, ws]) await arrived(client, '1.1')
  expect((await events(app, slotId)).status).toBe(429)
  const exited = app.end('SIGTERM')
  await vi.waitFor(() => expect([sse.ended, ws.ended]).toEqual(['end', '1001']), deadline)
  // Its balancer has not noticed yet: an answer, after which the client comes back once more.
  const late = await events(app, slotId)
  await vi.waitFor(() => expect([late.ended, late.messages.length]).toEqual(['end', 1]), deadline)
  expect(await exited).toBe('exit code 0')
})
