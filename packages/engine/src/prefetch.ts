import type { ParsedRecord } from './batch-interface.ts'
import type { Command, Decider, DomainEvent, Header } from './decider.ts'
import { InvariantError } from './faults.ts'
import type { Memory } from './memory.ts'
import type { BatchEffects, PageWanted, PrefetchRequest } from './ports.ts'
import type { PageNeeded } from './row-lists.ts'

export interface PrefetchPlan<H extends Header, R> {
  /** What is in memory already, taken out of the cache: nothing that the cache does later can lose it. */
  readonly headers: ReadonlyMap<string, H>
  readonly rows: ReadonlyMap<string, R>
  /** What must be loaded; null when that is nothing. */
  readonly request: PrefetchRequest | null
}

export interface PrefetchInput<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly decider: Decider<C, E, H, R, O>
  readonly records: readonly ParsedRecord<C>[]
  readonly inFlight: BatchEffects<E, H, R, O> | undefined
  readonly memory: Pick<Memory<C, E, H, R, O>, 'headers' | 'rows'>
  /** No command is decided before this time, whatever its record says, Unix milliseconds. */
  readonly clampMs: number
  readonly lists: ListsWanted
}

/** What is known of the lists that the next batch will read. */
export interface ListsWanted {
  /** What the batches since the last commit could not go on without. */
  readonly needed: readonly PageNeeded[]
  /** How much of which list the batch before has read. */
  readonly reached: readonly PageWanted[]
}

/** Rows of a page that nobody asks for by name. */
export const FIRST_PAGE_ROWS = 16

/**
 * Rows of a page that is asked for by name. It holds what one command reads (packages/reservations: the first 100 in
 * line, the 1000 reservations that one user may have) and room for what the commands before it take away.
 */
export const PAGE_ROWS = 1200

/** What a batch needs: from the batch in flight, from the cache, and from the store. */
export function planPrefetch<C extends Command, E extends DomainEvent, H extends Header, R, O>({
  decider,
  records,
  inFlight,
  memory,
  clampMs,
  lists: { needed, reached },
}: PrefetchInput<C, E, H, R, O>): PrefetchPlan<H, R> {
  const keys = new Set<string>()
  const rowIds = new Set<string>()
  const rows = new Map<string, R>()
  const commandIds = new Set<string>()
  const pages = new Map<string, PageWanted>()
  const want = (key: string, list: string, limit = PAGE_ROWS): void => {
    pages.set(`${key} ${list}`, { key, list, limit })
  }
  for (const { key, list, limit } of reached) {
    // Some more: else a batch that is a little larger would have to be decided twice.
    if (limit > FIRST_PAGE_ROWS) want(key, list, Math.min(Math.ceil(limit * 1.25), PAGE_ROWS))
  }
  const inMemory = (key: string): H | undefined =>
    inFlight?.headers.get(key)?.header ?? memory.headers.get(key)
  let untilMs = clampMs
  for (const { record, command } of records) {
    untilMs = Math.max(untilMs, record.timeMs)
    if ('unreadable' in command) continue
    const key = decider.needs(command).key
    const header = key === null ? undefined : inMemory(key)
    const { rowIds: named, remembered, lists } = decider.needs(command, header)
    if (key !== null) {
      keys.add(key)
      for (const list of lists ?? []) want(key, list)
    }
    if (remembered) commandIds.add(command.id)
    for (const rowId of named) {
      const known = inFlight?.rows.get(rowId)?.row ?? memory.rows.get(rowId)
      if (known === undefined) rowIds.add(rowId)
      else {
        rows.set(rowId, known)
        keys.add(decider.keyOfRow(known))
      }
    }
  }
  for (const { key, list } of needed) want(key, list)
  const headers = new Map<string, H>()
  const missing: string[] = []
  const listedKeys: string[] = []
  for (const key of keys) {
    const header = inMemory(key)
    if (header === undefined || inFlight?.removedKeys.has(key) === true) missing.push(key)
    else {
      headers.set(key, header)
      if (decider.openLists(header).length > 0) listedKeys.push(key)
    }
  }
  if (missing.length + rowIds.size + commandIds.size + listedKeys.length + pages.size === 0) {
    return { headers, rows, request: null }
  }
  return {
    headers,
    rows,
    request: {
      keys: missing,
      rowIds: [...rowIds],
      commandIds: [...commandIds],
      listedKeys,
      untilMs,
      pages: [...pages.values()],
    },
  }
}

/** After a batch; `needed` is what was needed, and loaded, before it. */
export function listsAfter(
  batch: { readonly needed: PageNeeded | null; readonly reached: readonly PageWanted[] },
  needed: readonly PageNeeded[],
): ListsWanted {
  const { needed: more, reached } = batch
  if (more === null) return { needed, reached }
  // A page that was loaded and is needed still would be so forever.
  if (needed.some(({ key, list }) => key === more.key && list === more.list)) {
    throw new InvariantError(`${more.message}, and was just loaded`)
  }
  return { needed: [...needed, more], reached }
}
