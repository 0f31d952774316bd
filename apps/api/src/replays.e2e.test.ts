/** One key, several API processes: one effect and one answer, whatever is restarted, flushed, frozen or delivered again. */
import { randomUUID } from 'node:crypto'
import { connectRedis, redisReady } from '@ironsys/cache'
import { silentLogger } from '@ironsys/kafka'
import { type Client, createClient, startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const PATIENCE = { timeout: 20_000, interval: 50 }
const WAITING = { prefer: 'wait=20' }

let system: TestSystem
let apis: TestApp[]
let worker: TestApp
let clients: readonly [Client, Client]

beforeAll(async () => {
  system = await startSystem()
  const [a, b, firstWorker] = await Promise.all([system.startApi(), system.startApi(), system.startWorker()])
  worker = firstWorker
  apis = [a, b]
  clients = [createClient(a.url), createClient(b.url)]
})

afterAll(async () => {
  await system?.close()
})

/** A keyed reservation of a slot of its own. */
async function keyedRequest(units = 10) {
  const slotId = await clients[0].createSlot(units)
  const key = randomUUID()
  const body = { slot_id: slotId, user_id: 'ann' }
  return {
    slotId,
    send: async (client: Client, headers: Record<string, string> = {}, change: object = {}) => {
      const sent = { 'idempotency-key': key, ...headers }
      const answer = await client.call('POST', '/reservations', { ...body, ...change }, sent)
      return { ...answer, replayed: answer.headers.get('idempotency-replayed') }
    },
    effects: async () => {
      const { confirmed, version, balanced } = await clients[0].audit(slotId)
      return { confirmed, version, balanced }
    },
  }
}

const one = { confirmed: 1, version: 2, balanced: true }

async function flushRedis(): Promise<void> {
  const redis = connectRedis(system.redisUrl, { name: 'test', logger: silentLogger })
  expect(await redisReady(redis, PATIENCE.timeout)).toBe(true)
  await redis.flushall()
  redis.disconnect()
}

test('the other instance answers a repeat at once, and refuses another request with the key', async () => {
  const { send, effects } = await keyedRequest()
  const first = await send(clients[0])
  expect(first).toMatchObject({ status: 202, replayed: null })
  await vi.waitFor(async () => {
    const repeat = await send(clients[1])
    expect(repeat).toMatchObject({
      status: 201,
      replayed: 'true',
      body: { id: first.body.id, status: 'confirmed' },
    })
  }, PATIENCE)
  await vi.waitFor(async () => {
    const other = await send(clients[1], {}, { quantity: 2 })
    expect(other).toMatchObject({ status: 422, replayed: null, body: { code: 'idempotency-key-reused' } })
  }, PATIENCE)
  expect(await effects()).toEqual(one)
})

test('first requests at both at once are one effect', async () => {
  const { send, effects } = await keyedRequest()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => send(clients[n % 2 === 0 ? 0 : 1], WAITING)),
  )
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
  expect(await effects()).toEqual(one)
})

test('a restarted instance and a flushed Redis answer the same', async () => {
  const { send, effects } = await keyedRequest()
  const first = await send(clients[0], WAITING)
  expect(first.status).toBe(201)
  expect(await apis[0]?.end('SIGTERM')).toBe('exit code 0')
  apis[0] = await system.startApi()
  clients = [createClient(apis[0].url), clients[1]]
  await vi.waitFor(async () => {
    const repeat = await send(clients[0], WAITING)
    expect([repeat.status, repeat.body, repeat.replayed]).toEqual([201, first.body, 'true'])
  }, PATIENCE)
  await flushRedis()
  const [again, other] = [await send(clients[1], WAITING), await send(clients[0], WAITING, { quantity: 2 })]
  expect([again.status, again.body]).toEqual([201, first.body])
  expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
  await flushRedis()
  expect(await effects()).toEqual(one)
})

test('while Redis hangs, requests are taken, and the writer refuses what is sent again', async () => {
  const { send, effects } = await keyedRequest()
  const first = await send(clients[0], WAITING)
  system.signalServer('redis', 'SIGSTOP')
  try {
    const again = await send(clients[1], WAITING)
    expect([again.status, again.body]).toEqual([201, first.body])
    const other = await send(clients[0], WAITING, { quantity: 2 })
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
  } finally {
    system.signalServer('redis', 'SIGCONT')
  }
  expect(await effects()).toEqual(one)
  await vi.waitFor(async () => expect((await send(clients[1])).replayed).toBe('true'), PATIENCE)
})

test('commands that a dead worker leaves to the next one are one effect each, with and without records', async () => {
  const requests = await Promise.all(Array.from({ length: 5 }, () => keyedRequest()))
  await worker.end('SIGKILL')
  const first = await Promise.all(requests.map(({ send }) => send(clients[0])))
  await flushRedis()
  // Sent again while nothing is decided: twice in the log.
  const again = await Promise.all(requests.map(({ send }) => send(clients[1])))
  expect(again.map(({ status, body }) => [status, body.id])).toEqual(first.map(({ body }) => [202, body.id]))
  worker = await system.startWorker()
  const decided = await Promise.all(requests.map(({ send }) => send(clients[0], { prefer: 'wait=30' })))
  expect(decided.map(({ status, body }) => [status, body.id])).toEqual(
    first.map(({ body }) => [201, body.id]),
  )
  for (const { effects } of requests) expect(await effects()).toEqual(one)
})
