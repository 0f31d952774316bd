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
  type DeadLetter,
  type DomainEvent,
  FencedError,
  type Header,
  type LedgerEntry,
  LogIdentityError,
  type OutboxSegment,
  type OutboxStore,
  type PartitionId,
  type Prefetched,
  type PrefetchRequest,
  type Progress,
  type RememberedOutcome,
  type Store,
} from '@ironsys/engine'
import { directWire, type Wire } from './wire.ts'

/** The log that a process reads; the database remembers it and refuses another. */
export interface LogOfProcess {
  readonly clusterId: string
  readonly partitionCount: number
}

export interface BuriedLetter extends DeadLetter {
  readonly id: PartitionId
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
  /** One process's adapter. Requests: `open`, `prefetch`, `commit`, `pending-segments`, `remove-published`. */
  connect(log: LogOfProcess, wire?: Wire): Store<E, H, R, O> & OutboxStore
}

export interface MemoryDatabaseOptions<E extends DomainEvent, H extends Header, R, O> {
  readonly keyOfRow: (row: R) => string
  /** What the domain's tables refuse beyond missing and repeated keys, as a CHECK does; null when they take it. */
  readonly refuses?: (effects: BatchEffects<E, H, R, O>) => string | null
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
const fresh: Progress = { nextOffset: 0, epoch: 1, logTimeMs: 0, lastRecord: null, eventSeq: 0 }
const nameOf = ({ topic, partition }: PartitionId): string => `${topic}/${partition}`

class Database<E extends DomainEvent, H extends Header, R, O> implements MemoryDatabase<E, H, R, O> {
  readonly #options: MemoryDatabaseOptions<E, H, R, O>
  readonly headers = new Map<string, H>()
  readonly rows = new Map<string, R>()
  readonly remembered = new Map<string, RememberedOutcome<O>[]>()
  readonly ledger: LedgerEntry<E, H>[] = []
  readonly deadLetters: BuriedLetter[] = []
  readonly #partitions = new Map<string, PartitionRow>()
  /** The unique keys of ledger, remembered outcomes, dead letters and outbox. */
  readonly #taken = new Set<string>()
  #nextEpoch = FIRST_RAISED_EPOCH

  constructor(options: MemoryDatabaseOptions<E, H, R, O>) {
    this.#options = options
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
      prefetch: (request) => wire('prefetch', () => this.#prefetch(request)),
      commit: (effects) => wire('commit', () => this.#commit(effects)),
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

  #prefetch({ keys, rowIds, commandIds }: PrefetchRequest): Prefetched<H, R, O> {
    const rows = pick(this.rows, rowIds)
    const keysOfRows = [...rows.values()].map(this.#options.keyOfRow)
    const headers = pick(this.headers, [...keys, ...keysOfRows])
    const found = [...pick(this.remembered, commandIds).values()].flat()
    return { rows, headers, remembered: new Map(found.map(({ commandId, outcome }) => [commandId, outcome])) }
  }

  #commit(effects: BatchEffects<E, H, R, O>): void {
    const { id, from, to } = effects
    const row = this.#partitions.get(nameOf(id))
    const { nextOffset, epoch } = row?.progress ?? fresh
    if (row === undefined || nextOffset !== from.nextOffset || epoch !== from.epoch) {
      throw new FencedError(
        `partition ${nameOf(id)} is not at offset ${from.nextOffset} in epoch ${from.epoch} any more`,
      )
    }
    const taking = uniqueKeysOf(effects)
    const fault = this.#faultOf(effects, taking)
    if (fault !== null) throw new DataError(fault)
    // From here on nothing may throw (invariant 1).
    row.progress = { ...to, epoch }
    for (const key of taking) this.#taken.add(key)
    for (const [key, change] of effects.headers) this.headers.set(key, change.header)
    for (const [rowId, change] of effects.rows) this.rows.set(rowId, change.row)
    for (const entry of effects.remembered) this.#remember(entry)
    for (const entry of effects.ledger) this.ledger.push(entry)
    for (const letter of effects.deadLetters) this.deadLetters.push(buried(id, letter))
    if (effects.segment !== null) row.outbox = [...row.outbox, effects.segment].sort(bySequence)
    this.#options.committed?.(effects)
  }

  #faultOf(effects: BatchEffects<E, H, R, O>, taking: readonly string[]): string | null {
    for (const [key, { created }] of effects.headers) {
      if (created === this.headers.has(key)) return `header ${key} ${created ? 'exists' : 'does not exist'}`
    }
    for (const [rowId, { created }] of effects.rows) {
      if (created === this.rows.has(rowId)) return `row ${rowId} ${created ? 'exists' : 'does not exist'}`
    }
    const seen = new Set<string>()
    for (const key of taking) {
      if (this.#taken.has(key) || seen.has(key)) return `${key} exists`
      seen.add(key)
    }
    return this.#options.refuses?.(effects) ?? null
  }

  #remember(entry: RememberedOutcome<O>): void {
    const entries = this.remembered.get(entry.commandId)
    if (entries === undefined) this.remembered.set(entry.commandId, [entry])
    else entries.push(entry)
  }

  #pendingSegments(id: PartitionId, afterSeq: number, limit: number): readonly OutboxSegment[] {
    return this.outbox(id)
      .filter(({ lastSeq }) => lastSeq > afterSeq)
      .slice(0, limit)
  }

  #removePublished(id: PartitionId, seq: number): void {
    const row = this.#partitions.get(nameOf(id))
    if (row === undefined) return
    for (const segment of row.outbox) {
      if (segment.lastSeq <= seq) this.#taken.delete(segmentKey(id, segment))
    }
    row.outbox = row.outbox.filter(({ lastSeq }) => lastSeq > seq)
  }
}

/** What the real tables have a unique index on, besides headers and rows. */
function uniqueKeysOf<E extends DomainEvent, H extends Header, R, O>(
  effects: BatchEffects<E, H, R, O>,
): readonly string[] {
  const { id, ledger, remembered, deadLetters, segment } = effects
  return [
    ...ledger.map(({ key, after, atMs }) => `ledger entry ${key} v${after.version} at ${atMs}`),
    ...remembered.map(({ commandId, atMs }) => `remembered command ${commandId} at ${atMs}`),
    ...deadLetters.map(({ offset }) => `dead letter ${nameOf(id)} ${offset}`),
    ...(segment === null ? [] : [segmentKey(id, segment)]),
  ]
}

function segmentKey(id: PartitionId, { lastSeq }: OutboxSegment): string {
  return `outbox row ${nameOf(id)} ${lastSeq}`
}

const bySequence = (a: OutboxSegment, b: OutboxSegment): number => a.lastSeq - b.lastSeq

/** Postgres has no NUL in text; the adapter writes it as two characters. */
function buried(id: PartitionId, letter: DeadLetter): BuriedLetter {
  return { ...letter, id, detail: letter.detail.replaceAll('\0', '\\0') }
}

function pick<V>(from: ReadonlyMap<string, V>, keys: readonly string[]): Map<string, V> {
  const picked = new Map<string, V>()
  for (const key of keys) {
    const value = from.get(key)
    if (value !== undefined) picked.set(key, value)
  }
  return picked
}
