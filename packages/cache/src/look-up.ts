/**
 * One look outside of this process: Redis first, then the store, which one of all processes asks while the others wait
 * for its answer in Redis.
 *
 *  U1  The lock saves queries and is needed for nothing: a holder that is slow or dead is waited for `lockWaitMs`; while
 *      Redis fails there is none.
 *  U2  At most `maxRefreshes` loads are under way, those that were given up and still run at the store included.
 *  U3  What the store contradicts is removed from Redis: all of it when there is no such key, and a newer version of
 *      the key when that was not known to be current for `remadeAfterMs` (the key was removed and made again).
 */
import { jittered, type LoadLock, noLock, type SharedTier } from './shared-tier.ts'
import type { Snapshot, SnapshotCacheDeps, SnapshotCacheOptions } from './snapshot.ts'
import { type AgedSnapshot, isOlder, type Version } from './stored-snapshot.ts'

/** Times by this process's clock. */
export interface DatedSnapshot<D> extends Snapshot<D> {
  /** When the store, or the writer, said so. */
  readonly atMs: number
  /** When this process asked, or was told. */
  readonly askedMs: number
}

export type Found<D> =
  | { readonly where: 'shared' | 'store'; readonly snapshot: DatedSnapshot<D> }
  /** The store says that there is no such key. */
  | { readonly where: 'nowhere' }
  /** Somebody has told of it meanwhile: it is in L1. */
  | { readonly where: 'told' }
  /** The store did not answer. What Redis has, however old, may be better than nothing. */
  | { readonly where: 'unknown'; readonly stored: DatedSnapshot<D> | null; readonly cause: unknown }

export interface Wanted {
  /** Above 0 the answer is the store's, unless Redis has this version. It may rise meanwhile. */
  readonly minVersion: () => number
  /** The newest version in L1: what is older is no answer. */
  readonly held: () => Version | undefined
  /** An announcement has answered it meanwhile. */
  readonly isTold: () => boolean
  /** The key was removed meanwhile: what comes now may be from before and must not get into Redis. */
  readonly isVoid: () => boolean
}

/** How long Redis is left alone between two looks for the holder's answer, at first and at most. */
const LOCK_POLL_MS = 5
const LOCK_POLL_MAX_MS = 80

/** Not all processes find a snapshot in Redis too old at the same moment. */
const BELIEVED_SPREAD = 0.2

/** The longest that a snapshot in Redis is believed. */
export function believedAtMostMs({ sharedFreshMs }: SnapshotCacheOptions): number {
  return sharedFreshMs * (1 + BELIEVED_SPREAD)
}

interface InRedis<D> {
  readonly raw: AgedSnapshot | null
  /** Null also when it cannot be read. */
  readonly stored: DatedSnapshot<D> | null
}

interface Turn<D> extends InRedis<D> {
  readonly lock: LoadLock
}

export class LookUp<D> {
  readonly #deps: Pick<SnapshotCacheDeps<D>, 'load' | 'parse' | 'nowMs'>
  readonly #shared: SharedTier
  readonly #options: SnapshotCacheOptions
  #loads = 0

  constructor(
    deps: Pick<SnapshotCacheDeps<D>, 'load' | 'parse' | 'nowMs'>,
    shared: SharedTier,
    options: SnapshotCacheOptions,
  ) {
    this.#deps = deps
    this.#shared = shared
    this.#options = options
  }

