/**
 * Streams of snapshots: who asks for a key gets its newest snapshot and then what becomes of it, however many they are.
 *
 * A stream is opening (it has a place, its item is looked up), open, leaving (it was told that it ends) or closed.
 *
 *  S1  A stream never goes back: what it is sent is newer, by (epoch, version), than what it was sent or said it had.
 *  S2  A stream has at most one write that its socket has not taken. Meanwhile it is sent nothing, afterwards the newest.
 *  S3  A snapshot becomes bytes once per form of stream, when the first one needs it.
 *  S4  A key is published at most every {@link PUBLISH_EVERY_MS}, and not before everybody was offered the last publication.
 *  S5  A place is taken before anything is done for a stream, and given back once. There are never more than `streams`,
 *      and of one caller never more than `streamsPerCaller`.
 *  S6  A key is watched in the cache while it has streams, and only then.
 *  S7  Without a stream no timer runs. All beats come from one timer, a share of the streams at a time.
 *  S8  While draining, a new stream gets its snapshot and ends: a client that comes back before its balancer knows better
 *      finds an answer instead of an error, after which an EventSource would give up.
 */
import { isOlder, type SnapshotCache, type SnapshotRead, type Version } from '@ironsys/cache'
import { MISSED_BEATS_MAX, Stream, type StreamEnd } from './stream.ts'
import type { StreamForm } from './stream-frames.ts'
import { Item, type ItemDeps } from './stream-item.ts'

/** Each stream gets a beat so often: below the 60 s after which common proxies drop what is silent. */
export const BEAT_MS = 15_000
/** How long a client may leave a write untaken, at most; at least one beat less. */
export const STALLED_MS = BEAT_MS * MISSED_BEATS_MAX
/** How long after the goodbyes of a shutdown connections that still stand are cut. */
export const PARTING_MS = 1000
const BEAT_GROUPS = 15

export interface StreamHubDeps<D> extends ItemDeps<D> {
  readonly cache: Pick<SnapshotCache<D>, 'get' | 'watch'>
  readonly observer: StreamObserver
}

export interface StreamObserver {
  opened(form: StreamForm): void
  closed(form: StreamForm, why: StreamEnd): void
  refused(by: StreamLimit): void
}

/** Who has as many streams as may be. */
export type StreamLimit = 'caller' | 'process'

export interface StreamHubOptions {
  /** Open at a time in this process. */
  readonly streams: number
  /** Open at a time for one caller; 0: as many as the process takes. */
  readonly streamsPerCaller: number
}

/** `sent`: what the client has already, to be given to {@link Stream.start}. */
export type OpenOutcome =
  | { readonly kind: 'opened'; readonly stream: Stream; readonly sent: Version | null }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly by: StreamLimit }

export interface StreamHub {
  /**
   * Takes a place and looks the key up. `has`: what the client says it has. The stream that comes of it must be started
   * or told that it is closed. Throws what the cache throws.
   */
  open(key: string, caller: string, has: Version | null): Promise<OpenOutcome>
  /** Ends all streams in good order, and from now on each new one after its snapshot. */
  drain(): void
  /** Places taken. */
  size(): number
}

export function createStreamHub<D>(deps: StreamHubDeps<D>, options: StreamHubOptions): StreamHub {
  return new Hub(deps, options)
}

class Hub<D> implements StreamHub {
  readonly #deps: StreamHubDeps<D>
  readonly #options: StreamHubOptions
  readonly #items = new Map<string, Item<D>>()
  readonly #ofCaller = new Map<string, number>()
  readonly #beatGroups = Array.from({ length: BEAT_GROUPS }, () => new Set<Stream>())
  #size = 0
  #taken = 0
  #turn = 0
  #beats: NodeJS.Timeout | null = null
  #parting: NodeJS.Timeout | null = null
  #isDraining = false

  constructor(deps: StreamHubDeps<D>, options: StreamHubOptions) {
    this.#deps = deps
    this.#options = options
  }

