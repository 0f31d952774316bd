/** API keys for people. Names were written by people: nothing of them reaches a terminal unescaped. */
import type { ApiKeyRow } from '@ironsys/access'
import { printableLine } from './printable.ts'
import { textTable } from './text-table.ts'

const header = ['id', 'name', 'scopes', 'acts for', 'created', 'expires', 'state'] as const

/** One line per key. */
export function apiKeyTable(keys: readonly ApiKeyRow[], nowMs: number): string {
  const rows = keys.map((key) => [
    key.id,
    printableLine(key.name),
    key.scopes.join(','),
    key.user_id === null ? '-' : printableLine(key.user_id),
    key.created_at.toISOString(),
    key.expires_at?.toISOString() ?? 'never',
    stateOf(key, nowMs),
  ])
  return textTable([header, ...rows], { align: 'left' })
}

/** What a key that was just made is and may. */
export function apiKeyText({ id, name, scopes, user_id, expires_at }: ApiKeyRow): string {
  const actsFor = user_id === null ? 'nobody in particular' : printableLine(user_id)
  return `API key ${id} (${printableLine(name)}): ${scopes.join(', ')}; acts for ${actsFor}; expires ${expires_at?.toISOString() ?? 'never'}`
}

function stateOf({ revoked_at, expires_at }: ApiKeyRow, nowMs: number): string {
  if (revoked_at !== null) return `revoked ${revoked_at.toISOString()}`
  return expires_at !== null && expires_at.getTime() <= nowMs ? 'expired' : 'good'
}
