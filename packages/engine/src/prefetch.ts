import type { ParsedRecord } from './batch.ts'
import type { Command, Decider, DomainEvent, Header } from './decider.ts'
import type { BatchEffects, PrefetchRequest } from './ports.ts'

export interface PrefetchPlan<H extends Header> {
  /** What is in memory already, taken out of the cache: nothing that the cache does later can lose it. */
  readonly headers: ReadonlyMap<string, H>
  /** What must be loaded; null when that is nothing. */
  readonly request: PrefetchRequest | null
}

/** What a batch needs: from the batch in flight, from the cache, and from the store. */
export function planPrefetch<C extends Command, E extends DomainEvent, H extends Header, R, O>(
  decider: Decider<C, E, H, R, O>,
  records: readonly ParsedRecord<C>[],
  inFlight: BatchEffects<E, H, R, O> | undefined,
  cached: (key: string) => H | undefined,
): PrefetchPlan<H> {
  const keys = new Set<string>()
  const rowIds = new Set<string>()
  const commandIds = new Set<string>()
  for (const { command } of records) {
    if ('unreadable' in command) continue
    const needs = decider.needs(command)
    if (needs.key !== null) keys.add(needs.key)
    if (needs.remembered) commandIds.add(command.id)
    for (const rowId of needs.rowIds) {
      const known = inFlight?.rows.get(rowId)
      if (known === undefined) rowIds.add(rowId)
      else keys.add(decider.keyOfRow(known.row))
    }
  }
  const headers = new Map<string, H>()
  const missing: string[] = []
  for (const key of keys) {
    const header = inFlight?.headers.get(key)?.header ?? cached(key)
    if (header === undefined) missing.push(key)
    else headers.set(key, header)
  }
  if (missing.length + rowIds.size + commandIds.size === 0) return { headers, request: null }
  return { headers, request: { keys: missing, rowIds: [...rowIds], commandIds: [...commandIds] } }
}
