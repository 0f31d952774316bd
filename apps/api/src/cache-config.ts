/** The part of the environment that is about the snapshot cache. */
import { snapshotCacheDefaults as defaults, type SnapshotCacheOptions } from '@ironsys/cache'
import { z } from 'zod'

const HOUR_MS = 3_600_000
const between = (min: number, max: number) => z.coerce.number().int().min(min).max(max)

/** See {@link SnapshotCacheOptions}; what is not here has no reason to differ between deployments. */
export const cacheEnvironment = {
  CACHE_FRESH_MS: between(10, 60_000).default(defaults.freshMs),
  CACHE_STALE_WHILE_REVALIDATE_MS: between(0, HOUR_MS).default(defaults.staleWhileRevalidateMs),
  CACHE_STALE_IF_ERROR_MS: between(0, 24 * HOUR_MS).default(defaults.staleIfErrorMs),
  CACHE_SHARED_FRESH_MS: between(100, defaults.sharedTtlMs / 2).default(defaults.sharedFreshMs),
  CACHE_NEGATIVE_MS: between(0, 60_000).default(defaults.negativeMs),
  CACHE_ENTRIES: between(1, 10_000_000).default(defaults.maxEntries),
  CACHE_BYTES: between(1_000_000, 100_000_000_000).default(defaults.maxBytes),
  CACHE_NEGATIVES: between(1, 10_000_000).default(defaults.maxNegatives),
  CACHE_LOADS: between(1, 100_000).default(defaults.maxRefreshes),
}

type CacheEnvironment = { readonly [Name in keyof typeof cacheEnvironment]: number }

export function snapshotCacheOptions(environment: CacheEnvironment): SnapshotCacheOptions {
  return {
    ...defaults,
    freshMs: environment.CACHE_FRESH_MS,
    staleWhileRevalidateMs: environment.CACHE_STALE_WHILE_REVALIDATE_MS,
    staleIfErrorMs: environment.CACHE_STALE_IF_ERROR_MS,
    sharedFreshMs: environment.CACHE_SHARED_FRESH_MS,
    negativeMs: environment.CACHE_NEGATIVE_MS,
    maxEntries: environment.CACHE_ENTRIES,
    maxBytes: environment.CACHE_BYTES,
    maxNegatives: environment.CACHE_NEGATIVES,
    maxRefreshes: environment.CACHE_LOADS,
  }
}