  async open(key: string, caller: string, has: Version | null): Promise<OpenOutcome> {
    const by = this.#exhausted(caller)
    if (by !== null) {
      this.#deps.observer.refused(by)
      return { kind: 'refused', by }
    }
    const item = this.#itemOf(key)
    const stream = this.#takePlace(key, item, caller)
    try {
      const { read, sent } = await this.#look(key, has)
      if ('missing' in read) {
        stream.closed()
        return { kind: 'missing' }
      }
      item.learn(read)
      return { kind: 'opened', stream, sent }
    } catch (error) {
      stream.closed()
      throw error
    }
  }

  drain(): void {
    this.#isDraining = true
    for (const group of this.#beatGroups) for (const stream of group) stream.finish('draining')
    this.#cutLater()
  }

  size(): number {
    return this.#size
  }

  #exhausted(caller: string): StreamLimit | null {
    const { streams, streamsPerCaller } = this.#options
    if (streamsPerCaller > 0 && (this.#ofCaller.get(caller) ?? 0) >= streamsPerCaller) return 'caller'
    return this.#size >= streams ? 'process' : null
  }

  #itemOf(key: string): Item<D> {
    const known = this.#items.get(key)
    if (known !== undefined) return known
    const item: Item<D> = new Item(key, this.#deps, () => this.#forget(key, item))
    this.#items.set(key, item)
    return item
  }

  #forget(key: string, item: Item<D>): void {
    item.close()
    if (this.#items.get(key) === item) this.#items.delete(key)
  }

  #takePlace(key: string, item: Item<D>, caller: string): Stream {
    const group = this.#beatGroups[this.#taken++ % BEAT_GROUPS]
    const stream = new Stream(item, {
      started: (form) => {
        this.#deps.observer.opened(form)
        if (!this.#isDraining) return
        stream.finish('draining')
        this.#cutLater()
      },
      released: (form, why) => {
        group?.delete(stream)
        item.remove(stream)
        if (item.isEmpty) this.#forget(key, item)
        this.#givePlaceBack(caller)
        if (form !== null) this.#deps.observer.closed(form, why)
      },
    })
    group?.add(stream)
    item.add(stream)
    this.#size++
    this.#ofCaller.set(caller, (this.#ofCaller.get(caller) ?? 0) + 1)
    this.#beats ??= setInterval(() => this.#beat(), BEAT_MS / BEAT_GROUPS)
    return stream
  }

  #givePlaceBack(caller: string): void {
    const left = (this.#ofCaller.get(caller) ?? 1) - 1
    if (left > 0) this.#ofCaller.set(caller, left)
    else this.#ofCaller.delete(caller)
    if (--this.#size > 0) return
    if (this.#beats !== null) clearInterval(this.#beats)
    if (this.#parting !== null) clearTimeout(this.#parting)
    this.#beats = null
    this.#parting = null
  }

  /**
   * What the client is told first, and what it has. An id from the future is of an instance that heard more than this
   * one: the store is asked. If it does not know it either, it is not an id of this item, and the client starts anew.
   */
  async #look(key: string, has: Version | null): Promise<{ read: SnapshotRead<D>; sent: Version | null }> {
    const read = await this.#deps.cache.get(key)
    if ('missing' in read || has === null || !isOlder(read, has)) return { read, sent: has }
    // Versions count on from epoch to epoch, but not those of a log that was cut: no version here is good enough then.
    const minVersion = has.epoch > read.epoch ? Number.MAX_SAFE_INTEGER : has.version + 1
    const stored = await this.#deps.cache.get(key, { minVersion })
    // A stale one is not the store's word: the client keeps what it has until there is something newer.
    const isKnown = 'version' in stored && (stored.stale || !isOlder(stored, has))
    return { read: stored, sent: isKnown ? has : null }
  }

  #beat(): void {
    this.#turn = (this.#turn + 1) % BEAT_GROUPS
    for (const stream of this.#beatGroups[this.#turn] ?? []) stream.beat()
  }

  #cutLater(): void {
    if (this.#size === 0) return
    this.#parting ??= setTimeout(() => {
      this.#parting = null
      for (const group of this.#beatGroups) for (const stream of group) stream.destroy('draining')
    }, PARTING_MS)
  }
}
