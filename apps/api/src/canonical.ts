/** JSON with sorted keys, so that equal contents have equal hashes however a client ordered them. */
import { hash } from 'node:crypto'

/** SHA-256, hex. Fields that are undefined do not count. The depth is the caller's to bound. */
export function canonicalHash(value: unknown): string {
  return hash('sha256', canonicalJson(value), 'hex')
}

export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`
}
