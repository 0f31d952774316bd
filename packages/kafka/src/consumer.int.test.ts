import { randomUUID } from 'node:crypto'
import type { LogRecord, PartitionLog } from '@ironsys/engine'
import { createTcpProxy, type TcpProxy, testServices } from '@ironsys/testing'
import { afterEach, expect, test } from 'vitest'
import { createLogAdmin } from './admin.ts'
import type { KafkaSettings } from './client.ts'
import { createCommandConsumer } from './consumer.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { directSettings, makeTopic, proxyToBroker, settingsThrough } from './log-under-test.ts'
import { createCommandProducer } from './producer.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

function track<T extends { close(): Promise<void> }>(each: T): T {
  open.push(each)
  return each
}

/** A consumer, what it holds at the moment, and what happened to it. */
function consume(
  topic: string,
  { groupId = `group-${randomUUID()}`, settings = directSettings(), options = {} }: Consume = {},
) {
  const logs = new Map<number, PartitionLog>()
  const history: string[] = []
  const consumer = track(
    createCommandConsumer(
      { ...settings, groupId, topic },
      {
        assigned: (log, partition) => {
          history.push(`assigned ${partition}`)
          logs.set(partition, log)
        },
        revoked: (partition) => {
          history.push(`revoked ${partition}`)
          logs.delete(partition)
        },
        crashed: (error) => history.push(`crashed ${error.message}`),
      },
      options,
    ),
  )
  const log = (partition: number) => logs.get(partition) ?? expect.fail(`partition ${partition} is not here`)
  return { consumer, logs, log, history, groupId }
}

interface Consume {
  readonly groupId?: string
  readonly settings?: KafkaSettings
  readonly options?: Partial<ConsumerOptions>
}

async function append(topic: string, partition: number, count: number, bytes = 10) {
  const producer = createCommandProducer(directSettings())
  const value = 'v'.repeat(bytes)
  const appends = Array.from({ length: count }, () => producer.append({ topic, partition }, 'k', value))
  const appended = await Promise.all(appends)
  await producer.close()
  return appended
}

/** Reads until `count` records came, whatever their offsets. */
async function take(log: PartitionLog, count: number, atOnce = 1000): Promise<LogRecord[]> {
  const taken: LogRecord[] = []
  while (taken.length < count) {
    const records = await log.next(Math.min(atOnce, count - taken.length))
    if (records === null) throw new Error(`closed after ${taken.length} records`)
    taken.push(...records)
  }
  return taken
}

const offsetsOf = (records: readonly LogRecord[]) => records.map(({ offset }) => offset)
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n)

test('seeks back and forth, also while records are on their way', async () => {
  const topic = await makeTopic(1)
  await append(topic, 0, 3000, 500)
  const { consumer, log } = consume(topic, { options: { maxFetchBytesPerPartition: 50_000 } })
  await consumer.start()
  const reader = log(0)
  reader.seek(0)
  for (const [from, count] of [
    [0, 500],
    [2000, 300],
    [10, 700],
    [2999, 1],
    [0, 3000],
  ] as const) {
    reader.seek(from)
    expect(offsetsOf(await take(reader, count, 97))).toEqual(range(from, from + count - 1))
  }
})

test('a slow partition is held back and does not hold back another', async () => {
  const topic = await makeTopic(2)
  await append(topic, 0, 2000, 1000)
  const { consumer, log } = consume(topic, {
    options: { maxBufferedRecords: 100, maxFetchBytesPerPartition: 20_000 },
  })
  await consumer.start()
  log(0).seek(0)
  log(1).seek(0)
  expect(offsetsOf(await take(log(0), 1))).toEqual([0])
  // Nobody reads partition 0 now; partition 1 goes on, and the group does not lose the member.
  for (let n = 0; n < 20; n++) {
    await append(topic, 1, 1)
    expect(offsetsOf(await take(log(1), 1))).toEqual([n])
  }
  expect(offsetsOf(await take(log(0), 1999))).toEqual(range(1, 1999))
})

