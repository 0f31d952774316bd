/**
 * The database in memory: what Postgres is to the engine, with every process's way to it a {@link Wire}. The contract
 * suite keeps the two alike.
 *
 * Invariants:
 * 1. A commit is one synchronous step: the fence first, then everything that the real tables would refuse, then all
 *    of the batch. What throws has changed nothing.
 * 2. What a checker reads (`headers`, `rows`, `ledger` …) is the state itself, not a copy.
 */
import {
  type BatchEffects,
  DataError,
  type DomainEvent,
  FencedError,
  type Header,
  type LedgerEntry,
  LogIdentityError,
  type OutboxSegment,
  type OutboxStore,
  type PartitionId,
  type Progress,
  type RememberedOutcome,
  type Store,
} from '@ironsys/engine'
import { type BuriedLetter, MemoryTables, type MemoryTablesOptions, nameOf } from './memory-tables.ts'
import { directWire, type Wire } from './wire.ts'

/** The log that a process reads; the database remembers it and refuses another. */
export interface LogOfProcess {
  readonly clusterId: string
  readonly partitionCount: number
}

export interface MemoryDatabase<E extends DomainEvent, H extends Header, R, O> {
  readonly headers: ReadonlyMap<string, H>
  readonly rows: ReadonlyMap<string, R>
  /** By command id; the same command at another time is another entry. */
  readonly remembered: ReadonlyMap<string, readonly RememberedOutcome<O>[]>
  /** In the order of their commits. */
  readonly ledger: readonly LedgerEntry<E, H>[]
  readonly deadLetters: readonly BuriedLetter[]
  /** A partition that nobody has opened yet is at offset 0 of epoch 1. */
  progress(id: PartitionId): Progress
  /** What is not yet removed, in order. */
  outbox(id: PartitionId): readonly OutboxSegment[]
  /** What repair does: the next epoch of the whole database, which every partition draws from. Answers it. */
  raiseEpoch(id: PartitionId): number
  /**
   * One process's adapter. Requests: `open`, `due-keys`, `unsent-keys`, `prefetch`, `commit` (`commit-steps` where it ends in the middle
   * of a record's steps), `pending-segments`, `remove-published`.
   */
  connect(log: LogOfProcess, wire?: Wire): Store<E, H, R, O> & OutboxStore
}

export interface MemoryDatabaseOptions<E extends DomainEvent, H extends Header, R, O>
  extends MemoryTablesOptions<E, H, R, O> {
  /** Hears of every commit at its instant. */
  readonly committed?: (effects: BatchEffects<E, H, R, O>) => void
}

export function createMemoryDatabase<E extends DomainEvent, H extends Header, R, O>(
  options: MemoryDatabaseOptions<E, H, R, O>,
): MemoryDatabase<E, H, R, O> {
  return new Database(options)
}

interface PartitionRow {
  readonly log: LogOfProcess
  progress: Progress
  outbox: OutboxSegment[]
}

const FIRST_RAISED_EPOCH = 2
const LAST_SEGMENTS = 4
const fresh: Progress = { nextOffset: 0, epoch: 1, logTimeMs: 0, lastRecord: null, eventSeq: 0, steps: 0 }

class Database<E extends DomainEvent, H extends Header, R, O> implements MemoryDatabase<E, H, R, O> {
  readonly #tables: MemoryTables<E, H, R, O>
  readonly #committed: MemoryDatabaseOptions<E, H, R, O>['committed']
  readonly #partitions = new Map<string, PartitionRow>()
  #nextEpoch = FIRST_RAISED_EPOCH

  constructor(options: MemoryDatabaseOptions<E, H, R, O>) {
    this.#tables = new MemoryTables(options)
    this.#committed = options.committed
  }

  get headers() {
    return this.#tables.headers
  }

  get rows() {
    return this.#tables.rows
  }

  get remembered() {
    return this.#tables.remembered
  }

  get ledger() {
    return this.#tables.ledger
  }

  get deadLetters() {
    return this.#tables.deadLetters
  }

  progress(id: PartitionId): Progress {
    return this.#partitions.get(nameOf(id))?.progress ?? fresh
  }

