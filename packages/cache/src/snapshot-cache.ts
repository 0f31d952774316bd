/**
 * Documents by key, answered from this process (L1), Redis (L2) or the store (L3), stale-while-revalidate.
 *
 *  C1  An older (epoch, version) never replaces a newer one, here or in Redis (I7).
 *  C2  One key has at most one refresh under way in this process, however many readers wait.
 *  C3  A reader waits only when nothing usable is here; a failing L2 or L3 never turns a known document into an error
 *      before `staleIfErrorMs`.
 *  C4  Everything is bounded: entries, negatives, refreshes under way, every wait.
 *  C5  No process's clock is compared with another's: L2 tells ages, times are this process's own.
 *
 * An entry is *checked* for `freshMs`: it is answered and nothing is asked. After that it is answered for
 * `staleWhileRevalidateMs` more while one refresh runs. Changes are announced ({@link SnapshotCache.apply}), so an
 * entry is normally current whatever its age; `stale: true` says that this is not known: the last refresh failed, or
 * announcements were lost ({@link SnapshotCache.setLive}) and it was not checked since.
 */
import { createSharedTier, jittered, type SharedTier } from './shared-tier.ts'
import {
  type Announcement,
  type CacheTier,
  type Snapshot,
  type SnapshotCache,
  type SnapshotCacheDeps,
  type SnapshotCacheOptions,
  type SnapshotHit,
  type SnapshotMissing,
  type SnapshotRead,
  SnapshotUnavailableError,
  snapshotCacheDefaults,
} from './snapshot.ts'
import { isOlder } from './stored-snapshot.ts'

/** See the top of this file; every option has a default in {@link snapshotCacheDefaults}. */
export function createSnapshotCache<D>(deps: SnapshotCacheDeps<D>): SnapshotCache<D> {
  return new Tiers(deps, { ...snapshotCacheDefaults, ...deps.options })
}

interface Entry<D> extends Snapshot<D> {
  /** When it was last known to be current. */
  atMs: number
  /** When it was last looked up or announced here. */
  checkedMs: number
  /** Until then nothing is asked. */
  nextCheckMs: number
  failed: boolean
  body: Buffer | null
}

interface Refreshed<D> {
  readonly read: SnapshotRead<D>
  readonly tier: CacheTier
}

const MISSING: SnapshotMissing = { missing: true }

class Tiers<D> implements SnapshotCache<D> {
  readonly #deps: SnapshotCacheDeps<D>
  readonly #options: SnapshotCacheOptions
  readonly #shared: SharedTier
  /** In the order of the last refresh that a reader caused: the first one is the one to forget. */
  readonly #entries = new Map<string, Entry<D>>()
  /** Key → until when it is known to be missing. */
  readonly #negatives = new Map<string, number>()
  readonly #refreshes = new Map<string, Promise<Refreshed<D>>>()
  #liveSinceMs = Number.POSITIVE_INFINITY

  constructor(deps: SnapshotCacheDeps<D>, options: SnapshotCacheOptions) {
    this.#deps = deps
    this.#options = options
    this.#shared = createSharedTier(deps, { ttlMs: options.sharedTtlMs, coolDownMs: options.redisCoolDownMs })
  }

  getNow(key: string): SnapshotRead<D> | undefined {
    const now = this.#deps.nowMs()
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      if (!this.#isNegative(key, now)) return undefined
      this.#deps.observe('negative')
      return MISSING
    }
    if (now >= entry.nextCheckMs) {
      if (now >= this.#usableUntil(entry)) return undefined
      this.#refresh(key, 0).catch(() => {})
    }
    const hit = this.#hit(entry, now, true)
    this.#deps.observe(hit.stale ? 'stale' : 'l1')
    return hit
  }

  async get(key: string, want?: { readonly minVersion: number }): Promise<SnapshotRead<D>> {
    const minVersion = want?.minVersion ?? 0
    const known = this.#entries.get(key)
    if (minVersion === 0 || (known !== undefined && known.version >= minVersion)) {
      const now = this.getNow(key)
      if (now !== undefined) return now
    }
    const running = await this.#refreshes.get(key)
    const { read, tier } =
      running !== undefined && reaches(running, minVersion) ? running : await this.#refresh(key, minVersion)
    this.#deps.observe(tier)
    return read
  }

  peek(key: string): SnapshotRead<D> | undefined {
    const now = this.#deps.nowMs()
    const entry = this.#entries.get(key)
    if (entry !== undefined) return now < this.#usableUntil(entry) ? this.#hit(entry, now, true) : undefined
    const live = this.#liveSinceMs !== Number.POSITIVE_INFINITY
    return live && this.#isNegative(key, now) ? MISSING : undefined
  }

  apply(announcements: readonly Announcement<D>[]): void {
    const now = this.#deps.nowMs()
    for (const { key, epoch, version, document } of announcements) {
      if (this.#entries.has(key) || this.#negatives.has(key) || this.#refreshes.has(key)) {
        this.#store(key, { epoch, version, document }, now)
      }
    }
  }

  drop(key: string): void {
    this.#entries.delete(key)
    this.#negatives.delete(key)
  }

  setLive(live: boolean): void {
    // What was found missing while announcements were lost may have been made meanwhile.
    if (live) this.#negatives.clear()
    this.#liveSinceMs = live ? this.#deps.nowMs() : Number.POSITIVE_INFINITY
  }

  size(): number {
    return this.#entries.size
  }

  #isNegative(key: string, now: number): boolean {
    const until = this.#negatives.get(key)
    return until !== undefined && now < until
  }

