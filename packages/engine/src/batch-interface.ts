/** What goes into the deciding of a batch, and what comes out. */
import type { Command, Decider, DomainEvent, Header, Unreadable } from './decider.ts'
import type {
  BatchEffects,
  CommittedBatch,
  LogRecord,
  OutgoingMessage,
  Page,
  PageWanted,
  PartitionId,
  Progress,
} from './ports.ts'
import type { PageNeeded } from './row-lists.ts'

/** A record and what it was read as. */
export interface ParsedRecord<C> {
  readonly record: LogRecord
  readonly command: C | Unreadable
}

/** State as it was before the batch: from the batch in flight, the cache and the prefetch, newest first. */
export interface StateBefore<H extends Header, R, O> {
  header(key: string): H | null
  row(id: string): R | undefined
  remembered(commandId: string): O | undefined
  page(key: string, list: string): Page<R> | undefined
  /** Whether a list without a page is known to have been empty. */
  emptyList(key: string, list: string): boolean
  /** The rows of the batch in flight. */
  readonly changedRows: Iterable<R>
}

/** How the domain is bound to the log. */
export interface Binding<E extends DomainEvent> {
  /** Kafka's answer to which partition a key belongs to. A command elsewhere would have two writers (I4). */
  partitionOfKey(key: string): number
  /** Where events leave to, each under its key. */
  readonly eventsTopic: string
  /** The message an event leaves as. Its sequence is gapless per partition (I8). */
  toMessage(id: PartitionId, key: string, event: E, position: EventPosition): OutgoingMessage
  /** The commands for other keys that follow from an event. They are sent behind it, under ids that it determines. */
  followUps(key: string, event: E, position: EventPosition): readonly OutgoingMessage[]
  /** The command that makes a key's writer look at what is due since `atMs`. */
  wakeCommand(key: string, atMs: number): string
}

export interface EventPosition {
  readonly seq: number
  /** The key's ledger version after the event; unchanged by a rejection. */
  readonly version: number
  readonly atMs: number
}

export interface DecidedBatch<E extends DomainEvent, H extends Header, R, O> {
  readonly effects: BatchEffects<E, H, R, O>
  readonly committed: CommittedBatch<H, O>
  /** Records of the input that are decided. */
  readonly consumed: number
  /** Records that had effects: those decided, and one more where the batch ends in the middle of its steps. */
  readonly touched: number
  /** What the record behind them needs, if that is why the batch ended. */
  readonly needed: PageNeeded | null
  /** How much of which standing list was read: the next batch will want as much of it. */
  readonly reached: readonly PageWanted[]
  /** Set when the record after the batch's last one may not be discarded: the partition halts there. */
  readonly halt: string | null
}

export interface BatchInput<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly decider: Decider<C, E, H, R, O>
  readonly binding: Binding<E>
  readonly id: PartitionId
  readonly from: Progress
  readonly records: readonly ParsedRecord<C>[]
  readonly before: StateBefore<H, R, O>
  /** Offsets that the database refused: they become dead letters. */
  readonly refusedOffsets: ReadonlyMap<number, string>
  /** After so many events the batch ends. */
  readonly eventsMax: number
}