  outbox(id: PartitionId): readonly OutboxSegment[] {
    return this.#partitions.get(nameOf(id))?.outbox ?? []
  }

  raiseEpoch(id: PartitionId): number {
    const row = this.#partitions.get(nameOf(id))
    if (row === undefined) throw new Error(`partition ${nameOf(id)} was never opened`)
    const epoch = this.#nextEpoch++
    row.progress = { ...row.progress, epoch }
    return epoch
  }

  connect(log: LogOfProcess, wire: Wire = directWire): Store<E, H, R, O> & OutboxStore {
    return {
      open: (id) => wire('open', () => this.#open(id, log)),
      dueKeys: (id, limit) => wire('due-keys', () => this.#tables.dueKeys(id, limit)),
      unsentKeys: (id, topic, limit) => wire('unsent-keys', () => this.#unsentKeys(id, topic, limit)),
      prefetch: (request) => wire('prefetch', () => this.#tables.prefetch(request)),
      commit: (effects) => wire(requestOf(effects), () => this.#commit(effects)),
      pendingSegments: (id, afterSeq, limit) =>
        wire('pending-segments', () => this.#pendingSegments(id, afterSeq, limit)),
      removePublished: (id, seq) => wire('remove-published', () => this.#removePublished(id, seq)),
    }
  }

  #open(id: PartitionId, log: LogOfProcess): Progress {
    const row = this.#partitions.get(nameOf(id)) ?? { log, progress: fresh, outbox: [] }
    this.#partitions.set(nameOf(id), row)
    if (row.log.clusterId !== log.clusterId || row.log.partitionCount !== log.partitionCount) {
      throw new LogIdentityError(
        `partition ${nameOf(id)} was written from cluster ${row.log.clusterId} with ${row.log.partitionCount} ` +
          `partitions; this is ${log.clusterId} with ${log.partitionCount}`,
      )
    }
    return row.progress
  }

  #commit(effects: BatchEffects<E, H, R, O>): void {
    const { id, from, to, segment } = effects
    const row = this.#partitions.get(nameOf(id))
    const { nextOffset, epoch, eventSeq } = row?.progress ?? fresh
    const isHere = nextOffset === from.nextOffset && epoch === from.epoch && eventSeq === from.eventSeq
    if (row === undefined || !isHere) {
      throw new FencedError(
        `partition ${nameOf(id)} is not at offset ${from.nextOffset} and event ${from.eventSeq} in epoch ${from.epoch} any more`,
      )
    }
    const isSent = segment !== null && row.outbox.some(({ lastSeq }) => lastSeq === segment.lastSeq)
    const fault = isSent
      ? `outbox row ${nameOf(id)} ${segment.lastSeq} exists`
      : this.#tables.faultOf(effects)
    if (fault !== null) throw new DataError(fault)
    // From here on nothing may throw (invariant 1).
    row.progress = { ...to, epoch }
    this.#tables.save(effects)
    if (segment !== null) row.outbox = [...row.outbox, segment].sort(bySequence)
    this.#committed?.(effects)
  }

  #pendingSegments(id: PartitionId, afterSeq: number, limit: number): readonly OutboxSegment[] {
    return this.outbox(id)
      .filter(({ lastSeq }) => lastSeq > afterSeq)
      .slice(0, limit)
  }

  #unsentKeys(id: PartitionId, topic: string, limit: number): readonly string[] {
    const messages = this.outbox(id)
      .slice(-LAST_SEGMENTS)
      .flatMap((segment) => segment.messages)
    const keys = messages.filter((message) => message.topic === topic).map(({ key }) => key)
    return [...new Set(keys.reverse())].slice(0, limit)
  }

  #removePublished(id: PartitionId, seq: number): void {
    const row = this.#partitions.get(nameOf(id))
    if (row === undefined) return
    row.outbox = row.outbox.filter(({ lastSeq }) => lastSeq > seq)
  }
}

function requestOf({ to }: { readonly to: Progress }): string {
  return to.steps > 0 ? 'commit-steps' : 'commit'
}

const bySequence = (a: OutboxSegment, b: OutboxSegment): number => a.lastSeq - b.lastSeq
