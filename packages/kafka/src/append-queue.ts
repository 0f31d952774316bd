/**
 * The micro-batching queue of the producer: many appends in, few produce requests out.
 *
 * Modes: open → closing (takes nothing more, drains) → closed.
 * Lanes: partitions that are well share up to `maxInFlight` requests; one whose last attempt failed is retried alone,
 * one request at a time after a wait, so that one dead leader or refused message holds up nothing else.
 *
 * Invariants:
 * 1. Every append settles once, at its deadline at the latest (up to a sweep later).
 * 2. Acknowledged means: a broker answered acks=all for the request that this very message was in, and its offset is
 *    that answer's base offset plus its place in the batch.
 * 3. LogUnavailableError only when no produce request left this process since the message's first attempt, or the
 *    broker refused each attempt before appending. What is handed over at the deadline is OutcomeUnknownError; what still
 *    waits for a connection then is taken out of its request.
 * 4. Appends outstanding never exceed `maxQueuedMessages`, nor their bytes `maxQueuedBytes`.
 */
import {
  type Appended,
  LogOverloadedError,
  LogUnavailableError,
  type OutcomeUnknownError,
  type PartitionId,
} from '@ironsys/engine'
import type { RecordMetadata } from 'kafkajs'
import { reasonOf } from './client.ts'
import { noSuchPartition, outcomeUnknown, refusalOf, unavailable } from './produce-faults.ts'
import type { ProduceLink } from './produce-link.ts'
import {
  type Batch,
  type Entry,
  messageBytes,
  type PartitionQueue,
  putBack,
  takeBatch,
  takeExpired,
  takeRequest,
  toTopicMessages,
  withoutSettled,
} from './produce-queue.ts'
import type { ProducerObserver, ProducerOptions } from './producer-options.ts'

const SWEEP_INTERVAL_MS = 50

/** A request that waits for the connection, or (`handedOver`) for its answer. */
interface Attempt {
  batches: readonly Batch[]
  handedOver: boolean
  readonly requestsBefore: number
  readonly startedMs: number
}

export class AppendQueue {
  readonly #link: ProduceLink
  readonly #options: ProducerOptions
  readonly #observer: ProducerObserver
  readonly #topics = new Map<string, Map<number, PartitionQueue>>()
  readonly #ready = new Set<PartitionQueue>()
  readonly #attempts = new Set<Attempt>()
  readonly #retryTimers = new Map<PartitionQueue, NodeJS.Timeout>()
  readonly #sweeper: NodeJS.Timeout
  #sharedInFlight = 0
  #flushPlanned = false
  #sequence = 0
  #outstanding = 0
  #outstandingBytes = 0
  #open = true
  #lastError: unknown = new Error('no attempt was made')
  #drained: (() => void) | null = null

