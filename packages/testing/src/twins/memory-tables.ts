/**
 * The tables of a domain in memory: its state, its ledger, what is remembered and what is dead. Everything here is
 * synchronous; who may write, and when, is the database's affair.
 *
 * Invariants:
 * 1. `save` takes everything for which `faultOf` answers null, and then does not throw.
 * 2. What a checker reads (`headers`, `rows`, `ledger` …) is the state itself, not a copy.
 */
import {
  type BatchEffects,
  type DeadLetter,
  type DomainEvent,
  type DueKey,
  FIRST_PAGE_ROWS,
  type Header,
  type LedgerEntry,
  type Page,
  type PartitionId,
  type Prefetched,
  type PrefetchRequest,
  type RememberedOutcome,
} from '@ironsys/engine'
import { firstDueMs, pageOf, type StoredDecider } from './memory-lists.ts'

export interface BuriedLetter extends DeadLetter {
  readonly id: PartitionId
}

export interface MemoryTablesOptions<E extends DomainEvent, H extends Header, R, O> {
  readonly decider: StoredDecider<H, R>
  /** What the domain's tables refuse beyond missing and repeated keys, as a CHECK does; null when they take it. */
  readonly refuses?: (effects: BatchEffects<E, H, R, O>) => string | null
  /** What a batch changes in ledger entries, its own and earlier ones; null where it leaves them alone. */
  readonly rewrites?: (
    effects: BatchEffects<E, H, R, O>,
  ) => ((entry: LedgerEntry<E, H>) => LedgerEntry<E, H>) | null
}

export const nameOf = ({ topic, partition }: PartitionId): string => `${topic}/${partition}`

export class MemoryTables<E extends DomainEvent, H extends Header, R, O> {
  readonly #options: MemoryTablesOptions<E, H, R, O>
  readonly headers = new Map<string, H>()
  readonly rows = new Map<string, R>()
  readonly remembered = new Map<string, RememberedOutcome<O>[]>()
  readonly ledger: LedgerEntry<E, H>[] = []
  readonly deadLetters: BuriedLetter[] = []
  readonly #rowsOfKey = new Map<string, Map<string, R>>()
  readonly #partitionOfKey = new Map<string, string>()
  /** The unique keys of ledger, remembered outcomes and dead letters. */
  readonly #taken = new Set<string>()

  constructor(options: MemoryTablesOptions<E, H, R, O>) {
    this.#options = options
  }

