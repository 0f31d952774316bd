/** The producer's limits and what it reports. */
import type { BatchLimits } from './produce-queue.ts'

export interface ProducerOptions extends BatchLimits {
  /** How long an append may take in all, milliseconds. */
  readonly deadlineMs: number
  /** Requests outstanding at once. */
  readonly maxInFlight: number
  /** Appends outstanding at once, sent or not. */
  readonly maxQueuedMessages: number
  readonly maxQueuedBytes: number
  /** How long a broker may take for one request, milliseconds: below the deadline, so that there is a second one. */
  readonly requestTimeoutMs: number
  /** First and longest wait before a retry, milliseconds; doubles in between. */
  readonly retryDelayMs: number
  readonly retryDelayMaxMs: number
}

const MIB = 1024 * 1024

export const defaultProducerOptions: ProducerOptions = {
  deadlineMs: 5000,
  maxInFlight: 3,
  maxQueuedMessages: 10_000,
  maxQueuedBytes: 32 * MIB,
  maxBatchMessages: 1000,
  maxBatchBytes: MIB,
  maxRequestBytes: 4 * MIB,
  requestTimeoutMs: 2000,
  retryDelayMs: 50,
  retryDelayMaxMs: 1000,
}

/** Throws a RangeError when two limits contradict each other. */
export function checkProducerOptions(options: ProducerOptions): void {
  const ordered: readonly (readonly [string, number, string, number])[] = [
    ['maxBatchBytes', options.maxBatchBytes, 'maxRequestBytes', options.maxRequestBytes],
    ['maxRequestBytes', options.maxRequestBytes, 'maxQueuedBytes', options.maxQueuedBytes],
    ['requestTimeoutMs', options.requestTimeoutMs, 'deadlineMs', options.deadlineMs],
    ['retryDelayMs', options.retryDelayMs, 'retryDelayMaxMs', options.retryDelayMaxMs],
  ]
  for (const [small, smallValue, large, largeValue] of ordered) {
    if (smallValue > largeValue)
      throw new RangeError(`${small} (${smallValue}) is above ${large} (${largeValue})`)
  }
  for (const [name, value] of Object.entries(options)) {
    if (!(value > 0)) throw new RangeError(`${name} must be above 0, not ${value}`)
  }
}

export interface ProduceRequestEvent {
  readonly messages: number
  readonly durationMs: number
  readonly failure: string | null
}

/** What metrics see. Called on the hot path: must be cheap and must not throw. */
export interface ProducerObserver {
  /** A produce request ended; `failure` says why in words, null when it was acknowledged. */
  request(event: ProduceRequestEvent): void
  /** An append was not acknowledged. */
  rejected(reason: 'overloaded' | 'unavailable' | 'unknown'): void
}
