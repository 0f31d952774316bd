/** The engine's store in memory: the same fence, the same all or nothing, and faults where a test wants them. */
import { setTimeout } from 'node:timers/promises'
import {
  type BatchEffects,
  DataError,
  type DeadLetter,
  type DomainEvent,
  FencedError,
  type Header,
  type LedgerEntry,
  type OutboxSegment,
  type OutboxStore,
  type PartitionId,
  type Progress,
  type Store,
} from '@ironsys/engine'

export interface MemoryStore<E extends DomainEvent, H extends Header, R, O>
  extends Store<E, H, R, O>,
    OutboxStore {
  readonly headers: Map<string, H>
  readonly rows: Map<string, R>
  readonly remembered: Map<string, O>
  readonly ledger: LedgerEntry<E, H>[]
  readonly deadLetters: DeadLetter[]
  /** Keys that were asked for, in order. */
  readonly prefetchedKeys: string[]
  progress(id: PartitionId): Progress
  setProgress(id: PartitionId, progress: Progress): void
  /** Runs before each commit; what it throws is the commit's answer, and nothing is committed. */
  beforeCommit: (effects: BatchEffects<E, H, R, O>) => void | Promise<void>
  /** Runs after each commit; what it throws is the commit's answer, and the batch is committed all the same. */
  afterCommit: (effects: BatchEffects<E, H, R, O>) => void | Promise<void>
}

export function createMemoryStore<E extends DomainEvent, H extends Header, R, O>(
  keyOfRow: (row: R) => string,
): MemoryStore<E, H, R, O> {
  return new Memory(keyOfRow)
}

const COMMIT_MS = 2

const fresh: Progress = { nextOffset: 0, epoch: 1, logTimeMs: 0, lastRecord: null, eventSeq: 0 }
const nameOf = ({ topic, partition }: PartitionId): string => `${topic}/${partition}`

class Memory<E extends DomainEvent, H extends Header, R, O> implements MemoryStore<E, H, R, O> {
  readonly headers = new Map<string, H>()
  readonly rows = new Map<string, R>()
  readonly remembered = new Map<string, O>()
  readonly ledger: LedgerEntry<E, H>[] = []
  readonly deadLetters: DeadLetter[] = []
  readonly #progress = new Map<string, Progress>()
  readonly #outbox = new Map<string, OutboxSegment[]>()
  readonly #keyOfRow: (row: R) => string
  readonly prefetchedKeys: string[] = []
  beforeCommit: (effects: BatchEffects<E, H, R, O>) => void | Promise<void> = () => {}
  afterCommit: (effects: BatchEffects<E, H, R, O>) => void | Promise<void> = () => {}

  constructor(keyOfRow: (row: R) => string) {
    this.#keyOfRow = keyOfRow
  }

  progress(id: PartitionId): Progress {
    return this.#progress.get(nameOf(id)) ?? fresh
  }

  setProgress(id: PartitionId, progress: Progress): void {
    this.#progress.set(nameOf(id), progress)
  }

  async open(id: PartitionId): Promise<Progress> {
    return this.progress(id)
  }

  async prefetch(request: {
    keys: readonly string[]
    rowIds: readonly string[]
    commandIds: readonly string[]
  }) {
    this.prefetchedKeys.push(...request.keys)
    const rows = pick(this.rows, request.rowIds)
    const keys = [...request.keys, ...[...rows.values()].map(this.#keyOfRow)]
    return { rows, headers: pick(this.headers, keys), remembered: pick(this.remembered, request.commandIds) }
  }

  async commit(effects: BatchEffects<E, H, R, O>): Promise<void> {
    await this.beforeCommit(effects)
    // A real commit outlasts the prefetch of the next batch, which then sees the state before it.
    await setTimeout(COMMIT_MS)
    const { nextOffset, epoch } = this.progress(effects.id)
    if (nextOffset !== effects.from.nextOffset || epoch !== effects.from.epoch)
      throw new FencedError('moved on')
    for (const [rowId, change] of effects.rows) {
      if (change.created === this.rows.has(rowId))
        throw new DataError(`row ${rowId}: created is ${change.created}`)
    }
    for (const [key, change] of effects.headers) {
      if (change.created === this.headers.has(key))
        throw new DataError(`key ${key}: created is ${change.created}`)
    }
    this.setProgress(effects.id, effects.to)
    for (const [key, change] of effects.headers) this.headers.set(key, change.header)
    for (const [rowId, change] of effects.rows) this.rows.set(rowId, change.row)
    for (const { commandId, outcome } of effects.remembered) this.remembered.set(commandId, outcome)
    this.ledger.push(...effects.ledger)
    this.deadLetters.push(...effects.deadLetters)
    if (effects.segment !== null) this.#segments(effects.id).push(effects.segment)
    await this.afterCommit(effects)
  }

  async pendingSegments(id: PartitionId, afterSeq: number, limit: number): Promise<readonly OutboxSegment[]> {
    return this.#segments(id)
      .filter((segment) => segment.lastSeq > afterSeq)
      .slice(0, limit)
  }

  async removePublished(id: PartitionId, seq: number): Promise<void> {
    this.#outbox.set(
      nameOf(id),
      this.#segments(id).filter((segment) => segment.lastSeq > seq),
    )
  }

  #segments(id: PartitionId): OutboxSegment[] {
    const segments = this.#outbox.get(nameOf(id)) ?? []
    this.#outbox.set(nameOf(id), segments)
    return segments
  }
}

function pick<V>(from: ReadonlyMap<string, V>, keys: readonly string[]): Map<string, V> {
  return new Map(
    keys.flatMap((key) => {
      const value = from.get(key)
      return value === undefined ? [] : [[key, value] as const]
    }),
  )
}