  /** Never rejects. */
  async find(key: string, wanted: Wanted): Promise<Found<D>> {
    const believedMs = jittered(this.#options.sharedFreshMs, BELIEVED_SPREAD)
    const isAnswer = (stored: DatedSnapshot<D> | null): stored is DatedSnapshot<D> => {
      if (stored === null || stored.version < wanted.minVersion()) return false
      const held = wanted.held()
      // Older than what is here: Redis has missed a write, or the key was made again. The store knows.
      if (held !== undefined && isOlder(stored, held)) return false
      return this.#deps.nowMs() - stored.atMs < believedMs
    }
    const first = await this.#readShared(key)
    // Removed meanwhile, here: what Redis has told may be of the life before.
    const inShared = (snapshot: DatedSnapshot<D>): Found<D> =>
      wanted.isVoid() ? { where: 'told' } : { where: 'shared', snapshot }
    if (isAnswer(first.stored)) return inShared(first.stored)
    // Who asks for a version wants what the store has now, not what it has told another one before.
    const turn =
      wanted.minVersion() > 0 ? { ...first, lock: noLock } : await this.#takeTurn(key, isAnswer, wanted)
    if (turn === 'told') return { where: 'told' }
    const { raw, stored, lock } = turn
    if (isAnswer(stored)) {
      void lock.release()
      return inShared(stored)
    }
    const found = await this.#askStore(key, stored)
    const isVoid = wanted.isVoid()
    // Nobody here waits for it; others may, for the lock.
    void this.#repairShared(key, isVoid ? null : found, raw).then(lock.release)
    return isVoid ? { where: 'told' } : found
  }

  /** Resolves when it is this process's turn to ask the store, or nobody's any more. */
  async #takeTurn(
    key: string,
    isAnswer: (stored: DatedSnapshot<D> | null) => boolean,
    { isTold, minVersion }: Wanted,
  ): Promise<Turn<D> | 'told'> {
    let waitedMs = 0
    for (let pauseMs = LOCK_POLL_MS; ; pauseMs = Math.min(2 * pauseMs, LOCK_POLL_MAX_MS)) {
      // In one go and the lock first: what its last holder has left is seen.
      const [lock, inRedis] = await Promise.all([this.#shared.lock(key), this.#readShared(key)])
      const isLate = minVersion() > 0 || waitedMs + pauseMs > this.#options.lockWaitMs
      if (!lock.isTaken || isLate || isAnswer(inRedis.stored)) return { ...inRedis, lock }
      await pause(pauseMs)
      waitedMs += pauseMs
      if (isTold()) return 'told'
    }
  }

  async #readShared(key: string): Promise<InRedis<D>> {
    const askedMs = this.#deps.nowMs()
    const raw = await this.#shared.read(key)
    const document = raw === null ? null : this.#deps.parse(raw.document)
    if (raw === null || document === null) return { raw, stored: null }
    const { epoch, version, ageMs } = raw
    return { raw, stored: { epoch, version, document, atMs: askedMs - ageMs, askedMs } }
  }

  async #askStore(key: string, stored: DatedSnapshot<D> | null): Promise<Found<D>> {
    const askedMs = this.#deps.nowMs()
    try {
      const loaded = await withTimeout(this.#load(key), this.#options.loadTimeoutMs)
      return loaded === null
        ? { where: 'nowhere' }
        : { where: 'store', snapshot: { ...loaded, atMs: askedMs, askedMs } }
    } catch (cause) {
      return { where: 'unknown', stored, cause }
    }
  }

  async #load(key: string): Promise<Snapshot<D> | null> {
    if (this.#loads >= this.#options.maxRefreshes) throw new Error('too many snapshots are being loaded')
    this.#loads++
    try {
      return await this.#deps.load(key)
    } finally {
      this.#loads--
    }
  }

  /** Brings Redis to what the store has said. Never rejects. */
  async #repairShared(key: string, found: Found<D> | null, raw: AgedSnapshot | null): Promise<void> {
    if (found?.where === 'nowhere' && raw !== null) await this.#shared.remove(key, raw)
    if (found?.where !== 'store') return
    const { atMs, askedMs, ...snapshot } = found.snapshot
    const { remadeAfterMs } = this.#options
    if (raw !== null && raw.ageMs > remadeAfterMs && isEarlierLife(raw, snapshot)) {
      await this.#shared.remove(key, raw)
    }
    await this.#shared.write(key, snapshot, this.#deps.nowMs() - atMs)
  }
}

/**
 * Whether the store's answer to a later question shows that the key was removed and made again since `known`: versions
 * of one life never go back, except with a new epoch.
 */
export function isEarlierLife(known: Version, inStore: Version): boolean {
  return known.epoch === inStore.epoch && known.version > inStore.version
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
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
