/** For tests: a snapshot cache without time and without Redis. */
import type { Snapshot, SnapshotCache, SnapshotHit, SnapshotRead } from '@ironsys/cache'
import type { SlotDocument } from '@ironsys/contracts'
import { type MemoryStore, snapshotOf } from './memory-store.ts'

export interface MemoryCache extends SnapshotCache<SlotDocument> {
  /** Puts a read in the place of whatever is known. */
  put(key: string, read: SnapshotRead<SlotDocument>): void
}

export function createMemoryCache(store: MemoryStore): MemoryCache {
  const held = new Map<string, SnapshotRead<SlotDocument>>()
  const watchers = new Map<string, Set<(read: SnapshotRead<SlotDocument>) => void>>()
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
    watch(key, changed) {
      const ofKey = watchers.get(key) ?? new Set()
      watchers.set(key, ofKey.add(changed))
      return () => void ofKey.delete(changed)
    },
    apply(announcements) {
      for (const { key, epoch, version, document } of announcements) {
        const ofKey = watchers.get(key) ?? new Set()
        const read =
          document === null ? ({ missing: true } as const) : hitOf({ epoch, version, document }, true)
        if (held.has(key) || ofKey.size > 0) held.set(key, read)
        for (const changed of ofKey) changed(read)
      }
    },
    dropMissing(key) {
      const read = held.get(key)
      if (read !== undefined && 'missing' in read) held.delete(key)
    },
    setLive: () => undefined,
    size: () => held.size,
  }
}

function hitOf(snapshot: Snapshot<SlotDocument>, fromCache: boolean): SnapshotHit<SlotDocument> {
  const body = JSON.stringify({ ...snapshot.document, from_cache: true, stale: false })
  return { ...snapshot, body, ageMs: 0, fromCache, stale: false }
}
