/** Which fault a message that was not acknowledged ends with. */
import type { Verdict } from '@ironsys/circuit-breaker'
import { LogUnavailableError, OutcomeUnknownError } from '@ironsys/engine'
import { brokerErrorType, reasonOf } from './client.ts'

/**
 * Answers that a broker gives before it appends anything. Others that sound alike do not belong here: with acks=all,
 * NOT_LEADER_FOR_PARTITION and REQUEST_TIMED_OUT can come after the append to the leader's own log.
 */
const refusedForNow: readonly string[] = ['NOT_ENOUGH_REPLICAS', 'CORRUPT_MESSAGE']
const refusedForGood: readonly string[] = [
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TIMESTAMP',
  'POLICY_VIOLATION',
]

/** Answers that say that the log as a whole takes nothing durable now. */
const outages: readonly string[] = [
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'REQUEST_TIMED_OUT',
  'KAFKA_STORAGE_ERROR',
]

/** For the breaker: what a failed attempt says of the log. */
export function judgeLog(error: unknown): Verdict {
  const type = brokerErrorType(error)
  return type === null || outages.includes(type) ? 'out' : 'alive'
}

/** What a failed request for one single partition says of its messages. */
export type Refusal = 'for-now' | 'for-good' | 'unknown'

export function refusalOf(error: unknown): Refusal {
  const type = brokerErrorType(error)
  if (type === null) return 'unknown'
  return refusedForGood.includes(type) ? 'for-good' : refusedForNow.includes(type) ? 'for-now' : 'unknown'
}

export function unavailable(error: unknown): LogUnavailableError {
  return new LogUnavailableError(`the log cannot be reached, nothing was written (${reasonOf(error)})`, {
    cause: error,
  })
}

/** `reason`: what the last attempt failed with. */
export function breakerIsOpen(reason: unknown): LogUnavailableError {
  return new LogUnavailableError(`the log does not answer, nothing was sent (${reasonOf(reason)})`, {
    cause: reason,
  })
}

export function outcomeUnknown(error: unknown): OutcomeUnknownError {
  return new OutcomeUnknownError(`sent to the log, but no answer by the deadline (${reasonOf(error)})`, {
    cause: error,
  })
}

export function noSuchPartition(topic: string, partition: number): LogUnavailableError {
  return new LogUnavailableError(`topic ${topic} has no partition ${partition}`)
}
