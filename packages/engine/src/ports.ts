/** What the engine needs from the world. Each port has an adapter on real servers and a twin in the simulator. */
import type { DomainEvent, Header } from './decider.ts'

/** One partition of one topic. */
export interface PartitionId {
  readonly topic: string
  readonly partition: number
}

// ---------------------------------------------------------------------------------------------- the command log

export interface LogRecord {
  readonly offset: number
  /** LogAppendTime, Unix milliseconds. */
  readonly timeMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** A reader of one partition, from the moment it is assigned until it is closed. */
export interface PartitionLog {
  /** The first offset still kept and the one the next record will get. */
  bounds(): Promise<{ readonly low: number; readonly high: number }>
  /** Where reading goes on, also for a `next` that is waiting. What was fetched before is dropped. */
  seek(offset: number): void
  /**
   * The next records, in offset order without holes among them, at least one and at most `maxRecords`.
   * They may start below the sought offset (redelivery) or above it (a hole): the caller checks.
   * Resolves to null when the partition is taken away or the log is closed.
   */
  next(maxRecords: number): Promise<readonly LogRecord[] | null>
  /** Tells lag tools how far the writer is. Best effort; nothing depends on it. */
  acknowledge(nextOffset: number): void
}

/** Where a command came to lie in the log. */
export interface Appended {
  readonly offset: number
  /** LogAppendTime, Unix milliseconds. */
  readonly timeMs: number
}

/** The producing side: one command to an explicit partition. Resolves when it is durable (acks=all). */
export interface CommandAppender {
  /**
   * Throws {@link LogOverloadedError} (not enqueued), {@link LogUnavailableError} (known not to be written) or
   * {@link OutcomeUnknownError} (it may or may not be in the log; send it again under the same id).
   */
  append(id: PartitionId, key: string, value: string): Promise<Appended>
}

// ------------------------------------------------------------------------------------------------------ the store

/** The row of `partition_progress`: the fence, and all that a new owner must know. */
export interface Progress {
  /** The offset of the first record not yet applied. */
  readonly nextOffset: number
  /** Raised by repair and restore only; part of the fence and of every snapshot. */
  readonly epoch: number
  /** The clamp: no decision's time is before it. Unix milliseconds. */
  readonly logTimeMs: number
  /** SHA-256 (first 16 bytes, hex) and log time of the last applied record; null before the first. */
  readonly lastRecord: { readonly digest: string; readonly timeMs: number } | null
  /** Sequence of the last event of this partition, gapless from 1; 0 before the first. */
  readonly eventSeq: number
  /** Steps that the first record not yet applied has taken already: where a batch ends makes no difference (I6). */
  readonly steps: number
}

/** An effect on a key, under the version of the header after it. */
export interface LedgerEntry<E extends DomainEvent, H extends Header> {
  readonly key: string
  readonly atMs: number
  readonly event: E
  readonly before: H | null
  readonly after: H
}

export interface RememberedOutcome<O> {
  readonly commandId: string
  readonly atMs: number
  readonly outcome: O
}

/**
 * `malformed`: the record could not be read. `misrouted`: its key belongs to another partition.
 * `data-error`: the database refused what it led to.
 */
export type DeadLetterCode = 'malformed' | 'misrouted' | 'data-error'

export interface DeadLetter {
  readonly offset: number
  readonly atMs: number
  readonly commandId: string | null
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly code: DeadLetterCode
  readonly detail: string
}

/** A message for another topic, written with the decision and sent after it (I8). */
export interface OutgoingMessage {
  readonly topic: string
  readonly partition: number
  readonly key: string
  readonly value: string
}

/** All that one batch sends, as one row of `outbox`: its events, numbered, and the commands that follow from them. */
export interface OutboxSegment {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly messages: readonly OutgoingMessage[]
}

/** A row's last state after a batch, and whether the batch made it. */
export interface RowChange<R> {
  readonly row: R
  readonly created: boolean
}

/** A header's last state after a batch, and whether the batch made it. */
export interface HeaderChange<H extends Header> {
  readonly header: H
  readonly created: boolean
}

/** Everything one batch does, to be done in one transaction or not at all. */
export interface BatchEffects<E extends DomainEvent, H extends Header, R, O> {
  readonly id: PartitionId
  readonly from: Progress
  readonly to: Progress
  readonly headers: ReadonlyMap<string, HeaderChange<H>>
  readonly rows: ReadonlyMap<string, RowChange<R>>
  /** Keys that are removed with all that belongs to them, before anything else; not each of them needs to be there. */
  readonly removedKeys: ReadonlySet<string>
  readonly ledger: readonly LedgerEntry<E, H>[]
  readonly remembered: readonly RememberedOutcome<O>[]
  readonly deadLetters: readonly DeadLetter[]
  readonly segment: OutboxSegment | null
}

export interface PrefetchRequest {
  /** Keys whose header is wanted. */
  readonly keys: readonly string[]
  readonly rowIds: readonly string[]
  readonly commandIds: readonly string[]
  /** Keys whose header is in memory and whose open lists are wanted nevertheless. */
  readonly listedKeys: readonly string[]
  /** No command of the batch is decided at a later time, Unix milliseconds. */
  readonly untilMs: number
  /** Pages that are wanted beyond the first pages of the open lists. */
  readonly pages: readonly PageWanted[]
}

export interface PageWanted {
  readonly key: string
  readonly list: string
  /** Rows. */
  readonly limit: number
}

/** The front of a list. */
export interface Page<R> {
  readonly key: string
  readonly list: string
  readonly rows: readonly R[]
  /** True when the list has no row behind these. */
  readonly complete: boolean
}

export interface Prefetched<H extends Header, R, O> {
  /** Headers of the keys asked for and of the rows found. */
  readonly headers: ReadonlyMap<string, H>
  /** The rows asked for; those of the pages are in the pages. */
  readonly rows: ReadonlyMap<string, R>
  /**
   * The first page of each standing list of each of the `listedKeys`, and of each header in `headers` where it is not
   * empty; and every page wanted. Of the due list a page holds what is due by `untilMs` and the next row behind that, of
   * all lists at most as many rows as were wanted.
   */
  readonly pages: readonly Page<R>[]
  readonly remembered: ReadonlyMap<string, O>
}

/** A key at which something is due without any command, and when; Unix milliseconds. */
export interface DueKey {
  readonly key: string
  readonly atMs: number
}

export interface Store<E extends DomainEvent, H extends Header, R, O> {
  /** Reads the fence's row, making it at the partition's first use. Throws {@link LogIdentityError}. */
  open(id: PartitionId): Promise<Progress>
  /** The keys of a partition with something due, the earliest first, at most `limit`. */
  dueKeys(id: PartitionId, limit: number): Promise<readonly DueKey[]>
  /**
   * What the partition's last segments in the outbox are about: keys of their messages to `topic`, the last ones first,
   * at most `limit`.
   */
  unsentKeys(id: PartitionId, topic: string, limit: number): Promise<readonly string[]>
  /** One round trip. */
  prefetch(request: PrefetchRequest): Promise<Prefetched<H, R, O>>
  /**
   * One transaction, one round trip; its first statement is the fence. Resolves only when the commit is known.
   * Throws {@link FencedError} or {@link DataError} when it is known not to have committed; anything else means
   * that the outcome is unknown.
   */
  commit(effects: BatchEffects<E, H, R, O>): Promise<void>
}

/** The outbox as the publisher sees it. */
export interface OutboxStore {
  /** Segments not yet removed that end after `afterSeq`, in order, at most `limit`. */
  pendingSegments(id: PartitionId, afterSeq: number, limit: number): Promise<readonly OutboxSegment[]>
  /** Removes what is published: segments that end at `seq` or before. What was not removed is sent again. */
  removePublished(id: PartitionId, seq: number): Promise<void>
}

// ------------------------------------------------------------------------------------------------ what leaves

/** The events' log. Resolves when all messages are durable, in order; throws when that is not known. */
export interface EventSink {
  send(messages: readonly OutgoingMessage[]): Promise<void>
}

/** What readers learn of a committed batch. */
export interface CommittedBatch<H extends Header, O> {
  readonly id: PartitionId
  readonly epoch: number
  readonly nextOffset: number
  readonly headers: ReadonlyMap<string, H>
  /** Keys that are removed, each with its last version. Those made again behind that are in `headers` too. */
  readonly removed: ReadonlyMap<string, number>
  /** When the next thing is due at each key that the batch has looked at; null for never. */
  readonly due: ReadonlyMap<string, number | null>
  readonly replies: readonly { readonly to: string; readonly outcome: O }[]
  readonly decided: number
  /** Log time of the batch's first record, Unix milliseconds. */
  readonly firstTimeMs: number
  /** How many of the decided commands had which outcome. */
  readonly outcomes: ReadonlyMap<string, number>
  /** How many records were appended to the log at which time, Unix milliseconds. */
  readonly appendedAt: ReadonlyMap<number, number>
}

/** Snapshots, progress and replies for readers. Best effort and bounded: it must neither throw nor block. */
export interface SnapshotSink<H extends Header, O> {
  committed(batch: CommittedBatch<H, O>): void
}

/** Sends each partition's events in order, at least once, after their commit is known (I8). */
export interface EventPublisher {
  /** Takes the partition over: first sends what an earlier owner left unsent. */
  open(id: PartitionId): void
  /** A segment whose commit is known. Must neither throw nor block. */
  committed(id: PartitionId, segment: OutboxSegment): void
  /** Stops sending for the partition and waits for what is being sent; what is unsent stays in the outbox. */
  release(id: PartitionId): Promise<void>
}

// ---------------------------------------------------------------------------------------------- the scheduler

/** Time for waiting and for measuring, never for deciding. */
export interface Scheduler {
  nowMs(): number
  /** Resolves after `ms`, or at once when `signal` aborts. */
  delay(ms: number, signal: AbortSignal): Promise<void>
}
