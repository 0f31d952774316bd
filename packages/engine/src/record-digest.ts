import { createHash } from 'node:crypto'
import type { LogRecord } from './ports.ts'

/** What identifies a record of the log across restarts: SHA-256 of key and value, 16 bytes, hex. */
export function recordDigest(record: Pick<LogRecord, 'key' | 'value'>): string {
  const hash = createHash('sha256')
  hash.update(`${record.key?.length ?? -1}:${record.value?.length ?? -1}:`)
  if (record.key !== null) hash.update(record.key)
  if (record.value !== null) hash.update(record.value)
  return hash.digest('hex').slice(0, 32)
}
