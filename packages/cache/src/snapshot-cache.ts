/**
 * Documents by key, answered from this process (L1), Redis (L2) or the store (L3), stale-while-revalidate.
 *
 *  C1  An older (epoch, version) never replaces a newer one, here or in Redis (I7), as long as the key lives: a removal
 *      ends what is up to its version, and a key that is made again begins anew ({@link isEarlierLife} where the
 *      removal was missed).
 *  C2  One key has at most one refresh under way in this process, however many readers wait.
 *  C3  A reader waits only when nothing usable is here; a failing L2 or L3 is no error before `staleIfErrorMs`.
 *  C4  Everything is bounded: entries, their bytes, negatives, refreshes under way, every wait.
 *  C5  No process's clock is compared with another's: L2 tells ages, times are this process's own.
 *
 * An entry is *checked* for `freshMs`: it is answered and nothing is asked. After that it is answered for
 * `staleWhileRevalidateMs` more while one refresh runs. Changes are announced ({@link SnapshotCache.apply}), so an
 * entry is normally current whatever its age; `stale: true` says that this is not known: the last refresh failed, or
 * announcements were lost ({@link SnapshotCache.setLive}) and it was not checked since.
 */
import { Entries, type Entry } from './entries.ts'
import { believedAtMostMs, type DatedSnapshot, type Found, isEarlierLife, LookUp } from './look-up.ts'
import { type Refresh, type Refreshed, Refreshes, reaches } from './refreshes.ts'
import { createSharedTier, jittered } from './shared-tier.ts'
import {
  type Announcement,
  type ConfigurableSnapshotCache,
  checkSnapshotCacheOptions,
  missingSnapshot,
  type SnapshotCacheDeps,
  type SnapshotCacheOptions,
  type SnapshotCacheWindows,
  type SnapshotHit,
  type SnapshotRead,
  SnapshotUnavailableError,
  snapshotCacheDefaults,
} from './snapshot.ts'
import { isOlder, type Version } from './stored-snapshot.ts'
import { type CheckOfWatched, createWatchers, type Watchers } from './watchers.ts'

/** Options have defaults in {@link snapshotCacheDefaults}; throws a RangeError where two contradict each other. */
export function createSnapshotCache<D>(deps: SnapshotCacheDeps<D>): ConfigurableSnapshotCache<D> {
  const options = { ...snapshotCacheDefaults, ...deps.options }
  checkSnapshotCacheOptions(options)
  return new Tiers(deps, options)
}

class Tiers<D> implements ConfigurableSnapshotCache<D> {
  readonly #deps: SnapshotCacheDeps<D>
  readonly #options: SnapshotCacheOptions
  readonly #entries: Entries<D>
  readonly #lookUp: LookUp<D>
  readonly #refreshes = new Refreshes<D>()
  readonly #watchers: Watchers<D>
  #liveSinceMs = Number.POSITIVE_INFINITY

