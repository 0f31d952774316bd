/** Any range of a real log is read: all of it, in order, and nothing else. */
import { randomUUID } from 'node:crypto'
import { createCommandProducer, createLogAdmin, silentLogger } from '@ironsys/kafka'
import { testServices } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLogSource, type LogSource } from './log-source.ts'

const RECORDS = 5000
const topic = `audit-${randomUUID()}`
const logger = silentLogger
const settings = () => ({ brokers: testServices().kafkaBrokers, clientId: 'test', logger })
let log: LogSource

beforeAll(async () => {
  const admin = createLogAdmin(settings())
  await admin.ensureTopics([{ topic, partitions: 3, settings: {} }])
  await admin.close()
  const producer = createCommandProducer(settings())
  for (const partition of [0, 1]) {
    const messages = Array.from({ length: RECORDS }, (_, index) => ({
      ...{ topic, partition, key: 'k' },
      value: `${partition}/${index}`,
    }))
    await producer.send(messages)
  }
  await producer.close()
  log = createLogSource(settings())
})

afterAll(async () => {
  await log?.close()
})

test('ranges of several partitions are read to their ends', async () => {
  const read: string[] = []
  let handling = 0
  const ranges = new Map([
    [0, { from: 0, to: RECORDS }],
    [1, { from: 1200, to: 1300 }],
    [2, { from: 0, to: 0 }],
  ])
  await log.read(topic, ranges, async (partition, records) => {
    expect(++handling).toBe(1)
    await Promise.resolve()
    for (const { offset, value } of records) {
      expect(String(value)).toBe(`${partition}/${offset}`)
      read.push(String(value))
    }
    handling--
  })
  expect(read.filter((value) => value.startsWith('0/'))).toEqual(
    Array.from({ length: RECORDS }, (_, index) => `0/${index}`),
  )
  expect(read.filter((value) => value.startsWith('1/'))).toEqual(
    Array.from({ length: 100 }, (_, index) => `1/${1200 + index}`),
  )
  expect(await log.bounds(topic)).toEqual(
    new Map([
      [0, { low: 0, high: RECORDS }],
      [1, { low: 0, high: RECORDS }],
      [2, { low: 0, high: 0 }],
    ]),
  )
})

test('what the handler throws ends the reading', async () => {
  const failing = log.read(topic, new Map([[0, { from: 0, to: 10 }]]), async () => {
    throw new Error('enough')
  })
  await expect(failing).rejects.toThrow('enough')
})

test('a log that does not answer is said to be so', async () => {
  const dead = createLogSource({ ...settings(), brokers: ['127.0.0.1:1'] })
  await expect(dead.read(topic, new Map([[0, { from: 0, to: 10 }]]), async () => {})).rejects.toMatchObject({
    name: 'LogUnavailableError',
  })
  await expect(dead.describe(topic)).rejects.toMatchObject({ name: 'LogUnavailableError' })
  await dead.close()
})
