/** What appends are told while the breaker around the log is open: nothing that is not known. */
import type { BreakerState } from '@ironsys/circuit-breaker'
import { LogUnavailableError, OutcomeUnknownError } from '@ironsys/engine'
import type { RecordMetadata, TopicMessages } from 'kafkajs'
import { afterEach, expect, test, vi } from 'vitest'
import type { ProduceBreaker } from './produce-breaker.ts'
import type { ProduceLink } from './produce-link.ts'
import { type CommandProducer, createProducerOn } from './producer.ts'
import { defaultProducerOptions, type ProducerOptions } from './producer-options.ts'

const deadline = { timeout: 10_000 }

/** A log that writes, and answers or not. */
class FakeLog implements ProduceLink {
  readonly written: string[] = []
  sends = 0
  answer: 'acknowledge' | 'lose' | 'hang' = 'acknowledge'
  readonly #hanging: (() => void)[] = []

  connect = async () => undefined
  produceRequests = () => this.sends
  close = async () => {
    for (const end of this.#hanging) end()
  }

  send = async (topics: TopicMessages[]): Promise<RecordMetadata[]> => {
    this.sends++
    if (this.answer === 'hang') await new Promise<void>((end) => void this.#hanging.push(end))
    const messages = topics.flatMap(({ messages }) => messages)
    for (const { value } of messages) this.written.push(String(value))
    if (this.answer !== 'acknowledge') throw new Error('the connection was lost')
    return topics.flatMap(({ topic, messages }) =>
      messages.map(({ partition = 0 }) => ({
        topicName: topic,
        partition,
        errorCode: 0,
        baseOffset: String(this.written.length - 1),
        logAppendTime: '1',
      })),
    )
  }
}

/** In the state that it is told to be in; half-open it lets one call through. */
class SetBreaker implements ProduceBreaker {
  now: BreakerState = 'closed'
  /** By the queue's sweep. */
  looks = 0
  #isProbing = false

  state = () => {
    this.looks++
    return this.now
  }
  isRefusing = () => this.now === 'open' || (this.now === 'half-open' && this.#isProbing)

  call = async <T>(work: () => Promise<T>): Promise<T> => {
    if (this.isRefusing()) throw new Error('refused')
    this.#isProbing = this.now === 'half-open'
    return work()
  }
}

let producer: CommandProducer
afterEach(() => producer.close())

function open(options: Partial<ProducerOptions> = {}) {
  const log = new FakeLog()
  const breaker = new SetBreaker()
  const all = { ...defaultProducerOptions, retryDelayMs: 1, retryDelayMaxMs: 5, ...options }
  producer = createProducerOn(log, all, undefined, breaker)
  const append = (value: string, partition = 0) =>
    producer.append({ topic: 't', partition }, 'k', value).then(
      () => 'accepted' as const,
      (error: unknown) => error,
    )
  return { log, breaker, append }
}

test('while it is open an append is refused at once, and nothing is sent', async () => {
  const { log, breaker, append } = open()
  breaker.now = 'open'
  expect(await append('a')).toBeInstanceOf(LogUnavailableError)
  expect(log.sends).toBe(0)
})

test('what may be in the log is never called unavailable: it waits for its deadline, and is not sent again', async () => {
  const { log, breaker, append } = open({ deadlineMs: 400, requestTimeoutMs: 400 })
  log.answer = 'lose'
  const lost = append('lost')
  await vi.waitFor(() => expect(log.written).toContain('lost'), deadline)
  breaker.now = 'open'
  const sends = log.sends
  expect(await append('next')).toBeInstanceOf(LogUnavailableError)
  expect(await lost).toBeInstanceOf(OutcomeUnknownError)
  // One was on its way when it opened, at most.
  expect(log.sends).toBeLessThanOrEqual(sends + 1)
  expect(log.written).not.toContain('next')
})

test('what is certainly not sent is answered when it opens, long before its deadline', async () => {
  const { log, breaker, append } = open({ deadlineMs: 600_000, maxInFlight: 1 })
  log.answer = 'hang'
  const sent = append('sent')
  await vi.waitFor(() => expect(log.sends).toBe(1), deadline)
  const waiting = append('waiting', 1)
  breaker.now = 'open'
  expect(await waiting).toBeInstanceOf(LogUnavailableError)
  log.answer = 'acknowledge'
  await log.close()
  expect(await sent).toBe('accepted')
  expect(log.written).toEqual(['sent'])
})

test('what may be in the log is the probe, and accepted when the log answers again', async () => {
  const { log, breaker, append } = open({ deadlineMs: 600_000 })
  log.answer = 'lose'
  const lost = append('lost')
  await vi.waitFor(() => expect(log.written).toContain('lost'), deadline)
  breaker.now = 'open'
  const looks = breaker.looks
  await vi.waitFor(() => expect(breaker.looks).toBeGreaterThan(looks + 1), deadline)
  log.answer = 'acknowledge'
  breaker.now = 'half-open'
  expect(await lost).toBe('accepted')
  breaker.now = 'closed'
  expect(await append('after')).toBe('accepted')
})

test('of what comes while half-open one request is sent; the rest follows it or is refused, and none is lost', async () => {
  const { log, breaker, append } = open({ deadlineMs: 600_000 })
  breaker.now = 'half-open'
  log.answer = 'hang'
  const probe = append('probe')
  await vi.waitFor(() => expect(log.sends).toBe(1), deadline)
  expect(await append('beside')).toBeInstanceOf(LogUnavailableError)
  log.answer = 'acknowledge'
  await log.close()
  expect(await probe).toBe('accepted')
  expect(log.sends).toBe(1)
})
