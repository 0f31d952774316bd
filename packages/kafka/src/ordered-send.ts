/** Durable, ordered sending for the outbox: what one call sends is in the log in its order, each at least once. */
import { LogUnavailableError, type OutgoingMessage } from '@ironsys/engine'
import type { RecordMetadata, TopicMessages } from 'kafkajs'
import { pause } from './client.ts'
import { noSuchPartition, outcomeUnknown, refusalOf, unavailable } from './produce-faults.ts'
import type { ProduceLink } from './produce-link.ts'
import { messageBytes } from './produce-queue.ts'
import type { ProducerOptions } from './producer-options.ts'

/**
 * Sends in requests of bounded size, the next only when the one before is acknowledged; a request that failed is
 * repeated as it was. So first occurrences are in order whatever fails. Throws LogUnavailableError when nothing
 * of it was written, OutcomeUnknownError otherwise; the caller then sends all of it again.
 */
export async function sendInOrder(
  link: ProduceLink,
  messages: readonly OutgoingMessage[],
  options: ProducerOptions,
  closing: AbortSignal,
): Promise<void> {
  let written = false
  for (const request of requestsOf(messages, options)) {
    try {
      await sendUntilAcknowledged(link, request, options, closing)
    } catch (error) {
      if (written && error instanceof LogUnavailableError) throw outcomeUnknown(error)
      throw error
    }
    written = true
  }
}

async function sendUntilAcknowledged(
  link: ProduceLink,
  request: readonly OutgoingMessage[],
  options: ProducerOptions,
  closing: AbortSignal,
): Promise<void> {
  const deadlineMs = performance.now() + options.deadlineMs
  const requestsBefore = link.produceRequests()
  for (let failures = 0; ; failures++) {
    try {
      closing.throwIfAborted()
      checkAllAnswered(request, await link.send(toTopicMessages(request)))
      return
    } catch (error) {
      const unsent = link.produceRequests() === requestsBefore
      const fault = unsent ? unavailable(error) : outcomeUnknown(error)
      if (error instanceof LogUnavailableError) throw unsent ? error : fault
      const delayMs = Math.min(options.retryDelayMaxMs, options.retryDelayMs * 2 ** failures)
      if (refusalOf(error) === 'for-good' || performance.now() + delayMs > deadlineMs) throw fault
      await pause(delayMs, closing)
    }
  }
}

/** kafkajs leaves out, without an error, what belongs to a partition that it does not know. */
function checkAllAnswered(request: readonly OutgoingMessage[], answers: readonly RecordMetadata[]): void {
  const answered = new Set(answers.map(({ topicName, partition }) => `${topicName}/${partition}`))
  for (const { topic, partition } of request) {
    if (!answered.has(`${topic}/${partition}`)) throw noSuchPartition(topic, partition)
  }
}

/** Splits by the limits for one partition, held to for the whole request: simple, and no request is ever too large. */
function* requestsOf(
  messages: readonly OutgoingMessage[],
  { maxBatchMessages, maxBatchBytes }: ProducerOptions,
): Generator<readonly OutgoingMessage[]> {
  let request: OutgoingMessage[] = []
  let requestBytes = 0
  for (const message of messages) {
    const bytes = messageBytes(message.key, message.value)
    if (bytes > maxBatchBytes)
      throw new RangeError(`a message of ${bytes} bytes; at most ${maxBatchBytes} fit`)
    if (request.length === maxBatchMessages || requestBytes + bytes > maxBatchBytes) {
      yield request
      request = []
      requestBytes = 0
    }
    request.push(message)
    requestBytes += bytes
  }
  if (request.length > 0) yield request
}

function toTopicMessages(request: readonly OutgoingMessage[]): TopicMessages[] {
  const topics = new Map<string, TopicMessages>()
  for (const { topic, partition, key, value } of request) {
    const entry = topics.get(topic) ?? { topic, messages: [] }
    topics.set(topic, entry)
    entry.messages.push({ partition, key, value })
  }
  return [...topics.values()]
}
