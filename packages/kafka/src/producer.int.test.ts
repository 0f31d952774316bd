import { createServer } from 'node:net'
import { LogOverloadedError, LogUnavailableError, OutcomeUnknownError } from '@ironsys/engine'
import type { TcpProxy } from '@ironsys/testing'
import { afterEach, expect, test } from 'vitest'
import { silentLogger } from './client.ts'
import {
  boundsOf,
  directSettings,
  makeTopic,
  proxyToBroker,
  readTopic,
  settingsThrough,
} from './log-under-test.ts'
import { type CommandProducer, createCommandProducer } from './producer.ts'
import type { ProduceRequestEvent } from './producer-options.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

function track<T extends { close(): Promise<void> }>(each: T): T {
  open.push(each)
  return each
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return address !== null && typeof address === 'object' ? address.port : 0
}

test('gives every message its own offset and log time, several partitions in one request', async () => {
  const topic = await makeTopic(4)
  const requests: ProduceRequestEvent[] = []
  const producer = track(
    createCommandProducer(
      directSettings(),
      {},
      { request: (event) => requests.push(event), rejected: () => {} },
    ),
  )
  await producer.connect()
  const wanted = Array.from({ length: 200 }, (_, n) => ({
    partition: n % 4,
    key: `k${n}`,
    value: `v${n} ä€`,
  }))
  const answers = await Promise.all(
    wanted.map(({ partition, key, value }) => producer.append({ topic, partition }, key, value)),
  )
  expect(requests.map(({ messages }) => messages)).toEqual([200])
  const stored = await readTopic(topic)
  expect(stored).toHaveLength(200)
  for (const [n, { offset, timeMs }] of answers.entries()) {
    const { partition, key, value } = wanted[n] ?? expect.fail()
    expect(stored).toContainEqual({ partition, offset, timeMs, key, value })
  }
})

test('keeps the order of appends within a partition over many requests', async () => {
  const topic = await makeTopic(2)
  const producer = track(createCommandProducer(directSettings(), { maxBatchMessages: 7, maxInFlight: 1 }))
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, n) => producer.append({ topic, partition: n % 2 }, 'k', String(n))),
  )
  const stored = await readTopic(topic)
  for (const partition of [0, 1]) {
    const expected = answers.map((_, n) => n).filter((n) => n % 2 === partition)
    // A new topic's leader may refuse a request that another one took part of: repeats are allowed, another order is not.
    const values = stored.filter((each) => each.partition === partition).map(({ value }) => Number(value))
    expect([...new Set(values)]).toEqual(expected)
    const offsets = expected.map((n) => answers[n]?.offset ?? -1)
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
    for (const n of expected) expect(values[answers[n]?.offset ?? -1]).toBe(n)
  }
})

test('refuses at once what does not fit the queue, and what does not fit the log', async () => {
  const topic = await makeTopic(1)
  const rejected: string[] = []
  const producer = track(
    createCommandProducer(
      directSettings(),
      { maxQueuedMessages: 10 },
      { request: () => {}, rejected: (reason) => rejected.push(reason) },
    ),
  )
  const id = { topic, partition: 0 }
  const accepted = Array.from({ length: 10 }, (_, n) => producer.append(id, 'k', String(n)))
  expect(producer.outstanding).toBe(10)
  await expect(producer.append(id, 'k', 'one too many')).rejects.toBeInstanceOf(LogOverloadedError)
  await Promise.all(accepted)
  expect(rejected).toEqual(['overloaded'])
  await expect(producer.append(id, 'k', 'x'.repeat(1024 * 1024))).rejects.toBeInstanceOf(RangeError)
  await producer.append(id, 'k', 'room again')
  expect(await readTopic(topic)).toHaveLength(11)
})

test('nothing listens: the append was certainly not written', async () => {
  const port = await freePort()
  const producer = track(
    createCommandProducer(
      { brokers: [`127.0.0.1:${port}`], clientId: 'test', logger: silentLogger },
      { deadlineMs: 1000, requestTimeoutMs: 500 },
    ),
  )
  await expect(producer.connect()).rejects.toBeInstanceOf(LogUnavailableError)
  const appends = [0, 1, 2].map((partition) => producer.append({ topic: 'any', partition }, 'k', 'v'))
  for (const each of await Promise.allSettled(appends)) {
    expect(each.status === 'rejected' ? each.reason : each).toBeInstanceOf(LogUnavailableError)
  }
  const message = { topic: 'any', partition: 0, key: 'k', value: 'v' }
  await expect(producer.send([message])).rejects.toBeInstanceOf(LogUnavailableError)
})

