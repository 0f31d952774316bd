/** For tests: a snapshot cache without time and without Redis. */
import type { Announcement, SnapshotCache, SnapshotHit, SnapshotRead } from '@ironsys/cache'
import type { SlotDocument } from '@ironsys/contracts'
import { type MemoryStore, snapshotOf } from './memory-store.ts'

export interface MemoryCache extends SnapshotCache<SlotDocument> {
  /** Puts a read in the place of whatever is known. */
  put(key: string, read: SnapshotRead<SlotDocument>): void
}

export function createMemoryCache(store: MemoryStore): MemoryCache {
  const held = new Map<string, SnapshotRead<SlotDocument>>()
  return {
    put: (key, read) => void held.set(key, read),
    getNow: (key) => held.get(key),
    peek: (key) => held.get(key),
    async get(key) {
      const found = snapshotOf(store.slots.get(key))
      const read = found === null ? ({ missing: true } as const) : { ...hitOf(found, false), body: null }
      held.set(key, found === null ? read : hitOf(found, true))
      return read
    },
    apply(announcements) {
      for (const { key, ...snapshot } of announcements)
        if (held.has(key)) held.set(key, hitOf(snapshot, true))
    },
    drop: (key) => void held.delete(key),
    setLive: () => undefined,
    size: () => held.size,
  }
}

function hitOf(
  snapshot: Omit<Announcement<SlotDocument>, 'key'>,
  fromCache: boolean,
): SnapshotHit<SlotDocument> {
  const body = Buffer.from(JSON.stringify({ ...snapshot.document, from_cache: true, stale: false }))
  return { ...snapshot, body, ageMs: 0, fromCache, stale: false }
}
