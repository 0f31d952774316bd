/** What a crash may not do: lose, double or oversell. Real processes, killed for real. */
import { randomUUID } from 'node:crypto'
import net from 'node:net'
import { mintId, partitionOfKey, topics } from '@ironsys/contracts'
import { createCommandProducer, createLogAdmin, type SocketFactory, silentLogger } from '@ironsys/kafka'
import { createPool } from '@ironsys/postgres'
import {
  type Client,
  createClient,
  createTcpProxy,
  startSystem,
  type TestApp,
  type TestSystem,
} from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

const logger = silentLogger
const PRODUCE_API_KEY = 0

let system: TestSystem
let api: TestApp
let client: Client
/** Whatever workers a test leaves behind. */
let worker: TestApp

beforeAll(async () => {
  system = await startSystem()
  ;[api, worker] = await Promise.all([system.startApi(), system.startWorker()])
  client = createClient(api.url)
})

afterAll(async () => {
  await system?.close()
})

interface Accepted {
  readonly id: string
  readonly cursor: string
}

/** Sends `count` reservations, `concurrency` at a time, and calls `midway` when half are sent. All must get a 202. */
async function buy(slotId: string, count: number, midway: () => Promise<void>): Promise<readonly Accepted[]> {
  const accepted: Accepted[] = []
  let sent = 0
  let interlude: Promise<void> | null = null
  const buyer = async (): Promise<void> => {
    while (sent < count) {
      sent++
      if (sent > count / 2) interlude ??= midway()
      const user_id = `buyer-${sent}`
      const answer = await client.call('POST', '/reservations', { slot_id: slotId, user_id })
      expect(answer.status).toBe(202)
      accepted.push(answer.body)
    }
  }
  await Promise.all(Array.from({ length: 16 }, buyer))
  await interlude
  return accepted
}

async function outcomes(accepted: readonly Accepted[]): Promise<Map<string, string>> {
  const statuses = new Map<string, string>()
  for (const { id, cursor } of accepted) {
    await vi.waitFor(async () => {
      const { body } = await client.call('GET', `/reservations/${id}?cursor=${cursor}&wait=5`)
      expect(['confirmed', 'rejected']).toContain(body.status)
      statuses.set(id, body.status)
    }, 30_000)
  }
  return statuses
}

/** Every id decided once, 60 of them confirmed, and the books agree. */
async function expectSoldOut(slotId: string, accepted: readonly Accepted[]): Promise<void> {
  const statuses = await outcomes(accepted)
  expect(statuses.size).toBe(accepted.length)
  expect([...statuses.values()].filter((status) => status === 'confirmed')).toHaveLength(60)
  expect(await client.audit(slotId)).toMatchObject({
    confirmed: 60,
    version: 61,
    ledger_events: 61,
    balanced: true,
  })
}

