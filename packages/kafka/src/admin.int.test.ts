import { randomUUID } from 'node:crypto'
import { LogIdentityError, LogUnavailableError } from '@ironsys/engine'
import kafkajs from 'kafkajs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogAdmin, type LogAdmin } from './admin.ts'
import { silentLogger } from './client.ts'
import { directSettings } from './log-under-test.ts'
import { createCommandProducer } from './producer.ts'

let admin: LogAdmin
beforeEach(() => {
  admin = createLogAdmin(directSettings())
})
afterEach(() => admin.close())

const settings = { 'message.timestamp.type': 'LogAppendTime', 'retention.ms': '604800000' }

async function withAdmin<T>(work: (admin: kafkajs.Admin) => Promise<T>): Promise<T> {
  const { brokers } = directSettings()
  const plain = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }).admin()
  await plain.connect()
  try {
    return await work(plain)
  } finally {
    await plain.disconnect()
  }
}

async function settingsOf(topic: string): Promise<Record<string, string>> {
  const { resources } = await withAdmin((plain) =>
    plain.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
    }),
  )
  const entries = resources.flatMap(({ configEntries }) => configEntries)
  return Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue]))
}

test('makes a topic once and describes it', async () => {
  const topic = `test-${randomUUID()}`
  expect(await admin.describe(topic)).toBeNull()
  const plan = { topic, partitions: 5, settings }
  await admin.ensureTopics([plan])
  await admin.ensureTopics([plan])
  const described = await admin.describe(topic)
  expect(described?.partitions).toBe(5)
  expect(described?.clusterId).toMatch(/.+/)
  expect(await settingsOf(topic)).toMatchObject(settings)
})

test('another number of partitions is refused and not changed', async () => {
  const topic = `test-${randomUUID()}`
  await admin.ensureTopics([{ topic, partitions: 2, settings }])
  const ensure = admin.ensureTopics([{ topic, partitions: 3, settings }])
  await expect(ensure).rejects.toBeInstanceOf(LogIdentityError)
  await expect(ensure).rejects.toThrow(/has 2 partitions, but 3 are configured/)
  expect((await admin.describe(topic))?.partitions).toBe(2)
})

test('brings settings in line and keeps the ones it is not asked about', async () => {
  const topic = `test-${randomUUID()}`
  await admin.ensureTopics([{ topic, partitions: 1, settings: { 'segment.ms': '3600000' } }])
  await admin.ensureTopics([{ topic, partitions: 1, settings }])
  expect(await settingsOf(topic)).toMatchObject({ ...settings, 'segment.ms': '3600000' })
})

test('tells low and high offsets, and that a group has none yet', async () => {
  const topic = `test-${randomUUID()}`
  const groupId = `group-${randomUUID()}`
  await admin.ensureTopics([{ topic, partitions: 2, settings }])
  expect(await admin.groupOffsets(groupId, topic)).toEqual(new Map())
  const producer = createCommandProducer(directSettings())
  for (let n = 0; n < 6; n++) await producer.append({ topic, partition: 1 }, 'k', 'v')
  await producer.close()
  await withAdmin(async (plain) => {
    // deleteTopicRecords does not load the metadata that it needs.
    await plain.fetchTopicOffsets(topic)
    await plain.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: '4' }] })
  })
  expect(await admin.offsets(topic)).toEqual(
    new Map([
      [0, { low: 0, high: 0 }],
      [1, { low: 4, high: 6 }],
    ]),
  )
})

test('a cluster that does not answer is named as such', async () => {
  const nowhere = createLogAdmin({ brokers: ['127.0.0.1:1'], clientId: 'test', logger: silentLogger })
  await expect(nowhere.describe('any')).rejects.toBeInstanceOf(LogUnavailableError)
  await expect(nowhere.offsets('any')).rejects.toThrow(/ECONNREFUSED/)
  await nowhere.close()
})