test('two members share the partitions, and the one that stays takes over', async () => {
  const topic = await makeTopic(4)
  for (const partition of range(0, 3)) await append(topic, partition, 10)
  const first = consume(topic)
  await first.consumer.start()
  expect([...first.logs.keys()].sort()).toEqual([0, 1, 2, 3])
  for (const log of first.logs.values()) log.seek(0)
  const kept = new Map(first.logs)

  const second = consume(topic, { groupId: first.groupId })
  await second.consumer.start()
  await expect.poll(() => first.logs.size, { timeout: 15_000 }).toBe(2)
  expect(second.logs.size).toBe(2)
  expect([...first.logs.keys(), ...second.logs.keys()].sort()).toEqual([0, 1, 2, 3])
  for (const [partition, log] of first.logs) {
    expect(kept.get(partition)).toBe(log)
    expect(offsetsOf(await take(log, 10))).toEqual(range(0, 9))
  }
  for (const partition of second.logs.keys()) {
    expect(first.history.filter((line) => line.endsWith(` ${partition}`))).toEqual([
      `assigned ${partition}`,
      `revoked ${partition}`,
    ])
    expect(await kept.get(partition)?.next(1)).toBeNull()
  }
  await first.consumer.close()
  expect(first.logs.size).toBe(0)
  await expect.poll(() => second.logs.size, { timeout: 15_000 }).toBe(4)
})

test('what is acknowledged becomes the offset of the group', async () => {
  const topic = await makeTopic(2)
  const { consumer, log, groupId } = consume(topic, { options: { commitIntervalMs: 50 } })
  const admin = track(createLogAdmin(directSettings()))
  await consumer.start()
  log(0).acknowledge(3)
  const committed = async () => (await admin.groupOffsets(groupId, topic)).get(0)
  await expect.poll(committed, { timeout: 10_000 }).toBe(3)
  log(1).acknowledge(7)
  await consumer.close()
  expect(await admin.groupOffsets(groupId, topic)).toEqual(
    new Map([
      [0, 3],
      [1, 7],
    ]),
  )
})

test('rejoining gives every partition a new log', async () => {
  const topic = await makeTopic(2)
  await append(topic, 0, 5)
  const { consumer, log, history } = consume(topic)
  await consumer.start()
  const before = log(0)
  before.seek(0)
  await take(before, 5)
  await consumer.rejoin()
  expect(await before.next(1)).toBeNull()
  log(0).seek(2)
  expect(offsetsOf(await take(log(0), 3))).toEqual([2, 3, 4])
  expect(history.filter((line) => line.endsWith('0'))).toEqual(['assigned 0', 'revoked 0', 'assigned 0'])
})

test('after a lost connection the partitions come back with new logs', async () => {
  const topic = await makeTopic(2)
  const proxy = track(await proxyToBroker())
  const { consumer, log, logs, history } = consume(topic, { settings: settingsThrough(() => proxy) })
  await consumer.start()
  const before = log(0)
  before.seek(0)
  const waiting = before.next(1)
  proxy.cutAll()
  expect(await waiting).toBeNull()
  await expect.poll(() => logs.size, { timeout: 20_000 }).toBe(2)
  expect(log(0)).not.toBe(before)
  await append(topic, 0, 3)
  await readDespiteLosses(logs, 3)
  expect(history.filter((line) => line.startsWith('crashed'))).toEqual([])
})

test('survives a cluster that is away for longer than kafkajs tries', { timeout: 90_000 }, async () => {
  const topic = await makeTopic(1)
  let proxy: TcpProxy = track(await proxyToBroker())
  const { consumer, logs, history } = consume(topic, {
    settings: settingsThrough(() => proxy),
    options: { restartDelayMaxMs: 500 },
  })
  await consumer.start()
  await proxy.close()
  // Until it has left the group for good, so that kafkajs's own retries are over.
  await expect
    .poll(() => history.filter((line) => line === 'revoked 0').length, { timeout: 40_000 })
    .not.toBe(0)
  await expect.poll(() => logs.size, { timeout: 40_000 }).toBe(0)
  await append(topic, 0, 3)
  const [host = '', port = ''] = (testServices().kafkaBrokers[0] ?? '').split(':')
  proxy = track(await createTcpProxy({ targetHost: host, targetPort: Number(port) }))
  await readDespiteLosses(logs, 3)
  expect(history.filter((line) => line.startsWith('crashed'))).toEqual([])
})

test('a missing topic is said at the start, and the consumer can be started later', async () => {
  const topic = `test-${randomUUID()}`
  const { consumer, logs } = consume(topic)
  await expect(consumer.start()).rejects.toThrow(/is missing/)
  const admin = track(createLogAdmin(directSettings()))
  await admin.ensureTopics([{ topic, partitions: 1, settings: {} }])
  await consumer.start()
  expect(logs.size).toBe(1)
})

/** Reads partition 0 from its start, beginning again with its new log whenever it is taken away. */
async function readDespiteLosses(logs: ReadonlyMap<number, PartitionLog>, count: number): Promise<void> {
  const read = async (): Promise<number[]> => {
    const log = logs.get(0)
    if (log === undefined) return []
    log.seek(0)
    return offsetsOf(await take(log, count).catch(() => []))
  }
  await expect.poll(read, { timeout: 40_000 }).toEqual(range(0, count - 1))
}
