/**
 * What a 202 promises, against a real broker whose connections are cut in the middle of produce requests: before the
 * request arrives, half way through it, and between the write and its answer.
 */
import { LogUnavailableError, OutcomeUnknownError } from '@ironsys/engine'
import type { Fault, TcpProxy } from '@ironsys/testing'
import { afterEach, expect, test } from 'vitest'
import { makeTopic, proxyToBroker, readTopic, settingsThrough } from './log-under-test.ts'
import { type CommandProducer, createCommandProducer } from './producer.ts'

const CALLERS = 64
const PARTITIONS = 3
const CUTS = 60

const faults: readonly Fault[] = ['lost-answer', 'half-request', 'lost-answer', 'lost-request']

interface Outcome {
  readonly partition: number
  readonly value: string
  /** The answer's offset and log time; or how it failed. */
  readonly end: { offset: number; timeMs: number } | 'unknown' | 'unavailable'
}

let proxy: TcpProxy | null = null
let producer: CommandProducer | null = null
afterEach(async () => {
  await producer?.close()
  await proxy?.close()
})

test('every acknowledged command is in the log, where and when its answer says', {
  timeout: 120_000,
}, async () => {
  const topic = await makeTopic(PARTITIONS)
  const through = await proxyToBroker()
  proxy = through
  const appender = createCommandProducer(settingsThrough(() => through))
  producer = appender
  await appender.connect()

  const outcomes: Outcome[] = []
  let cutting = true
  const call = async (caller: number): Promise<void> => {
    for (let n = 0; cutting; n++) {
      const partition = (caller + n) % PARTITIONS
      const value = `${caller}:${n}`
      outcomes.push({ partition, value, end: await endOf(appender, topic, partition, value) })
    }
  }
  const callers = Array.from({ length: CALLERS }, (_, caller) => call(caller))
  const acknowledgedSoFar = () => outcomes.filter(({ end }) => typeof end === 'object').length
  for (let n = 0; n < CUTS; n++) {
    await through.arm(faults[n % faults.length] ?? 'lost-answer', {
      matches: isProduceRequest,
      ending: n % 3 === 0 ? 'end' : 'reset',
    })
    // The next cut is to hit a producer at full work again, not its first attempt to get over this one.
    const before = acknowledgedSoFar()
    await expect.poll(acknowledgedSoFar, { timeout: 30_000, interval: 5 }).toBeGreaterThan(before)
  }
  cutting = false
  await Promise.all(callers)

  const stored = await readTopic(topic)
  const times = new Map<string, number>()
  for (const { value } of stored) times.set(value, (times.get(value) ?? 0) + 1)
  const at = new Map(stored.map((each) => [`${each.partition}/${each.offset}`, each]))
  const acknowledged = outcomes.filter(({ end }) => typeof end === 'object')
  for (const { partition, value, end } of acknowledged) {
    if (typeof end === 'string') continue
    const record = at.get(`${partition}/${end.offset}`)
    expect(record?.value).toBe(value)
    expect(record?.timeMs).toBe(end.timeMs)
  }
  for (const { value } of outcomes.filter(({ end }) => end === 'unavailable')) {
    expect(times.has(value)).toBe(false)
  }
  // The cuts did what they are for: some commands were written, not acknowledged, and written again.
  const repeated = acknowledged.filter(({ value }) => (times.get(value) ?? 0) > 1)
  expect(repeated.length).toBeGreaterThan(0)
  expect(acknowledged.length).toBeGreaterThan(CUTS)
  // Nothing is in the log that nobody sent.
  const sent = new Set(outcomes.map(({ value }) => value))
  expect([...times.keys()].filter((value) => !sent.has(value))).toEqual([])
})

async function endOf(appender: CommandProducer, topic: string, partition: number, value: string) {
  try {
    return await appender.append({ topic, partition }, 'key', value)
  } catch (error) {
    if (error instanceof LogUnavailableError) return 'unavailable'
    if (error instanceof OutcomeUnknownError) return 'unknown'
    throw error
  }
}

/** The start of a Kafka request: size (4 bytes), API key (2 bytes, Produce is 0), then its version. */
function isProduceRequest(chunk: Buffer): boolean {
  return chunk.length > 6 && chunk.readInt16BE(4) === 0
}