describe('nothing accepted is lost or done twice', () => {
  test('when the worker is killed in the middle and another takes over', async () => {
    const slotId = await client.createSlot(60)
    const accepted = await buy(slotId, 300, async () => {
      await worker.end('SIGKILL')
      worker = await system.startWorker()
    })
    await expectSoldOut(slotId, accepted)
  })

  test('when two workers are forced onto the same partitions: the fenced one commits nothing', async () => {
    const slotId = await client.createSlot(60)
    const rival = await system.startWorker({ WORKER_GROUP: 'rivals' })
    const accepted = await buy(slotId, 300, async () => {})
    await expectSoldOut(slotId, accepted)
    const fenced = await Promise.all([worker, rival].map(fencedCount))
    expect(Math.max(...fenced)).toBeGreaterThan(0)
    expect(await rival.end('SIGTERM')).toBe('exit code 0')
  })

  test('when a frozen worker thaws as a zombie', async () => {
    const slotId = await client.createSlot(60)
    const accepted = await buy(slotId, 300, async () => {
      worker.signal('SIGSTOP')
      const successor = await system.startWorker()
      await outcomes((await buy(slotId, 1, async () => {})).slice(0, 1))
      worker.signal('SIGCONT')
      await worker.end('SIGTERM')
      worker = successor
    })
    const statuses = await outcomes(accepted)
    expect([...statuses.values()].filter((status) => status === 'confirmed').length).toBeGreaterThanOrEqual(
      59,
    )
    expect(await client.audit(slotId)).toMatchObject({ confirmed: 60, version: 61, balanced: true })
  })

  test('when the connection is cut between a produce and its answer, many times', async () => {
    const slotId = await client.createSlot(1_000_000)
    const { ids, cuts } = await produceThroughCuts(slotId, 60)
    const partition = partitionOfKey(slotId, system.partitions)
    await vi.waitFor(async () => expect(await confirmedOf(slotId)).toBe(ids.length), 30_000)
    const copies = await copiesInLog(partition)
    expect(cuts).toBe(60)
    // The cuts were real: some commands are in the log more than once, and each took effect once.
    expect(copies).toBeGreaterThan(0)
    const version = ids.length + 1
    expect(await client.audit(slotId)).toMatchObject({ confirmed: ids.length, version, balanced: true })
  })
})

describe('a graceful stop', () => {
  test('of the API answers the requests in flight', async () => {
    const slotId = await client.createSlot(5)
    const other = await system.startApi()
    const waiting = createClient(other.url)
    worker.signal('SIGSTOP')
    const requests = Array.from({ length: 5 }, () => waiting.reserve(slotId, {}, { prefer: 'wait=3' }))
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`${other.operationsUrl}/metrics`)).text()
      expect(metrics).toMatch(/ironsys_produce_batch_messages_sum 5/)
    }, 10_000)
    const ended = other.end('SIGTERM')
    worker.signal('SIGCONT')
    for (const { status } of await Promise.all(requests)) expect([201, 202]).toContain(status)
    expect([await ended, other.log()].join('\n')).toMatch(/^exit code 0\n/)
    await vi.waitFor(async () => expect((await client.audit(slotId)).confirmed).toBe(5), 20_000)
  })

  test('of an API that drains: not ready at once, and whoever comes is served on a connection that ends', async () => {
    const slotId = await client.createSlot(5)
    const draining = await system.startApi({ DRAIN_MS: '5000' })
    const late = createClient(draining.url)
    expect((await late.call('GET', `/slots/${slotId}`)).headers.get('connection')).toBe('keep-alive')
    const ended = draining.end('SIGTERM')
    await vi.waitFor(async () => {
      expect((await fetch(`${draining.operationsUrl}/health/ready`)).status).toBe(503)
    }, 5000)
    const { status, headers } = await late.reserve(slotId)
    expect([status, headers.get('connection')]).toEqual([201, 'close'])
    expect((await late.call('GET', '/health/ready')).status).toBe(503)
    expect(await ended).toBe('exit code 0')
    await expect(late.call('GET', '/health/live')).rejects.toThrow()
  })

  test('of the worker leaves its partitions to the next one', async () => {
    const slotId = await client.createSlot(60)
    const accepted = await buy(slotId, 300, async () => {
      const successor = await system.startWorker()
      expect(await worker.end('SIGTERM')).toBe('exit code 0')
      worker = successor
    })
    await expectSoldOut(slotId, accepted)
  })
})

