/**
 * One life of a kafkajs group consumer: connect, join, fetch, until it is closed or crashes. It never restarts by
 * itself: kafkajs's own restarts leave out the errors a restarting broker causes (KafkaJSGroupCoordinatorNotFound).
 *
 * Invariant: after `close` no event is raised.
 */
import type { LogRecord } from '@ironsys/engine'
import type { Batch, Consumer } from 'kafkajs'
import { createClient, endedWithin, type KafkaSettings, reasonOf } from './client.ts'
import { type SocketWatch, watchSockets } from './sockets.ts'

export interface SessionOptions {
  readonly groupId: string
  readonly topic: string
  /** Without a heartbeat for so long, the group gives this member's partitions to others, milliseconds. */
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** How long a fetch may wait for data; a seek or a resume takes effect after so long at the latest. */
  readonly maxWaitMs: number
  readonly maxFetchBytes: number
  readonly maxFetchBytesPerPartition: number
  /** Without any fetch for so long, the consumer counts as stuck, milliseconds. */
  readonly stuckAfterMs: number
}

export interface SessionEvents {
  /** Joined, or joined again: these are the member's partitions now. */
  joined(memberId: string, partitions: readonly number[]): void
  /** `logEnd` is the offset that the partition's next record will get. */
  records(partition: number, records: readonly LogRecord[], logEnd: number): void
  /** A connection broke. The log on the other end may not be the one that was read before. */
  connectionLost(): void
  /** The session is over. */
  crashed(error: unknown): void
}

export interface ConsumerSession {
  /** Resolves when the group was joined. Throws when that failed; the session is to be closed then, too. */
  start(): Promise<void>
  seek(partition: number, offset: number): void
  pause(partition: number): void
  resume(partition: number): void
  commit(offsets: ReadonlyMap<number, number>): Promise<void>
  /** Leaves the group if it answers in time. Never rejects. */
  close(): Promise<void>
}

const REQUEST_TIMEOUT_MS = 5000
const RETRIES = 5
const LEAVE_TIMEOUT_MS = 3000
const STUCK_CHECK_INTERVAL_MS = 1000

export function createSession(
  settings: KafkaSettings,
  options: SessionOptions,
  events: SessionEvents,
): ConsumerSession {
  const { topic } = options
  let state: 'starting' | 'running' | 'over' = 'starting'
  let crash: unknown = null
  let lastFetchMs = performance.now()

  const crashed = (error: unknown): void => {
    if (state === 'starting') crash ??= error
    if (state !== 'running') return
    state = 'over'
    events.crashed(error)
  }
  const guarded = (work: () => void): void => {
    if (state === 'over') return
    try {
      work()
    } catch (error) {
      crashed(error)
    }
  }
  const sockets = watchSockets(settings.socketFactory, { lost: () => guarded(() => events.connectionLost()) })
  const consumer = createConsumer(settings, options, sockets)
  listen(consumer, sockets, {
    joined: (memberId, partitions) => guarded(() => events.joined(memberId, partitions)),
    fetched: () => {
      lastFetchMs = performance.now()
    },
    crashed,
  })
  const stuckTimer = setInterval(() => {
    if (performance.now() - lastFetchMs > options.stuckAfterMs) crashed(new Error('the consumer is stuck'))
  }, STUCK_CHECK_INTERVAL_MS)

  const deliver = (batch: Batch): void =>
    guarded(() => events.records(batch.partition, recordsOf(batch), Number(batch.highWatermark)))
  const whileJoined = (work: () => void): void => tryWhileJoined(settings, work)
  return {
    start: async () => {
      await run(consumer, topic, deliver)
      if (crash !== null) throw crash
      lastFetchMs = performance.now()
      state = 'running'
    },
    seek: (partition, offset) =>
      whileJoined(() => consumer.seek({ topic, partition, offset: String(offset) })),
    pause: (partition) => whileJoined(() => consumer.pause([{ topic, partitions: [partition] }])),
    resume: (partition) => whileJoined(() => consumer.resume([{ topic, partitions: [partition] }])),
    commit: (offsets) =>
      consumer.commitOffsets(
        [...offsets].map(([partition, offset]) => ({ topic, partition, offset: String(offset) })),
      ),
    close: async () => {
      state = 'over'
      clearInterval(stuckTimer)
      await endedWithin(consumer.disconnect(), LEAVE_TIMEOUT_MS)
      sockets.close()
    },
  }
}

function createConsumer(settings: KafkaSettings, options: SessionOptions, sockets: SocketWatch): Consumer {
  const kafka = createClient(settings, {
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    retries: RETRIES,
    socketFactory: sockets.factory,
  })
  return kafka.consumer({
    groupId: options.groupId,
    allowAutoTopicCreation: false,
    sessionTimeout: options.sessionTimeoutMs,
    rebalanceTimeout: options.sessionTimeoutMs,
    heartbeatInterval: options.heartbeatIntervalMs,
    minBytes: 1,
    maxBytes: options.maxFetchBytes,
    maxBytesPerPartition: options.maxFetchBytesPerPartition,
    maxWaitTimeInMs: options.maxWaitMs,
    readUncommitted: true,
    retry: { retries: RETRIES, restartOnFailure: async () => false },
  })
}

async function run(consumer: Consumer, topic: string, deliver: (batch: Batch) => void): Promise<void> {
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, isStale }) => {
      // Stale: fetched before a seek.
      if (batch.topic === topic && !isStale()) deliver(batch)
    },
  })
}

/** kafkajs throws when it is between two lives; what was asked for is repeated at the next join. */
function tryWhileJoined({ logger }: KafkaSettings, work: () => void): void {
  try {
    work()
  } catch (error) {
    logger.debug({ reason: reasonOf(error) }, 'not joined, will be repeated at the next join')
  }
}

interface Listeners {
  joined(memberId: string, partitions: readonly number[]): void
  fetched(): void
  crashed(error: unknown): void
}

function listen(consumer: Consumer, sockets: SocketWatch, { joined, fetched, crashed }: Listeners): void {
  const { GROUP_JOIN, FETCH, CRASH, REQUEST_TIMEOUT } = consumer.events
  consumer.on(GROUP_JOIN, ({ payload }) => {
    joined(payload.memberId, Object.values(payload.memberAssignment).flat())
  })
  consumer.on(FETCH, fetched)
  consumer.on(CRASH, ({ payload }) => crashed(payload.error))
  // kafkajs goes on using a connection that no longer answers.
  consumer.on(REQUEST_TIMEOUT, ({ payload }) => sockets.cut(payload.broker))
}

function recordsOf({ messages }: Batch): LogRecord[] {
  return messages.map(({ offset, timestamp, key, value }) => ({
    offset: Number(offset),
    timeMs: Number(timestamp),
    key,
    value,
  }))
}