  constructor(deps: SnapshotCacheDeps<D>, options: SnapshotCacheOptions) {
    this.#deps = deps
    this.#options = options
    this.#entries = new Entries(options)
    const { sharedTtlMs: ttlMs, lockMs } = options
    this.#lookUp = new LookUp(deps, createSharedTier(deps, { ttlMs, lockMs }), options)
    this.#watchers = createWatchers({
      nowMs: deps.nowMs,
      everyMs: options.freshMs,
      maxLooks: Math.ceil(options.maxRefreshes / 4),
      check: (key) => this.#checkWatched(key),
    })
  }

  getNow(key: string): SnapshotRead<D> | undefined {
    const now = this.#deps.nowMs()
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      if (!this.#entries.isMissing(key, now)) return undefined
      this.#deps.observe('negative')
      return missingSnapshot
    }
    if (now >= entry.nextCheckMs) {
      if (now >= this.#usableUntil(entry)) return undefined
      this.#refreshBehind(key)
    }
    entry.wasRead = true
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
    const isJoined = this.#refreshes.has(key)
    let found = await this.#refresh(key, minVersion)
    // What had begun before may have asked the store too early.
    if (isJoined && !reaches(found, minVersion)) found = await this.#refresh(key, minVersion)
    this.#deps.observe(found.tier)
    return found.read
  }

  peek(key: string): SnapshotRead<D> | undefined {
    const now = this.#deps.nowMs()
    const entry = this.#entries.get(key)
    if (entry !== undefined) return now < this.#usableUntil(entry) ? this.#hit(entry, now, true) : undefined
    const live = this.#liveSinceMs !== Number.POSITIVE_INFINITY
    return live && this.#entries.isMissing(key, now) ? missingSnapshot : undefined
  }

  watch(key: string, changed: (read: SnapshotRead<D>) => void): () => void {
    const now = this.#deps.nowMs()
    const entry = this.#entries.get(key)
    const missing = this.#entries.isMissing(key, now) ? missingSnapshot : undefined
    return this.#watchers.add(key, entry === undefined ? missing : this.#hit(entry, now, true), changed)
  }

  apply(announcements: readonly Announcement<D>[]): void {
    const now = this.#deps.nowMs()
    for (const { key, epoch, version, document } of announcements) {
      if (!this.#isOfInterest(key)) continue
      const held = this.#entries.get(key)
      if (document === null) this.#removed(key, { epoch, version })
      // An older one says nothing about what is here.
      else if (held === undefined || !isOlder({ epoch, version }, held))
        this.#store(key, { epoch, version, document, atMs: now, askedMs: now })
    }
  }

  dropMissing(key: string): void {
    this.#entries.dropMissing(key)
  }

  setLive(live: boolean): void {
    // What was found missing while announcements were lost may have been made meanwhile.
    if (live) this.#entries.clearMissing()
    this.#liveSinceMs = live ? this.#deps.nowMs() : Number.POSITIVE_INFINITY
  }

  size(): number {
    return this.#entries.size
  }

  configure(windows: SnapshotCacheWindows): void {
    checkSnapshotCacheOptions({ ...this.#options, ...windows })
    // The look-ups read the same object.
    Object.assign(this.#options, windows)
    this.#entries.checkWithin(windows, this.#deps.nowMs())
    this.#watchers.retime(windows.freshMs)
  }

  #isOfInterest(key: string): boolean {
    return this.#entries.has(key) || this.#refreshes.has(key) || this.#watchers.has(key)
  }

  /** Readers have the other half of the refreshes for themselves. */
  #checkWatched(key: string): CheckOfWatched {
    if (this.#refreshes.size >= this.#options.maxRefreshes / 2) return 'busy'
    const now = this.#deps.nowMs()
    const entry = this.#entries.get(key)
    // Somebody reads it, as it were: it keeps its place.
    if (entry !== undefined) entry.wasRead = true
    const isDue =
      entry === undefined ? !this.#entries.isMissing(key, now) : now >= this.#nextCheckOfWatchedMs(entry)
    if (!isDue) return 'current'
    this.#refreshBehind(key)
    return 'asked'
  }

  /** While announcements arrive Redis has nothing to add, until its snapshot is not believed any more. */
  #nextCheckOfWatchedMs(entry: Entry<D>): number {
    const isAnnounced = entry.checkedMs >= this.#liveSinceMs && !entry.failed
    return isAnnounced ? entry.atMs + believedAtMostMs(this.#options) : entry.nextCheckMs
  }

  #usableUntil(entry: Entry<D>): number {
    const { freshMs, staleWhileRevalidateMs, staleIfErrorMs } = this.#options
    return entry.checkedMs + (entry.failed ? staleIfErrorMs : freshMs + staleWhileRevalidateMs)
  }

  #hit(entry: Entry<D>, now: number, fromCache: boolean): SnapshotHit<D> {
    const stale = entry.failed || (now >= entry.nextCheckMs && entry.checkedMs < this.#liveSinceMs)
    const { document, epoch, version } = entry
    const body = fromCache && !stale ? entry.body : null
    const ageMs = Math.max(0, now - (stale ? entry.atMs : entry.checkedMs))
    return { document, epoch, version, body, ageMs, fromCache, stale }
  }

  /** Takes a snapshot over unless a newer one is here (C1), and tells who watches. */
  #store(key: string, { atMs, askedMs, ...snapshot }: DatedSnapshot<D>): Entry<D> {
    const now = this.#deps.nowMs()
    const nextCheckMs = now + jittered(this.#options.freshMs, 0.1)
    const checked = { checkedMs: askedMs, nextCheckMs, failed: false }
    const held = this.#entries.get(key)
    if (held !== undefined && !isOlder(held, snapshot)) {
      const isSame = !isOlder(snapshot, held)
      return Object.assign(held, checked, { atMs: isSame ? Math.max(held.atMs, atMs) : held.atMs })
    }
    const body = this.#deps.toBody(snapshot.document)
    const entry: Entry<D> = { ...snapshot, atMs, ...checked, wasRead: held?.wasRead ?? false, body }
    this.#entries.set(key, entry)
    this.#watchers.tell(key, this.#hit(entry, now, true))
    return entry
  }

  /** As {@link Tiers.#store}, for a reader: the entry becomes the last one to be forgotten. */
  #renew(key: string, snapshot: DatedSnapshot<D>): Entry<D> {
    const entry = this.#store(key, snapshot)
    this.#entries.renew(key)
    return entry
  }

  #removed(key: string, upTo: Version): void {
    const held = this.#entries.get(key)
    if (held !== undefined && isOlder(upTo, held)) return
    this.#refreshes.makeVoid(key)
    this.#forget(key)
  }

  #forget(key: string): void {
    this.#entries.setMissing(key, this.#deps.nowMs() + this.#options.negativeMs)
    this.#watchers.tell(key, missingSnapshot)
  }

  /** What it finds is told by the entry; so is that it failed. */
  #refreshBehind(key: string): void {
    this.#refresh(key, 0).catch(() => {})
  }

  /** Joins the one under way, or starts one. Rejects with a {@link SnapshotUnavailableError}. */
  #refresh(key: string, minVersion: number): Promise<Refreshed<D>> {
    const joined = this.#refreshes.join(key, minVersion)
    if (joined !== undefined) return joined
    if (this.#refreshes.size >= this.#options.maxRefreshes) return this.#refused(key)
    return this.#refreshes.start(key, minVersion, (refresh) => this.#ask(key, refresh))
  }

  async #refused(key: string): Promise<Refreshed<D>> {
    const cause = new Error('too many snapshots are being looked up')
    return { read: this.#fallBack(key, null, cause), tier: 'stale' }
  }

  async #ask(key: string, refresh: Refresh<D>): Promise<Refreshed<D>> {
    const startedMs = this.#deps.nowMs()
    const toldOf = () => {
      const held = this.#entries.get(key)
      return held !== undefined && held.checkedMs >= startedMs ? held : undefined
    }
    const found = await this.#lookUp.find(key, {
      minVersion: () => refresh.minVersion,
      held: () => this.#entries.get(key),
      isTold: () => refresh.isVoid || toldOf() !== undefined,
      isVoid: () => refresh.isVoid,
    })
    const told = toldOf()
    // It was told and forgotten in the same moment.
    if (found.where === 'told' && told === undefined && !refresh.isVoid) return this.#ask(key, refresh)
    return this.#take(key, found, told)
  }

  /** `told`: the entry, if it was announced while it was looked up. */
  #take(key: string, found: Found<D>, told: Entry<D> | undefined): Refreshed<D> {
    switch (found.where) {
      case 'shared': {
        const entry = this.#renew(key, found.snapshot)
        return { read: this.#hit(entry, this.#deps.nowMs(), true), tier: 'l2' }
      }
      case 'store': {
        this.#endEarlierLife(key, found.snapshot)
        const entry = this.#renew(key, found.snapshot)
        return { read: this.#hit(entry, this.#deps.nowMs(), false), tier: 'l3' }
      }
      case 'nowhere':
      case 'told': {
        if (told !== undefined) return { read: this.#hit(told, this.#deps.nowMs(), true), tier: 'l1' }
        this.#forget(key)
        return { read: missingSnapshot, tier: found.where === 'told' ? 'negative' : 'l3' }
      }
      case 'unknown':
        return { read: this.#fallBack(key, found.stored, found.cause), tier: 'stale' }
    }
  }

  #endEarlierLife(key: string, inStore: DatedSnapshot<D>): void {
    const held = this.#entries.get(key)
    if (held === undefined || !isEarlierLife(held, inStore)) return
    if (inStore.atMs - held.atMs > this.#options.remadeAfterMs) this.#forget(key)
  }

  /** The last known document when the store does not answer: L1's, or what Redis still has. */
  #fallBack(key: string, stored: DatedSnapshot<D> | null, cause: unknown): SnapshotHit<D> {
    const now = this.#deps.nowMs()
    const held = this.#entries.get(key)
    const isBetter = stored !== null && (held === undefined || isOlder(held, stored))
    const entry = isBetter ? this.#renew(key, stored) : held
    if (entry === undefined || now >= Math.max(entry.atMs, entry.checkedMs) + this.#options.staleIfErrorMs) {
      throw new SnapshotUnavailableError(`no snapshot of ${key} can be had`, { cause })
    }
    entry.failed = true
    entry.nextCheckMs = now + jittered(this.#options.freshMs, 0.1)
    return this.#hit(entry, now, true)
  }
}