  #usableUntil(entry: Entry<D>): number {
    const { freshMs, staleWhileRevalidateMs, staleIfErrorMs } = this.#options
    return entry.checkedMs + (entry.failed ? staleIfErrorMs : freshMs + staleWhileRevalidateMs)
  }

  #hit(entry: Entry<D>, now: number, fromCache: boolean): SnapshotHit<D> {
    const unsure = now >= entry.nextCheckMs && entry.checkedMs < this.#liveSinceMs
    const stale = entry.failed || unsure
    const { document, epoch, version } = entry
    if (fromCache && !stale) entry.body ??= this.#deps.toBody(document)
    const body = fromCache && !stale ? entry.body : null
    return { document, epoch, version, body, ageMs: Math.max(0, now - entry.atMs), fromCache, stale }
  }

  /** Takes a snapshot over unless a newer one is here (C1). `atMs`: when it was known to be current. */
  #store(key: string, snapshot: Snapshot<D>, atMs: number): Entry<D> {
    const now = this.#deps.nowMs()
    const nextCheckMs = now + jittered(this.#options.freshMs, 0.1)
    const held = this.#entries.get(key)
    this.#negatives.delete(key)
    if (held !== undefined && !isOlder(held, snapshot)) {
      const same = !isOlder(snapshot, held)
      Object.assign(held, {
        atMs: same ? Math.max(held.atMs, atMs) : held.atMs,
        checkedMs: now,
        nextCheckMs,
        failed: false,
      })
      return held
    }
    const entry: Entry<D> = { ...snapshot, atMs, checkedMs: now, nextCheckMs, failed: false, body: null }
    this.#entries.set(key, entry)
    forgetFirst(this.#entries, this.#options.maxEntries)
    return entry
  }

  #refresh(key: string, minVersion: number): Promise<Refreshed<D>> {
    const running = this.#refreshes.get(key)
    if (running !== undefined) return running
    if (this.#refreshes.size >= this.#options.maxRefreshes) {
      return Promise.reject(new SnapshotUnavailableError('too many snapshots are being loaded'))
    }
    const refresh = this.#ask(key, minVersion).finally(() => this.#refreshes.delete(key))
    this.#refreshes.set(key, refresh)
    return refresh
  }

  async #ask(key: string, minVersion: number): Promise<Refreshed<D>> {
    const startedMs = this.#deps.nowMs()
    const stored = await this.#readShared(key, startedMs)
    if (
      stored !== null &&
      stored.version >= minVersion &&
      startedMs - stored.atMs < jittered(this.#options.sharedFreshMs, 0.2)
    ) {
      const entry = this.#renew(key, stored, stored.atMs)
      return { read: this.#hit(entry, this.#deps.nowMs(), true), tier: 'l2' }
    }
    let loaded: Snapshot<D> | null
    try {
      loaded = await withTimeout(this.#deps.load(key), this.#options.loadTimeoutMs)
    } catch (cause) {
      return { read: this.#fallBack(key, stored, cause), tier: 'stale' }
    }
    if (loaded === null) return this.#miss(key, startedMs)
    this.#shared.write(key, loaded, this.#deps.nowMs() - startedMs)
    const entry = this.#renew(key, loaded, startedMs)
    return { read: this.#hit(entry, this.#deps.nowMs(), false), tier: 'l3' }
  }

  /** As {@link Tiers.#store}, for a reader: the entry becomes the last one to be forgotten. */
  #renew(key: string, snapshot: Snapshot<D>, atMs: number): Entry<D> {
    const entry = this.#store(key, snapshot, atMs)
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  /** L2's snapshot, unless L1 holds a newer one: then Redis missed a write and the store repairs it. */
  async #readShared(
    key: string,
    startedMs: number,
  ): Promise<(Snapshot<D> & { readonly atMs: number }) | null> {
    const stored = await this.#shared.read(key)
    const held = this.#entries.get(key)
    if (stored === null || (held !== undefined && isOlder(stored, held))) return null
    const { epoch, version, ageMs } = stored
    const document = this.#deps.parse(stored.document)
    return document === null ? null : { epoch, version, atMs: startedMs - ageMs, document }
  }

  #miss(key: string, startedMs: number): Refreshed<D> {
    const held = this.#entries.get(key)
    // Announced while the store was being asked: it exists.
    if (held !== undefined && held.checkedMs >= startedMs) {
      return { read: this.#hit(held, this.#deps.nowMs(), true), tier: 'l1' }
    }
    this.#entries.delete(key)
    this.#negatives.delete(key)
    this.#negatives.set(key, this.#deps.nowMs() + this.#options.negativeMs)
    forgetFirst(this.#negatives, this.#options.maxNegatives)
    return { read: MISSING, tier: 'l3' }
  }

  /** The last known document when the store does not answer: L1's, else what Redis still has. */
  #fallBack(
    key: string,
    stored: (Snapshot<D> & { readonly atMs: number }) | null,
    cause: unknown,
  ): SnapshotHit<D> {
    const now = this.#deps.nowMs()
    const held = this.#entries.get(key)
    const entry = held ?? (stored === null ? undefined : this.#renew(key, stored, stored.atMs))
    if (entry === undefined || now >= Math.max(entry.atMs, entry.checkedMs) + this.#options.staleIfErrorMs) {
      throw new SnapshotUnavailableError(`no snapshot of ${key} can be had`, { cause })
    }
    entry.failed = true
    entry.nextCheckMs = now + jittered(this.#options.freshMs, 0.1)
    return this.#hit(entry, now, true)
  }
}

function reaches<D>({ read }: Refreshed<D>, minVersion: number): boolean {
  return minVersion === 0 || ('version' in read && read.version >= minVersion)
}

function forgetFirst(map: Map<string, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return
    map.delete(key)
  }
}

async function withTimeout<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Error(`the store did not answer within ${timeoutMs} ms`)),
    timeoutMs,
  )
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
