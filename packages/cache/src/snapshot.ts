/** What the snapshot cache takes and gives; {@link file://./snapshot-cache.ts} says how it behaves. */
import type { Breaker } from '@ironsys/circuit-breaker'
import type { SnapshotRedis, Version } from './stored-snapshot.ts'

export interface Snapshot<D> extends Version {
  readonly document: D
}

export interface SnapshotHit<D> extends Snapshot<D> {
  /**
   * The answer's JSON with `from_cache: true, stale: false`, made once per version; null when it does not apply. Text
   * and not bytes: Node writes text together with the head, in one piece, which saves 7 % of a cached GET.
   */
  readonly body: string | null
  /**
   * Since it was last found to be current: by an announcement, in the store, or in Redis as long as that is believed. Of
   * a stale one since the store or the writer last said so. Never negative.
   */
  readonly ageMs: number
  /** False when this read loaded it from the store. */
  readonly fromCache: boolean
  readonly stale: boolean
}

export interface SnapshotMissing {
  readonly missing: true
}

export const missingSnapshot: SnapshotMissing = { missing: true }

export type SnapshotRead<D> = SnapshotHit<D> | SnapshotMissing

export interface Announcement<D> extends Version {
  readonly key: string
  /** Null: the key was removed, with the snapshots of it up to this version. */
  readonly document: D | null
}

export type CacheTier = 'l1' | 'l2' | 'l3' | 'stale' | 'negative'

/** Neither Redis nor the store answered and nothing usable is known. Retry later. */
export class SnapshotUnavailableError extends Error {
  override readonly name = 'SnapshotUnavailableError'
}

/** Times in milliseconds. */
export interface SnapshotCacheOptions {
  /** What was looked up or announced is answered this long (±10 %) without asking anybody. */
  readonly freshMs: number
  /** After that it is answered for so long while one refresh runs behind it. */
  readonly staleWhileRevalidateMs: number
  /** When neither Redis nor the store answers, the last known is answered for this long, marked as stale. */
  readonly staleIfErrorMs: number
  /** A snapshot in Redis is believed for this long (±20 %) after it was last confirmed; then the store is asked. */
  readonly sharedFreshMs: number
  /** How long it may lie in Redis; see also `staleIfErrorMs`. */
  readonly sharedTtlMs: number
  readonly loadTimeoutMs: number
  /** A process that died while it loaded a key for all keeps the others waiting no longer than `lockWaitMs`. */
  readonly lockMs: number
  /** How long another process's load is waited for, before the store is asked after all. */
  readonly lockWaitMs: number
  /**
   * When the store has an older version of a key than the one known here, which was not confirmed for this long, the
   * key was removed and made again. Longer than the answer of a store may take or lag behind.
   */
  readonly remadeAfterMs: number
  readonly negativeMs: number
  readonly maxEntries: number
  /** Of all entries' bodies. With the parsed documents they take two to six times as much memory. */
  readonly maxBytes: number
  /** Unknown keys that are remembered as unknown: they cost no entry its place. */
  readonly maxNegatives: number
  /** Look-ups under way, and at most as many loads from the store: a reader beyond it gets the last known or an error. */
  readonly maxRefreshes: number
}

/** The times that can be changed while the cache is in use. */
export type SnapshotCacheWindows = Pick<
  SnapshotCacheOptions,
  'freshMs' | 'staleWhileRevalidateMs' | 'staleIfErrorMs' | 'sharedFreshMs' | 'negativeMs'
>

export const snapshotCacheDefaults: SnapshotCacheOptions = {
  freshMs: 500,
  staleWhileRevalidateMs: 60_000,
  staleIfErrorMs: 300_000,
  sharedFreshMs: 5_000,
  sharedTtlMs: 600_000,
  loadTimeoutMs: 2_000,
  lockMs: 3_000,
  lockWaitMs: 1_000,
  remadeAfterMs: 10_000,
  negativeMs: 500,
  maxEntries: 10_000,
  maxBytes: 32 * 1024 * 1024,
  maxNegatives: 10_000,
  maxRefreshes: 1_000,
}

/** Throws a RangeError where two options contradict each other. */
export function checkSnapshotCacheOptions(options: SnapshotCacheOptions): void {
  const { loadTimeoutMs, lockMs, lockWaitMs, remadeAfterMs, sharedFreshMs, sharedTtlMs } = options
  if (lockMs < lockWaitMs) throw new RangeError('lockMs is below lockWaitMs')
  if (remadeAfterMs <= loadTimeoutMs) throw new RangeError('remadeAfterMs is not above loadTimeoutMs')
  if (sharedTtlMs < 2 * sharedFreshMs) throw new RangeError('sharedTtlMs is below twice sharedFreshMs')
}

export interface SnapshotCacheDeps<D> {
  readonly redis: SnapshotRedis
  /** Around the commands to Redis, with {@link judgeRedis}; without one it is asked whatever came of the last. */
  readonly redisBreaker?: Pick<Breaker, 'call'>
  readonly redisKey: (key: string) => string
  /** L3. Null: there is no such key. Throws when it cannot tell. */
  readonly load: (key: string) => Promise<Snapshot<D> | null>
  /** Reads a document that came through Redis; null when it is not one. */
  readonly parse: (document: unknown) => D | null
  /** The JSON of an answer from the cache that is not stale. */
  readonly toBody: (document: D) => string
  readonly nowMs: () => number
  readonly observe: (tier: CacheTier) => void
  readonly options?: Partial<SnapshotCacheOptions>
}

export interface SnapshotCache<D> {
  /** What can be answered without waiting, or undefined. May start a refresh behind it. */
  getNow(key: string): SnapshotRead<D> | undefined
  /**
   * Answers now or after one refresh. With `minVersion`, versions below it are not taken from L1 or L2: the answer is
   * the store's, which may still be below. Epochs do not count: of a key that was repaired since, an earlier epoch's
   * higher version is an answer, until the repair is heard of. Throws {@link SnapshotUnavailableError}.
   */
  get(key: string, want?: { readonly minVersion: number }): Promise<SnapshotRead<D>>
  /** What is known right now, without touching anything: for the edge's early refusals. A miss says nothing. */
  peek(key: string): SnapshotRead<D> | undefined
  /**
   * Tells of every snapshot of the key that is newer than the newest known here, wherever it came from (announcement,
   * refresh), and of its removal, until the returned function is called. While watched, announcements of the key are
   * taken over though nobody reads it, and it is looked up when neither the store nor the writer has confirmed it for as
   * long as a snapshot in Redis is believed (while announcements do not arrive: every `freshMs`), so that a missed
   * announcement heals. It does not tell what is known already: the caller does {@link SnapshotCache.get} first.
   * `changed` is called synchronously and must not throw. The caller bounds how many keys it watches.
   */
  watch(key: string, changed: (read: SnapshotRead<D>) => void): () => void
  /**
   * Takes over announced snapshots and removals of keys that are of interest here (known, known to be missing, being
   * read, watched).
   */
  apply(announcements: readonly Announcement<D>[]): void
  /** The key may have been made since it was found to be missing. */
  dropMissing(key: string): void
  /** Whether announcements arrive. While they do not, negatives are not answered by {@link peek}. Starts as false. */
  setLive(live: boolean): void
  /** Entries held, negatives not counted. */
  size(): number
}

export interface ConfigurableSnapshotCache<D> extends SnapshotCache<D> {
  /**
   * Other windows from now on, for what is held too. Throws a RangeError where they contradict the other options, and then
   * changes nothing.
   */
  configure(windows: SnapshotCacheWindows): void
}
