/** An answer with a snapshot, whoever sends it. */
import type { SnapshotHit } from '@ironsys/cache'
import type { SlotDocument } from '@ironsys/contracts'

export const JSON_TYPE = 'application/json; charset=utf-8'
/** Of every answer, whatever it says. */
export const NOSNIFF = 'nosniff'
/** A CDN keeps it for `s-maxage` less its `Age`: CACHE_FRESH_MS above that second would leave it nothing. */
const CACHING = 'public, max-age=0, s-maxage=1, stale-while-revalidate=10'

export function snapshotHead({ epoch, version, ageMs }: SnapshotHit<SlotDocument>) {
  return {
    /** Weak: two bodies of one version may differ in `from_cache` and `stale`. */
    etag: `W/"${epoch}.${version}"`,
    /** Whole seconds since it was last known to be current. */
    age: `${Math.floor(ageMs / 1000)}`,
    caching: CACHING,
  }
}

export function snapshotBody({ body, document, fromCache, stale }: SnapshotHit<SlotDocument>): string {
  return body ?? JSON.stringify({ ...document, from_cache: fromCache, stale })
}
