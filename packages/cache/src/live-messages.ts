/** Reads what is announced in Redis. Anything unexpected is null: announcements are hints, never the truth. */
import type { PublishedProgress, Reply } from '@ironsys/contracts'
import type { Announcement } from './snapshot.ts'

export function readAnnouncements<D>(
  text: string,
  parse: (document: unknown) => D | null,
): readonly Announcement<D>[] | null {
  return readArray(text, (item) => {
    if (!('key' in item && 'epoch' in item && 'version' in item && 'document' in item)) return null
    const { key, epoch, version } = item
    if (typeof key !== 'string' || !isCount(epoch) || !isCount(version)) return null
    if (item.document === null) return { key, epoch, version, document: null }
    const document = parse(item.document)
    return document === null ? null : { key, epoch, version, document }
  })
}

export function readReplies(text: string): readonly Reply[] | null {
  return readArray(text, (item) =>
    'to' in item && 'outcome' in item && typeof item.to === 'string'
      ? { to: item.to, outcome: item.outcome }
      : null,
  )
}

export function readPublishedProgress(text: string): PublishedProgress | null {
  const value = readJson(text)
  if (typeof value !== 'object' || value === null) return null
  if (!('topic' in value && 'partition' in value && 'nextOffset' in value && 'perSecond' in value))
    return null
  const { topic, partition, nextOffset, perSecond } = value
  const sound = typeof topic === 'string' && isCount(partition) && isCount(nextOffset) && isCount(perSecond)
  return sound ? { topic, partition, nextOffset, perSecond } : null
}

/** Items that cannot be read are left out. */
function readArray<T>(text: string, readItem: (item: object) => T | null): readonly T[] | null {
  const value = readJson(text)
  if (!Array.isArray(value)) return null
  const items: T[] = []
  for (const raw of value as readonly unknown[]) {
    const item = typeof raw === 'object' && raw !== null ? readItem(raw) : null
    if (item !== null) items.push(item)
  }
  return items
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isSafeInteger(Math.floor(value))
}
