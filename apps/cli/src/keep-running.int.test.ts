import { connectRedis, redisReady } from '@ironsys/cache'
import { topicSettings } from '@ironsys/contracts'
import { createLogAdmin, silentLogger } from '@ironsys/kafka'
import {
  findFreePorts,
  pidPath,
  readPidFile,
  removeStack,
  type ServerName,
  type Stack,
  serverNames,
  startStack,
  stopStack,
  testFolder,
} from '@ironsys/local'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { keepRunning } from './keep-running.ts'

const DEADLINE_MS = 60_000
const TOPIC = 'kept'
const given = { databaseUrl: null, redisUrl: null, kafkaBrokers: null }

const folder = testFolder(process.pid)
const stop = new AbortController()
const said: string[] = []
let stack: Stack
let keeping: Promise<void> | null = null

// As `up` starts them, and as processes of this machine: what runs in a container cannot be killed from here.
beforeAll(async () => {
  const [postgres = 0, redis = 0, kafka = 0, kafkaController = 0] = await findFreePorts(4)
  const own = {
    path: folder,
    ports: { postgres, redis, kafka, kafkaController },
    disposable: false,
    report: () => undefined,
    signal: stop.signal,
  }
  stack = await startStack(own, { given, servers: 'native' })
  keeping = keepRunning(stack.processes, (line) => said.push(line), stop.signal)
}, DEADLINE_MS)

afterAll(async () => {
  stop.abort()
  await keeping
  await stopStack(folder, true)
  removeStack(folder)
}, DEADLINE_MS)

/** What can be asked of a server's data: to put something there that lasts, and whether it is there. */
const keepsakes: Readonly<Record<ServerName, { leave(): Promise<void>; find(): Promise<unknown> }>> = {
  postgres: {
    leave: () =>
      withPostgres(async (client) => void (await client.query('CREATE TABLE kept AS SELECT 42 AS n'))),
    find: () => withPostgres(async (client) => (await client.query('SELECT n FROM kept')).rows[0]?.n),
  },
  redis: {
    leave: () =>
      withRedis(async (redis) => {
        await redis.set('kept', '42')
        await redis.save()
      }),
    find: () => withRedis(async (redis) => Number(await redis.get('kept'))),
  },
  kafka: {
    leave: () =>
      withKafka((admin) => admin.ensureTopics([{ topic: TOPIC, partitions: 42, settings: topicSettings }])),
    find: () => withKafka(async (admin) => (await admin.describe(TOPIC))?.partitions),
  },
}

test.each(serverNames)('%s is killed: it is there again, with its data', async (name) => {
  await keepsakes[name].leave()
  const dead = kill(name)
  await vi.waitFor(() => expect(readPidFile(pidPath(folder, name))?.pid).not.toBe(dead), waiting)
  await vi.waitFor(async () => expect(await keepsakes[name].find()).toBe(42), waiting)
  expect(said).toContain(`${name} ended by itself (killed by SIGKILL); starting it again`)
})

test('all are killed at once, with somebody at work in the database: all are there again', async () => {
  const client = new Client({ connectionString: stack.addresses.databaseUrl })
  client.on('error', () => undefined)
  await client.connect()
  const work = client.query('SELECT pg_sleep(600)').catch(() => undefined)
  const before = serverNames.map(kill)
  const running = () => serverNames.map((name) => readPidFile(pidPath(folder, name))?.pid)
  await vi.waitFor(() => {
    for (const pid of running()) expect(before).not.toContain(pid)
  }, waiting)
  for (const name of serverNames)
    await vi.waitFor(async () => expect(await keepsakes[name].find()).toBe(42), waiting)
  await work
  await client.end().catch(() => undefined)
})

const waiting = { timeout: 45_000, interval: 100 }

function kill(name: ServerName): number {
  const mark = readPidFile(pidPath(folder, name))
  if (mark === null) throw new Error(`${name} does not run`)
  process.kill(mark.pid, 'SIGKILL')
  return mark.pid
}

async function withPostgres<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: stack.addresses.databaseUrl })
  await client.connect()
  return work(client).finally(() => client.end())
}

async function withRedis<T>(work: (redis: ReturnType<typeof connectRedis>) => Promise<T>): Promise<T> {
  const logger = { info: () => undefined, warn: () => undefined }
  const redis = connectRedis(stack.addresses.redisUrl, { name: 'test', logger, commandTimeoutMs: 5000 })
  try {
    if (!(await redisReady(redis, 2000))) throw new Error('Redis does not answer')
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

async function withKafka<T>(work: (admin: ReturnType<typeof createLogAdmin>) => Promise<T>): Promise<T> {
  const admin = createLogAdmin({
    brokers: stack.addresses.kafkaBrokers,
    clientId: 'test',
    logger: silentLogger,
  })
  return work(admin).finally(() => admin.close())
}
