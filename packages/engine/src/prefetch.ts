import type { ParsedRecord } from './batch.ts'
import type { Command, Decider, DomainEvent, Header } from './decider.ts'
import type { BatchEffects, PrefetchRequest } from './ports.ts'

/** What a batch needs that is neither cached nor part of the batch in flight; null when that is nothing. */
export function prefetchRequest<C extends Command, E extends DomainEvent, H extends Header, R, O>(
  decider: Decider<C, E, H, R, O>,
  records: readonly ParsedRecord<C>[],
  inFlight: BatchEffects<E, H, R, O> | undefined,
  isCached: (key: string) => boolean,
): PrefetchRequest | null {
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
  const missing = [...keys].filter((key) => !isCached(key) && inFlight?.headers.has(key) !== true)
  if (missing.length + rowIds.size + commandIds.size === 0) return null
  return { keys: missing, rowIds: [...rowIds], commandIds: [...commandIds] }
}