  dueKeys(id: PartitionId, limit: number): readonly DueKey[] {
    const due: DueKey[] = []
    for (const [key, header] of this.headers) {
      if (this.#partitionOfKey.get(key) !== nameOf(id)) continue
      const atMs = firstDueMs(this.#options.decider, header, this.#rowsOf(key))
      if (atMs !== null) due.push({ key, atMs })
    }
    return due.sort((a, b) => a.atMs - b.atMs || (a.key < b.key ? -1 : 1)).slice(0, limit)
  }

  prefetch(request: PrefetchRequest): Prefetched<H, R, O> {
    const { keys, rowIds, commandIds } = request
    const rows = pick(this.rows, rowIds)
    const keysOfRows = [...rows.values()].map(this.#options.decider.keyOfRow)
    const headers = pick(this.headers, [...keys, ...keysOfRows])
    const found = [...pick(this.remembered, commandIds).values()].flat()
    return {
      rows,
      headers,
      pages: this.#pages(request, headers.keys()),
      remembered: new Map(found.map(({ commandId, outcome }) => [commandId, outcome])),
    }
  }

  #pages({ listedKeys, untilMs, pages }: PrefetchRequest, found: Iterable<string>): readonly Page<R>[] {
    const { decider } = this.#options
    const answered = new Map<string, Page<R>>()
    const read = (key: string, list: string, limit: number, always: boolean): void => {
      const name = `${key} ${list}`
      if (answered.has(name)) return
      const page = pageOf(decider, { key, list, limit, untilMs, rows: this.#rowsOf(key) })
      if (always || page.rows.length > 0) answered.set(name, page)
    }
    for (const { key, list, limit } of pages) read(key, list, limit, true)
    for (const list of decider.standingLists) {
      for (const key of listedKeys) read(key, list, FIRST_PAGE_ROWS, true)
    }
    for (const key of found) {
      for (const list of decider.standingLists) read(key, list, FIRST_PAGE_ROWS, false)
    }
    return [...answered.values()]
  }

  faultOf(effects: BatchEffects<E, H, R, O>): string | null {
    const { removedKeys } = effects
    for (const [key, { created }] of effects.headers) {
      const exists = this.headers.has(key) && !removedKeys.has(key)
      if (created === exists) return `header ${key} ${created ? 'exists' : 'does not exist'}`
    }
    for (const [rowId, { row, created }] of effects.rows) {
      const exists = this.rows.has(rowId) && !removedKeys.has(this.#options.decider.keyOfRow(row))
      if (created === exists) return `row ${rowId} ${created ? 'exists' : 'does not exist'}`
    }
    const leaving = new Set(this.#ledgerOf(removedKeys).map(ledgerKey))
    const seen = new Set<string>()
    for (const key of uniqueKeysOf(effects)) {
      if ((this.#taken.has(key) && !leaving.has(key)) || seen.has(key)) return `${key} exists`
      seen.add(key)
    }
    return this.#options.refuses?.(effects) ?? null
  }

  save(effects: BatchEffects<E, H, R, O>): void {
    this.#remove(effects.removedKeys)
    for (const key of uniqueKeysOf(effects)) this.#taken.add(key)
    for (const [key, change] of effects.headers) {
      this.headers.set(key, change.header)
      this.#partitionOfKey.set(key, nameOf(effects.id))
    }
    for (const [rowId, { row }] of effects.rows) this.#put(rowId, row)
    for (const entry of effects.remembered) this.#remember(entry)
    for (const entry of effects.ledger) this.ledger.push(entry)
    const rewritten = this.#options.rewrites?.(effects) ?? null
    if (rewritten !== null) for (const [i, entry] of this.ledger.entries()) this.ledger[i] = rewritten(entry)
    for (const letter of effects.deadLetters) this.deadLetters.push(buried(effects.id, letter))
  }

  #rowsOf(key: string): Iterable<R> {
    return this.#rowsOfKey.get(key)?.values() ?? []
  }

  #ledgerOf(keys: ReadonlySet<string>): readonly LedgerEntry<E, H>[] {
    return keys.size === 0 ? [] : this.ledger.filter((entry) => keys.has(entry.key))
  }

  #put(rowId: string, row: R): void {
    this.rows.set(rowId, row)
    const key = this.#options.decider.keyOfRow(row)
    const rows = this.#rowsOfKey.get(key) ?? new Map<string, R>()
    this.#rowsOfKey.set(key, rows.set(rowId, row))
  }

  #remove(keys: ReadonlySet<string>): void {
    if (keys.size === 0) return
    for (const key of keys) {
      for (const rowId of this.#rowsOfKey.get(key)?.keys() ?? []) this.rows.delete(rowId)
      this.#rowsOfKey.delete(key)
      this.#partitionOfKey.delete(key)
      this.headers.delete(key)
    }
    for (const entry of this.#ledgerOf(keys)) this.#taken.delete(ledgerKey(entry))
    const kept = this.ledger.filter((entry) => !keys.has(entry.key))
    this.ledger.length = 0
    for (const entry of kept) this.ledger.push(entry)
  }

  #remember(entry: RememberedOutcome<O>): void {
    const entries = this.remembered.get(entry.commandId)
    if (entries === undefined) this.remembered.set(entry.commandId, [entry])
    else entries.push(entry)
  }
}

/** What the real tables have a unique index on, besides headers and rows. */
function uniqueKeysOf<E extends DomainEvent, H extends Header, R, O>(
  effects: BatchEffects<E, H, R, O>,
): readonly string[] {
  const { id, ledger, remembered, deadLetters } = effects
  return [
    ...ledger.map(ledgerKey),
    ...remembered.map(({ commandId, atMs }) => `remembered command ${commandId} at ${atMs}`),
    ...deadLetters.map(({ offset }) => `dead letter ${nameOf(id)} ${offset}`),
  ]
}

function ledgerKey<E extends DomainEvent, H extends Header>({ key, after, atMs }: LedgerEntry<E, H>): string {
  return `ledger entry ${key} v${after.version} at ${atMs}`
}

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
