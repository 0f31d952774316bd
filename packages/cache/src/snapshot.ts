/** What the snapshot cache takes and gives; {@link file://./snapshot-cache.ts} says how it behaves. */
import type { SnapshotRedis, Version } from './stored-snapshot.ts'

export interface Snapshot<D> extends Version {
  readonly document: D
}

export interface SnapshotHit<D> extends Snapshot<D> {
  /** The answer's JSON with `from_cache: true, stale: false`, made once per version; null when it does not apply. */
  readonly body: Buffer | null
  /** Since it was last known to be current; never negative. */
  readonly ageMs: number
  /** False when this read loaded it from the store. */
  readonly fromCache: boolean
  readonly stale: boolean
}

export interface SnapshotMissing {
  readonly missing: true
}

export type SnapshotRead<D> = SnapshotHit<D> | SnapshotMissing

export interface Announcement<D> extends Snapshot<D> {
  readonly key: string
}

export type CacheTier = 'l1' | 'l2' | 'l3' | 'stale' | 'negative'

/** Neither Redis nor the store answered and nothing usable is known. Retry later. */
export class SnapshotUnavailableError extends Error {
  override readonly name = 'SnapshotUnavailableError'
}

export interface SnapshotCacheOptions {
  readonly freshMs: number
  readonly staleWhileRevalidateMs: number
  readonly staleIfErrorMs: number
  /** A snapshot in Redis is believed for this long (±20 %) after it was last confirmed; then the store is asked. */
  readonly sharedFreshMs: number
  /** How long it may lie in Redis; see also `staleIfErrorMs`. */
  readonly sharedTtlMs: number
  readonly redisCoolDownMs: number
  readonly loadTimeoutMs: number
  readonly negativeMs: number
  readonly maxEntries: number
  readonly maxNegatives: number
  readonly maxRefreshes: number
}

export const snapshotCacheDefaults: SnapshotCacheOptions = {
  freshMs: 500,
  staleWhileRevalidateMs: 10_000,
  staleIfErrorMs: 300_000,
  sharedFreshMs: 5_000,
  sharedTtlMs: 600_000,
  redisCoolDownMs: 1_000,
  loadTimeoutMs: 2_000,
  negativeMs: 500,
  maxEntries: 10_000,
  maxNegatives: 10_000,
  maxRefreshes: 1_000,
}

export interface SnapshotCacheDeps<D> {
  readonly redis: SnapshotRedis
  readonly redisKey: (key: string) => string
  /** L3. Null: there is no such key. Throws when it cannot tell. */
  readonly load: (key: string) => Promise<Snapshot<D> | null>
  /** Reads a document that came through Redis; null when it is not one. */
  readonly parse: (document: unknown) => D | null
  /** The JSON of an answer from the cache that is not stale. */
  readonly toBody: (document: D) => Buffer
  readonly nowMs: () => number
  readonly observe: (tier: CacheTier) => void
  readonly options?: Partial<SnapshotCacheOptions>
}

export interface SnapshotCache<D> {
  /** What can be answered without waiting, or undefined. May start a refresh behind it. */
  getNow(key: string): SnapshotRead<D> | undefined
  /**
   * Answers now or after one refresh. With `minVersion`, versions below it are not taken from L1 or L2: the answer is
   * the store's, which may still be below. Throws {@link SnapshotUnavailableError}.
   */
  get(key: string, want?: { readonly minVersion: number }): Promise<SnapshotRead<D>>
  /** What is known right now, without touching anything: for the edge's early refusals. A miss says nothing. */
  peek(key: string): SnapshotRead<D> | undefined
  /** Takes over announced snapshots of keys that are of interest here (known, known to be missing, being read). */
  apply(announcements: readonly Announcement<D>[]): void
  drop(key: string): void
  /** Whether announcements arrive. While they do not, negatives are not answered by {@link peek}. Starts as false. */
  setLive(live: boolean): void
  /** Entries held, negatives not counted. */
  size(): number
}