  constructor(link: ProduceLink, options: ProducerOptions, observer: ProducerObserver) {
    this.#link = link
    this.#options = options
    this.#observer = observer
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS)
    this.#sweeper.unref()
  }

  get outstanding(): number {
    return this.#outstanding
  }

  append(id: PartitionId, key: string, value: string): Promise<Appended> {
    const { maxQueuedMessages, maxQueuedBytes, maxBatchBytes, deadlineMs } = this.#options
    const bytes = messageBytes(key, value)
    if (bytes > maxBatchBytes) {
      return Promise.reject(
        new RangeError(`a message of ${bytes} bytes; at most ${maxBatchBytes} fit the log`),
      )
    }
    if (!this.#open) return Promise.reject(new LogUnavailableError('the producer is closing'))
    if (this.#outstanding >= maxQueuedMessages || this.#outstandingBytes + bytes > maxQueuedBytes) {
      this.#observer.rejected('overloaded')
      return Promise.reject(new LogOverloadedError(`${this.#outstanding} messages wait for the log`))
    }
    const queue = this.#queueOf(id)
    return new Promise((resolve, reject) => {
      queue.entries.push({
        message: { key, value, partition: id.partition },
        bytes,
        sequence: this.#sequence++,
        deadlineMs: performance.now() + deadlineMs,
        resolve,
        reject,
        requestsBefore: null,
        settled: false,
      })
      this.#outstanding++
      this.#outstandingBytes += bytes
      if (queue.failures === 0) {
        this.#ready.add(queue)
        this.#planFlush()
      }
    })
  }

  /** Takes nothing more and resolves when everything is answered: at the last deadline at the latest. */
  async drain(): Promise<void> {
    this.#open = false
    if (this.#outstanding > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
    clearInterval(this.#sweeper)
    for (const timer of this.#retryTimers.values()) clearTimeout(timer)
    this.#retryTimers.clear()
  }

  #queueOf({ topic, partition }: PartitionId): PartitionQueue {
    let partitions = this.#topics.get(topic)
    if (partitions === undefined) {
      partitions = new Map()
      this.#topics.set(topic, partitions)
    }
    let queue = partitions.get(partition)
    if (queue === undefined) {
      queue = { topic, partition, entries: [], failures: 0 }
      partitions.set(partition, queue)
    }
    return queue
  }

  /** Once per turn of the event loop: what one turn brings goes out together. */
  #planFlush(): void {
    if (this.#flushPlanned || this.#sharedInFlight >= this.#options.maxInFlight) return
    this.#flushPlanned = true
    setImmediate(() => {
      this.#flushPlanned = false
      this.#flush()
    })
  }

  #flush(): void {
    while (this.#sharedInFlight < this.#options.maxInFlight && this.#ready.size > 0) {
      const batches = takeRequest(this.#ready, this.#options)
      if (batches.length === 0) break
      this.#sharedInFlight++
      void this.#attempt(batches).then(() => {
        this.#sharedInFlight--
        if (this.#ready.size > 0) this.#planFlush()
      })
    }
  }

  async #attempt(batches: readonly Batch[]): Promise<void> {
    const requestsBefore = this.#link.produceRequests()
    for (const { entries } of batches) {
      for (const entry of entries) entry.requestsBefore ??= requestsBefore
    }
    const attempt: Attempt = { batches, handedOver: false, requestsBefore, startedMs: performance.now() }
    this.#attempts.add(attempt)
    try {
      await this.#link.connect()
      attempt.batches = withoutSettled(batches)
      if (attempt.batches.length === 0) return
      attempt.handedOver = true
      const answers = await this.#link.send(toTopicMessages(attempt.batches))
      this.#report(attempt, null)
      for (const batch of attempt.batches) this.#acknowledge(batch, answers)
    } catch (error) {
      this.#report(attempt, reasonOf(error))
      this.#lastError = error
      for (const batch of attempt.batches) this.#failed(attempt, batch, error)
    } finally {
      this.#attempts.delete(attempt)
    }
  }

  #acknowledge({ queue, entries }: Batch, answers: readonly RecordMetadata[]): void {
    const { topic, partition } = queue
    const answer = answers.find((each) => each.partition === partition && each.topicName === topic)
    // kafkajs leaves out, without an error, what belongs to a partition that it does not know. Partitions are never
    // taken away from a topic: no earlier attempt was sent either.
    if (answer?.baseOffset === undefined) {
      const fault = noSuchPartition(topic, partition)
      for (const entry of entries) this.#settle(entry, fault)
      return
    }
    queue.failures = 0
    const baseOffset = Number(answer.baseOffset)
    const timeMs = Number(answer.logAppendTime)
    entries.forEach((entry, index) => {
      this.#settle(entry, { offset: baseOffset + index, timeMs })
    })
    if (queue.entries.length > 0) this.#ready.add(queue)
  }

  #failed(attempt: Attempt, { queue, entries }: Batch, error: unknown): void {
    const refusal = attempt.batches.length === 1 ? refusalOf(error) : 'unknown'
    for (const entry of entries) {
      if (refusal !== 'unknown' && cleanBefore(attempt, entry)) entry.requestsBefore = null
      if (refusal === 'for-good') this.#settle(entry, this.#fault(entry, error))
    }
    putBack(queue, entries)
    queue.failures++
    this.#ready.delete(queue)
    this.#planRetry(queue)
  }

  #planRetry(queue: PartitionQueue): void {
    if (this.#retryTimers.has(queue)) return
    const { retryDelayMs, retryDelayMaxMs } = this.#options
    const delayMs = Math.min(retryDelayMaxMs, retryDelayMs * 2 ** (queue.failures - 1))
    const timer = setTimeout(() => void this.#retry(queue), delayMs * (0.5 + Math.random() / 2))
    this.#retryTimers.set(queue, timer)
  }

  /** One attempt for a partition that failed; its timer stays in the map meanwhile, so that there is only one. */
  async #retry(queue: PartitionQueue): Promise<void> {
    const entries = takeBatch(queue, this.#options, this.#options.maxRequestBytes)
    if (entries.length > 0) await this.#attempt([{ queue, entries }])
    this.#retryTimers.delete(queue)
    if (queue.entries.length === 0) {
      // Nobody waits any more: the next append finds out whether the partition is well.
      queue.failures = 0
    } else if (queue.failures > 0) {
      this.#planRetry(queue)
    } else {
      this.#ready.add(queue)
      this.#planFlush()
    }
  }

  #sweep(): void {
    if (this.#outstanding === 0) return
    const nowMs = performance.now()
    for (const partitions of this.#topics.values()) {
      for (const queue of partitions.values()) {
        for (const entry of takeExpired(queue, nowMs))
          this.#settle(entry, this.#fault(entry, this.#lastError))
      }
    }
    for (const { batches, handedOver } of this.#attempts) {
      for (const entry of batches.flatMap(({ entries }) => entries)) {
        if (entry.deadlineMs > nowMs) continue
        const fault = handedOver
          ? outcomeUnknown(new Error('no answer yet'))
          : this.#fault(entry, this.#lastError)
        this.#settle(entry, fault)
      }
    }
  }

  #fault(entry: Entry, error: unknown): LogUnavailableError | OutcomeUnknownError {
    const unsent = entry.requestsBefore === null || entry.requestsBefore === this.#link.produceRequests()
    return unsent ? unavailable(error) : outcomeUnknown(error)
  }

  #settle(entry: Entry, outcome: Appended | Error): void {
    if (entry.settled) return
    entry.settled = true
    this.#outstanding--
    this.#outstandingBytes -= entry.bytes
    if (outcome instanceof Error) {
      this.#observer.rejected(outcome instanceof LogUnavailableError ? 'unavailable' : 'unknown')
      entry.reject(outcome)
    } else entry.resolve(outcome)
    if (this.#outstanding === 0) this.#drained?.()
  }

  #report({ batches, startedMs }: Attempt, failure: string | null): void {
    let messages = 0
    for (const { entries } of batches) messages += entries.length
    this.#observer.request({ messages, durationMs: performance.now() - startedMs, failure })
  }
}

/** True when no produce request of this process came between the entry's first attempt and this one. */
function cleanBefore(attempt: Attempt, entry: Entry): boolean {
  return entry.requestsBefore === attempt.requestsBefore
}
