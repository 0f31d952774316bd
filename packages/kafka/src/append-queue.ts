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
 * 3. LogUnavailableError only when no produce request left this process since the message's first attempt, or each
 *    attempt was refused: by the breaker before it began, or by the broker before appending. What is handed over at the
 *    deadline is OutcomeUnknownError; what still waits for a connection then is taken out of its request.
 * 4. While the breaker is open nothing is taken, and what is certainly not sent is answered within a sweep. What may be
 *    in the log keeps its deadline: its retry is the next probe.
 * 5. Appends outstanding never exceed `maxQueuedMessages`, nor their bytes `maxQueuedBytes`.
 */
import { createRetryBudget, fullJitterMs } from '@ironsys/circuit-breaker'
import {
  type Appended,
  LogOverloadedError,
  LogUnavailableError,
  type OutcomeUnknownError,
  type PartitionId,
} from '@ironsys/engine'
import type { RecordMetadata } from 'kafkajs'
import { reasonOf } from './client.ts'
import type { ProduceBreaker } from './produce-breaker.ts'
import { breakerIsOpen, noSuchPartition, outcomeUnknown, refusalOf, unavailable } from './produce-faults.ts'
import type { ProduceLink } from './produce-link.ts'
import {
  type Attempt,
  type Batch,
  type Entry,
  isCleanBefore,
  messageBytes,
  type PartitionQueue,
  PartitionQueues,
  putBack,
  takeBatch,
  takeExpired,
  takeRequest,
  takeUnsent,
  toTopicMessages,
  withoutSettled,
} from './produce-queue.ts'
import type { ProducerObserver, ProducerOptions } from './producer-options.ts'

const SWEEP_INTERVAL_MS = 50

export class AppendQueue {
  readonly #link: ProduceLink
  readonly #options: ProducerOptions
  readonly #observer: ProducerObserver
  readonly #breaker: ProduceBreaker
  readonly #retryBudget = createRetryBudget(() => performance.now())
  readonly #queues = new PartitionQueues()
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

  constructor(
    link: ProduceLink,
    options: ProducerOptions,
    observer: ProducerObserver,
    breaker: ProduceBreaker,
  ) {
    this.#link = link
    this.#breaker = breaker
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
    if (this.#breaker.isRefusing()) {
      this.#observer.rejected('unavailable')
      return Promise.reject(breakerIsOpen(this.#lastError))
    }
    if (this.#outstanding >= maxQueuedMessages || this.#outstandingBytes + bytes > maxQueuedBytes) {
      this.#observer.rejected('overloaded')
      return Promise.reject(new LogOverloadedError(`${this.#outstanding} messages wait for the log`))
    }
    const queue = this.#queues.of(id)
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
      this.#retryBudget.earn()
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
    const attempt: Attempt = { batches, phase: 'planned', requestsBefore, startedMs: performance.now() }
    this.#attempts.add(attempt)
    try {
      const answers = await this.#breaker.call(() => this.#send(attempt))
      if (answers === null) return
      this.#report(attempt, null)
      for (const batch of attempt.batches) this.#acknowledge(batch, answers)
    } catch (error) {
      if (attempt.phase !== 'planned') {
        this.#report(attempt, reasonOf(error))
        this.#lastError = error
      }
      for (const batch of attempt.batches) this.#failed(attempt, batch, error)
    } finally {
      this.#attempts.delete(attempt)
    }
  }

  /** Null when nobody waits for it any more. */
  async #send(attempt: Attempt): Promise<readonly RecordMetadata[] | null> {
    attempt.phase = 'connecting'
    await this.#link.connect()
    attempt.batches = withoutSettled(attempt.batches)
    if (attempt.batches.length === 0) return null
    attempt.phase = 'handed-over'
    return this.#link.send(toTopicMessages(attempt.batches))
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
    const answered = attempt.batches.length === 1 ? refusalOf(error) : 'unknown'
    const refusal = attempt.phase === 'planned' ? 'for-now' : answered
    for (const entry of entries) {
      if (refusal !== 'unknown' && isCleanBefore(attempt, entry)) entry.requestsBefore = null
      if (refusal === 'for-good') this.#settle(entry, this.#fault(entry, error))
    }
    putBack(queue, entries)
    queue.failures++
    this.#ready.delete(queue)
    this.#planRetry(queue)
  }

  #planRetry(queue: PartitionQueue): void {
    if (this.#retryTimers.has(queue)) return
    const { retryDelayMs: firstMs, retryDelayMaxMs: longestMs } = this.#options
    const delayMs = fullJitterMs(queue.failures - 1, { firstMs, longestMs }, Math.random)
    const timer = setTimeout(() => void this.#retry(queue), delayMs)
    this.#retryTimers.set(queue, timer)
  }

  /** One attempt for a partition that failed; its timer stays in the map meanwhile, so that there is only one. */
  async #retry(queue: PartitionQueue): Promise<void> {
    const isAllowed = queue.entries.length > 0 && !this.#breaker.isRefusing() && this.#retryBudget.spend()
    const entries = isAllowed ? takeBatch(queue, this.#options, this.#options.maxRequestBytes) : []
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
    const isOut = this.#breaker.state() === 'open'
    for (const queue of this.#queues.all()) {
      const over = takeExpired(queue, nowMs)
      if (isOut) over.push(...takeUnsent(queue, (entry) => this.#isUnsent(entry)))
      for (const entry of over) this.#settle(entry, this.#fault(entry, this.#lastError))
    }
    for (const { batches, phase } of this.#attempts) {
      for (const entry of batches.flatMap(({ entries }) => entries)) {
        if (entry.deadlineMs > nowMs) continue
        const fault =
          phase === 'handed-over'
            ? outcomeUnknown(new Error('no answer yet'))
            : this.#fault(entry, this.#lastError)
        this.#settle(entry, fault)
      }
    }
  }

  #fault(entry: Entry, error: unknown): LogUnavailableError | OutcomeUnknownError {
    return this.#isUnsent(entry) ? unavailable(error) : outcomeUnknown(error)
  }

  #isUnsent({ requestsBefore }: Entry): boolean {
    return requestsBefore === null || requestsBefore === this.#link.produceRequests()
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