describe('a start that cannot succeed ends with one clear line', () => {
  test.each([
    [
      'worker',
      { PARTITIONS: '5' },
      /^worker: topic reservations\.commands has 4 partitions, but PARTITIONS is 5/m,
    ],
    ['api', { PARTITIONS: '5' }, /^api: .*4 partitions.*5/m],
    ['api', { ID_KEY: '0'.repeat(64) }, /^api: .*ID_KEY/m],
    ['worker', { DATABASE_URL: 'nonsense' }, /^worker: [\s\S]*DATABASE_URL/m],
    ['api', { NODE_ENV: 'production' }, /^api: [\s\S]*AUTH_MODE/m],
  ] as const)('%s with %o', async (app, environment, line) => {
    const { how, log } = await system.runToEnd(app, environment)
    expect(how).toBe('exit code 1')
    expect(log).toMatch(line)
  })

  test('on a port that is taken', async () => {
    const port = new URL(api.url).port
    const { how, log } = await system.runToEnd('api', { PORT: port })
    expect(how).toBe('exit code 1')
    expect(log).toMatch(new RegExp(`^api: .*${port}`, 'm'))
  })
})

async function fencedCount(app: TestApp): Promise<number> {
  const metrics = await (await fetch(`${app.operationsUrl}/metrics`)).text()
  return Number(/^ironsys_fenced_total (\d+)/m.exec(metrics)?.[1])
}

/** Appends commands over connections that are cut each time the broker has answered. Answers the acknowledged ids. */
async function produceThroughCuts(slotId: string, times: number): Promise<{ ids: string[]; cuts: number }> {
  const [targetHost = '', targetPort = ''] = system.kafkaBrokers[0]?.split(':') ?? []
  const proxy = await createTcpProxy({ targetHost, targetPort: Number(targetPort) })
  const socketFactory: SocketFactory = ({ onConnect }) =>
    net.connect({ host: proxy.host, port: proxy.port }, onConnect)
  const brokers = [...system.kafkaBrokers]
  const producer = createCommandProducer(
    { brokers, clientId: 'cut', logger, socketFactory },
    { deadlineMs: 20_000 },
  )
  const partition = partitionOfKey(slotId, system.partitions)
  const ids: string[] = []
  const append = async (): Promise<void> => {
    const id = mintId(slotId, Date.now())
    const command = { v: 1, type: 'reserve', id, slot_id: slotId, user_id: 'ann', quantity: 1 }
    await producer.append({ topic: topics.reservationCommands, partition }, slotId, JSON.stringify(command))
    ids.push(id)
  }
  await append()
  let cuts = 0
  const isProduce = (chunk: Buffer) => chunk.length > 6 && chunk.readInt16BE(4) === PRODUCE_API_KEY
  for (let i = 0; i < times; i++) {
    const fired = proxy.arm('lost-answer', { matches: isProduce }).then(() => cuts++)
    await Promise.all([append(), append(), append(), fired])
  }
  await producer.close()
  await proxy.close()
  return { ids, cuts }
}

/** Records of the partition that are there beyond the first with their id: offsets less distinct decisions. */
async function copiesInLog(partition: number): Promise<number> {
  const admin = createLogAdmin({ brokers: [...system.kafkaBrokers], clientId: 'count', logger })
  const high = (await admin.offsets(topics.reservationCommands)).get(partition)?.high ?? 0
  await admin.close()
  return high - (await rowsOfPartition(partition))
}

async function rowsOfPartition(partition: number): Promise<number> {
  const rows = await query<{ id: string; slot_id: string }>('SELECT id, slot_id FROM reservations')
  const slots = await query<{ id: string }>('SELECT id FROM slots')
  const isHere = (key: string): boolean => partitionOfKey(key, system.partitions) === partition
  return rows.filter((row) => isHere(row.slot_id)).length + slots.filter((slot) => isHere(slot.id)).length
}

async function confirmedOf(slotId: string): Promise<number> {
  return (await query('SELECT 1 FROM reservations WHERE slot_id = $1 AND status = $2', [slotId, 'confirmed']))
    .length
}

async function query<R extends object>(text: string, values: unknown[] = []): Promise<R[]> {
  const pool = createPool(system.databaseUrl, { applicationName: `test-${randomUUID()}`, maxConnections: 1 })
  try {
    return (await pool.query<R>(text, values)).rows
  } finally {
    await pool.end()
  }
}