test('a missing topic or partition is an error, not a silent loss, and spoils nothing else', async () => {
  const topic = await makeTopic(1)
  const producer = track(createCommandProducer(directSettings(), { deadlineMs: 1000, requestTimeoutMs: 500 }))
  const [good, noPartition, noTopic] = await Promise.allSettled([
    producer.append({ topic, partition: 0 }, 'k', 'good'),
    producer.append({ topic, partition: 7 }, 'k', 'no such partition'),
    producer.append({ topic: `${topic}-missing`, partition: 0 }, 'k', 'no such topic'),
  ])
  expect(good).toMatchObject({ status: 'fulfilled', value: { offset: 0 } })
  expect(noPartition.status === 'rejected' && noPartition.reason).toBeInstanceOf(LogUnavailableError)
  expect(noTopic.status === 'rejected' && noTopic.reason).toBeInstanceOf(Error)
  const message = { topic, partition: 7, key: 'k', value: 'v' }
  await expect(producer.send([message])).rejects.toThrow('has no partition 7')
  expect((await readTopic(topic)).map(({ value }) => value)).toEqual(['good'])
})

test('what the broker refuses before it writes is known not to be written', async () => {
  const topic = await makeTopic(1, { 'max.message.bytes': '2000' })
  const producer = track(createCommandProducer(directSettings()))
  const append = producer.append({ topic, partition: 0 }, 'k', 'x'.repeat(3000))
  await expect(append).rejects.toBeInstanceOf(LogUnavailableError)
  await producer.append({ topic, partition: 0 }, 'k', 'small')
  expect((await readTopic(topic)).map(({ value }) => value)).toEqual(['small'])
})

test('a broker that stops answering: unknown for what was sent, and well again when it answers', async () => {
  const topic = await makeTopic(1)
  const proxy = track(await proxyToBroker())
  const producer = track(
    createCommandProducer(
      settingsThrough(() => proxy),
      { deadlineMs: 1500, requestTimeoutMs: 500 },
    ),
  )
  const id = { topic, partition: 0 }
  await producer.append(id, 'k', 'before')
  proxy.stall()
  await expect(producer.append(id, 'k', 'during')).rejects.toBeInstanceOf(OutcomeUnknownError)
  proxy.resume()
  await producer.append(id, 'k', 'after')
  const values = (await readTopic(topic)).map(({ value }) => value)
  expect(values[0]).toBe('before')
  expect(values).toContain('after')
})

test('an append that was written, lost its answer and then waited in vain is unknown, never unavailable', async () => {
  const topic = await makeTopic(1)
  const proxy = await proxyToBroker()
  const producer = track(
    createCommandProducer(
      settingsThrough(() => proxy),
      { deadlineMs: 1500, requestTimeoutMs: 500 },
    ),
  )
  const id = { topic, partition: 0 }
  await producer.append(id, 'k', 'before')
  const fired = proxy.arm('lost-answer')
  const answer = producer.append(id, 'k', 'during').catch((error: unknown) => error)
  await fired
  await proxy.close()
  expect(await answer).toBeInstanceOf(OutcomeUnknownError)
  expect((await readTopic(topic)).map(({ value }) => value)).toContain('during')
})

test('send keeps the order of first occurrences while connections are cut', async () => {
  const topic = await makeTopic(2)
  const proxy = track(await proxyToBroker())
  const producer = track(
    createCommandProducer(
      settingsThrough(() => proxy),
      { maxBatchMessages: 5 },
    ),
  )
  const messages = Array.from({ length: 100 }, (_, n) => ({
    topic,
    partition: n % 2,
    key: 'k',
    value: String(n),
  }))
  await producer.connect()
  const cutting = cutProduces(proxy, 6)
  await producer.send(messages)
  await cutting
  const stored = await readTopic(topic)
  expect(stored.length).toBeGreaterThan(100)
  for (const partition of [0, 1]) {
    const values = stored.filter((each) => each.partition === partition).map(({ value }) => value)
    const expected = messages.filter((each) => each.partition === partition).map(({ value }) => value)
    expect([...new Set(values)]).toEqual(expected)
  }
})

test('close answers what was accepted and takes nothing more', async () => {
  const topic = await makeTopic(1)
  const producer: CommandProducer = createCommandProducer(directSettings())
  const appends = Array.from({ length: 50 }, (_, n) =>
    producer.append({ topic, partition: 0 }, 'k', String(n)),
  )
  const closing = producer.close()
  await expect(producer.append({ topic, partition: 0 }, 'k', 'late')).rejects.toBeInstanceOf(
    LogUnavailableError,
  )
  await closing
  expect(await Promise.all(appends)).toHaveLength(50)
  expect((await boundsOf(topic)).get(0)).toEqual({ low: 0, high: 50 })
})

/** Loses the answers of so many produce requests, one after the other. */
async function cutProduces(proxy: TcpProxy, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await proxy.arm('lost-answer', { matches: (chunk) => chunk.length > 6 && chunk.readInt16BE(4) === 0 })
  }
}
