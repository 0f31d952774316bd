/** What a partition writer reports, how it ends, and what bounds it. */
import type { DecidedBatch } from './batch-interface.ts'
import type { DomainEvent, Header } from './decider.ts'
import type { PartitionId } from './ports.ts'

/** `fenced`: rejoin. `halted`: a human is needed. */
export type WriterEnding = 'fenced' | 'halted' | 'closed'
export type WriterMode = 'opening' | 'running' | WriterEnding

/** What metrics and logs see. Must not throw. */
export interface WriterObserver {
  mode(id: PartitionId, mode: WriterMode): void
  /** A fault that the writer recovers from by itself (`retrying`), or one that ends it. */
  fault(id: PartitionId, error: unknown, retrying: boolean): void
  /** A committed batch: its effects and how long each phase took, in milliseconds. */
  committed(batch: DecidedBatch<DomainEvent, Header, unknown, unknown>, phases: PhaseTimes): void
}

export interface PhaseTimes {
  readonly prefetchMs: number
  readonly decideMs: number
  readonly commitMs: number
}

export interface WriterOptions {
  /** Records per batch. */
  readonly batchRecordsMax: number
  /** After so many events a batch ends, also in the middle of a command that leads to many. */
  readonly batchEventsMax: number
  /** Headers kept in memory. */
  readonly cachedKeysMax: number
  /** Rows kept in memory. */
  readonly cachedRowsMax: number
  /** First and longest wait after a fault, milliseconds; doubles in between. */
  readonly retryDelayMs: number
  readonly retryDelayMaxMs: number
}

export const defaultWriterOptions: WriterOptions = {
  batchRecordsMax: 500,
  batchEventsMax: 1000,
  cachedKeysMax: 10_000,
  cachedRowsMax: 5_000,
  retryDelayMs: 50,
  retryDelayMaxMs: 2000,
}
