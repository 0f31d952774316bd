/** What waits to be produced, and how much of it goes into one request. Pure bookkeeping: no clock, no I/O. */
import type { Appended, PartitionId } from '@ironsys/engine'
import type { TopicMessages } from 'kafkajs'

export interface BatchLimits {
  /** Messages per partition and request: kafkajs's grouping copies n²/2 references for n messages. */
  readonly maxBatchMessages: number
  /** Bytes per partition and request: below the topic's `max.message.bytes`, which bounds a whole record batch. */
  readonly maxBatchBytes: number
  /** Bytes per request. */
  readonly maxRequestBytes: number
}

/** One message of a caller who waits. */
export interface Entry {
  readonly message: { readonly key: string; readonly value: string; readonly partition: number }
  readonly bytes: number
  /** Counts appends: entries that come back from a failed request keep their places. */
  readonly sequence: number
  /** Monotonic milliseconds. */
  readonly deadlineMs: number
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: Error) => void
  /**
   * The count of produce requests before this entry's first attempt; null before that. As long as the count stays
   * the same, the entry was not sent.
   */
  requestsBefore: number | null
  settled: boolean
}

/** The queue of one partition, oldest first. */
export interface PartitionQueue {
  readonly topic: string
  readonly partition: number
  entries: Entry[]
  /** Failed attempts in a row. While there are any, the partition is sent alone, so that it spoils no other. */
  failures: number
}

/** The queues of all partitions that anything was ever appended to. */
export class PartitionQueues {
  readonly #queues = new Map<string, Map<number, PartitionQueue>>()

  of({ topic, partition }: PartitionId): PartitionQueue {
    let ofTopic = this.#queues.get(topic)
    if (ofTopic === undefined) {
      ofTopic = new Map()
      this.#queues.set(topic, ofTopic)
    }
    let queue = ofTopic.get(partition)
    if (queue === undefined) {
      queue = { topic, partition, entries: [], failures: 0 }
      ofTopic.set(partition, queue)
    }
    return queue
  }

  *all(): Iterable<PartitionQueue> {
    for (const ofTopic of this.#queues.values()) yield* ofTopic.values()
  }
}

export interface Batch {
  readonly queue: PartitionQueue
  readonly entries: readonly Entry[]
}

/** One produce request, from its plan to its answer. */
export interface Attempt {
  batches: readonly Batch[]
  /** Planned: nothing was done for it, and nothing will be if the breaker refuses it. Handed over: it may be sent. */
  phase: 'planned' | 'connecting' | 'handed-over'
  readonly requestsBefore: number
  readonly startedMs: number
}

/** True when no produce request of this process came between the entry's first attempt and this one. */
export function isCleanBefore(attempt: Attempt, entry: Entry): boolean {
  return entry.requestsBefore === attempt.requestsBefore
}

/** A record batch's header, and an upper bound of what one record adds to its key and value. */
const RECORD_BATCH_BYTES = 61
const RECORD_OVERHEAD_BYTES = 32

export function messageBytes(key: string, value: string): number {
  return Buffer.byteLength(key) + Buffer.byteLength(value) + RECORD_OVERHEAD_BYTES
}

/** Takes the oldest entries that fit; at least one if there is any. */
export function takeBatch(queue: PartitionQueue, limits: BatchLimits, maxBytes: number): Entry[] {
  const room = Math.min(maxBytes, limits.maxBatchBytes)
  const { entries } = queue
  let bytes = RECORD_BATCH_BYTES
  let count = 0
  for (const entry of entries) {
    bytes += entry.bytes
    if (count > 0 && (count === limits.maxBatchMessages || bytes > room)) break
    count++
  }
  if (count === entries.length) {
    queue.entries = []
    return entries
  }
  return entries.splice(0, count)
}

/**
 * Takes one request's worth from the queues, first come first served, and removes the queues that are empty then.
 * A queue that still has entries goes to the end of the line.
 */
export function takeRequest(ready: Set<PartitionQueue>, limits: BatchLimits): Batch[] {
  const batches: Batch[] = []
  let room = limits.maxRequestBytes
  for (const queue of [...ready]) {
    if (room <= 0) break
    ready.delete(queue)
    const entries = takeBatch(queue, limits, room)
    if (entries.length > 0) batches.push({ queue, entries })
    for (const entry of entries) room -= entry.bytes
    if (queue.entries.length > 0) ready.add(queue)
  }
  return batches
}

/** Puts back what a failed request had, in the order of the appends, without what has been answered meanwhile. */
export function putBack(queue: PartitionQueue, entries: readonly Entry[]): void {
  const open = entries.filter((entry) => !entry.settled)
  queue.entries = [...open, ...queue.entries].sort((a, b) => a.sequence - b.sequence)
}

/** Takes out what is overdue. */
export function takeExpired(queue: PartitionQueue, nowMs: number): Entry[] {
  const { entries } = queue
  let count = 0
  while (count < entries.length && (entries[count]?.deadlineMs ?? Number.POSITIVE_INFINITY) <= nowMs) count++
  return count === 0 ? [] : entries.splice(0, count)
}

/** Takes out what is certainly not sent. */
export function takeUnsent(queue: PartitionQueue, isUnsent: (entry: Entry) => boolean): Entry[] {
  const unsent = queue.entries.filter(isUnsent)
  if (unsent.length > 0) queue.entries = queue.entries.filter((entry) => !isUnsent(entry))
  return unsent
}

/** What somebody still waits for: expired entries are not sent. */
export function withoutSettled(batches: readonly Batch[]): readonly Batch[] {
  if (!batches.some(({ entries }) => entries.some((entry) => entry.settled))) return batches
  return batches
    .map(({ queue, entries }) => ({ queue, entries: entries.filter((entry) => !entry.settled) }))
    .filter(({ entries }) => entries.length > 0)
}

/** A request as kafkajs takes it. */
export function toTopicMessages(batches: readonly Batch[]): TopicMessages[] {
  const topics = new Map<string, TopicMessages>()
  for (const { queue, entries } of batches) {
    let topic = topics.get(queue.topic)
    if (topic === undefined) {
      topic = { topic: queue.topic, messages: [] }
      topics.set(queue.topic, topic)
    }
    for (const entry of entries) topic.messages.push(entry.message)
  }
  return [...topics.values()]
}
