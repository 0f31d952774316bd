/** State as a batch finds it: of the batch in flight, the cache and the prefetch, newest first. */
import type { StateBefore } from './batch-interface.ts'
import type { Command, Decider, DomainEvent, Header } from './decider.ts'
import type { Memory } from './memory.ts'
import type { BatchEffects, Prefetched } from './ports.ts'
import type { PrefetchPlan } from './prefetch.ts'

export interface StateBeforeInput<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly decider: Decider<C, E, H, R, O>
  readonly plan: PrefetchPlan<H, R>
  readonly inFlight: BatchEffects<E, H, R, O> | undefined
  readonly loaded: Prefetched<H, R, O> | null
  readonly memory: Pick<Memory<C, E, H, R, O>, 'headers'>
}

export function createStateBefore<C extends Command, E extends DomainEvent, H extends Header, R, O>({
  decider,
  plan,
  inFlight,
  loaded,
  memory,
}: StateBeforeInput<C, E, H, R, O>): StateBefore<H, R, O> {
  const remembered = new Map(inFlight?.remembered.map((entry) => [entry.commandId, entry.outcome]))
  const pages = new Map(loaded?.pages.map((page) => [`${page.key} ${page.list}`, page]))
  const listed = new Map<string, R>()
  for (const { rows } of pages.values()) for (const row of rows) listed.set(decider.rowId(row), row)
  const header = (key: string): H | null => {
    const changed = plan.headers.get(key) ?? inFlight?.headers.get(key)?.header
    if (changed !== undefined) return changed
    if (inFlight?.removedKeys.has(key) === true) return null
    return memory.headers.get(key) ?? loaded?.headers.get(key) ?? null
  }
  /** Also where the key has been made again: the rows it has since are the batch's own. */
  const isGone = (row: R): boolean => inFlight?.removedKeys.has(decider.keyOfRow(row)) === true
  return {
    header,
    row: (rowId) => {
      const changed = inFlight?.rows.get(rowId)
      if (changed !== undefined) return changed.row
      const stored = plan.rows.get(rowId) ?? loaded?.rows.get(rowId) ?? listed.get(rowId)
      return stored === undefined || isGone(stored) ? undefined : stored
    },
    remembered: (commandId) => remembered.get(commandId) ?? loaded?.remembered.get(commandId),
    page: (key, list) => pages.get(`${key} ${list}`),
    emptyList: (key, list) => {
      // Of the header as the store had it at the prefetch or later: a list that was not open had no rows.
      if (!decider.standingLists.includes(list)) return false
      const known = header(key)
      return known === null || loaded?.headers.has(key) === true || !decider.openLists(known).includes(list)
    },
    changedRows: [...(inFlight?.rows.values() ?? [])].map(({ row }) => row),
  }
}

/** Whether the batch in flight has made another header of the key's, or removed it. */
export function isChanged<E extends DomainEvent, H extends Header, R, O>(
  inFlight: BatchEffects<E, H, R, O> | undefined,
  key: string,
): boolean {
  return inFlight?.headers.has(key) === true || inFlight?.removedKeys.has(key) === true
}
