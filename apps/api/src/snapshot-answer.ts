/** An answer with a snapshot, whoever sends it. */
import type { SnapshotHit } from '@ironsys/cache'
import type { SlotDocument } from '@ironsys/contracts'
import type { ApiOptions } from './deps.ts'

export const JSON_TYPE = 'application/json; charset=utf-8'

export type SnapshotHead = (hit: SnapshotHit<SlotDocument>) => {
  /** Weak: two bodies of one version may differ in `from_cache` and `stale`. */
  readonly etag: string
  /** Whole seconds since it was last known to be current. */
  readonly age: string
  readonly caching: string
}

/** What a cache in front may do while it looks again is what this process does itself, as long as the setting is. */
export function createSnapshotHead({
  staleWhileRevalidateMs,
}: Pick<ApiOptions, 'staleWhileRevalidateMs'>): SnapshotHead {
  let ofMs = staleWhileRevalidateMs()
  let caching = cachingOf(ofMs)
  return ({ epoch, version, ageMs }) => {
    const nowMs = staleWhileRevalidateMs()
    if (nowMs !== ofMs) {
      ofMs = nowMs
      caching = cachingOf(nowMs)
    }
    return { etag: `W/"${epoch}.${version}"`, age: `${Math.floor(ageMs / 1000)}`, caching }
  }
}

/** A CDN keeps it for `s-maxage` less its `Age`: CACHE_FRESH_MS above that second would leave it nothing. */
function cachingOf(staleWhileRevalidateMs: number): string {
  const seconds = Math.floor(staleWhileRevalidateMs / 1000)
  return `public, max-age=0, s-maxage=1, stale-while-revalidate=${seconds}`
}

export function snapshotBody({ body, document, fromCache, stale }: SnapshotHit<SlotDocument>): string {
  return body ?? JSON.stringify({ ...document, from_cache: fromCache, stale })
}
