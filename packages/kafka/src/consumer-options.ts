/** The consumer's limits, what it reports, and what it stands on. */
import type { PartitionLog } from '@ironsys/engine'
import type { LogAdmin } from './admin.ts'
import type { ConsumerSession, SessionEvents, SessionOptions } from './consumer-session.ts'
import type { BufferLimits } from './partition-log.ts'

export interface ConsumerOptions extends BufferLimits, Omit<SessionOptions, 'groupId' | 'topic'> {
  /** How often the group's offsets are committed, for lag tools, milliseconds. */
  readonly commitIntervalMs: number
  /** How long `start` goes on trying, milliseconds; later failures are tried for as long as it takes. */
  readonly startTimeoutMs: number
  /** First and longest wait before joining again after a failure, milliseconds; doubles in between. */
  readonly restartDelayMs: number
  readonly restartDelayMaxMs: number
}

const MIB = 1024 * 1024

export const defaultConsumerOptions: ConsumerOptions = {
  // The least a broker allows by default (group.min.session.timeout.ms); a killed worker's partitions move after it.
  sessionTimeoutMs: 6000,
  heartbeatIntervalMs: 1500,
  maxWaitMs: 100,
  maxFetchBytes: 4 * MIB,
  maxFetchBytesPerPartition: MIB,
  stuckAfterMs: 30_000,
  // For 12 partitions at once within a worker's memory; half of it is more than a writer decides in `maxWaitMs`.
  maxBufferedRecords: 6000,
  maxBufferedBytes: 2 * MIB,
  commitIntervalMs: 5000,
  startTimeoutMs: 20_000,
  restartDelayMs: 200,
  restartDelayMaxMs: 2000,
}

export interface ConsumerHandlers {
  assigned(log: PartitionLog, partition: number): void
  /** Its log's `next` resolves to null from now on. */
  revoked(partition: number): void
  /** The consumer has given up: credentials, rights or protocol are wrong. */
  crashed(error: Error): void
}

/** What a consumer needs of kafkajs, or of the simulator's log. */
export interface ConsumerConnection {
  readonly admin: Pick<LogAdmin, 'describe' | 'offsets' | 'close'>
  openSession(events: SessionEvents): ConsumerSession
}
