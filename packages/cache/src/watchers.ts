/**
 * Who wants to hear of which key. What they were told is remembered apart from L1, which may forget an entry: nobody
 * is told of a version twice, nor of one before the last.
 */
import type { SnapshotRead } from './snapshot.ts'
import { isOlder, type Version } from './stored-snapshot.ts'

export interface Watchers<D> {
  /** `known`: what the caller can have seen already. The answer takes the listener off again. */
  add(key: string, known: SnapshotRead<D> | undefined, changed: (read: SnapshotRead<D>) => void): () => void
  has(key: string): boolean
  /** Tells those who watch the key, unless they were told of it or of something newer. */
  tell(key: string, read: SnapshotRead<D>): void
  /** Checks this often from now on, milliseconds. */
  retime(everyMs: number): void
}

interface Listener<D> {
  readonly changed: (read: SnapshotRead<D>) => void
}

interface Watched<D> {
  readonly listeners: Set<Listener<D>>
  told: Version | 'missing' | null
  /** Not before this time. */
  nextCheckMs: number
}

export interface WatchersDeps {
  readonly nowMs: () => number
  /** How often a watched key is checked, milliseconds. */
  readonly everyMs: number
  /** Keys that are asked about in one tick, at most: together they travel to Redis in one pipeline. */
  readonly maxLooks: number
  /** Sees to it that what is known of the key is current. */
  readonly check: (key: string) => CheckOfWatched
}

/** Busy: not now, too much is under way. */
export type CheckOfWatched = 'current' | 'asked' | 'busy'

/** Per `everyMs`: each watched key's turn comes at most this much late. */
const TICKS = 4

/** One timer for all keys; it runs while there is one. */
export function createWatchers<D>({ nowMs, maxLooks, check, ...first }: WatchersDeps): Watchers<D> {
  const keys = new Map<string, Watched<D>>()
  let everyMs = first.everyMs
  let timer: NodeJS.Timeout | null = null

  const tick = () => {
    const now = nowMs()
    let looks = 0
    for (const [key, watched] of keys) {
      if (now < watched.nextCheckMs) continue
      if (looks >= maxLooks) return
      const found = check(key)
      if (found === 'busy') return
      if (found === 'asked') looks++
      watched.nextCheckMs = now + everyMs
      // To the end: where not all get their turn, it is the others' next time.
      keys.delete(key)
      keys.set(key, watched)
    }
  }
  const start = () => setInterval(tick, Math.max(1, Math.floor(everyMs / TICKS))).unref()
  const remove = (key: string, watched: Watched<D>, listener: Listener<D>) => {
    watched.listeners.delete(listener)
    if (watched.listeners.size > 0 || keys.get(key) !== watched) return
    keys.delete(key)
    if (keys.size > 0 || timer === null) return
    clearInterval(timer)
    timer = null
  }
  return {
    add(key, known, changed) {
      const watched = keys.get(key) ?? {
        listeners: new Set(),
        told: known === undefined ? null : standing(known),
        nextCheckMs: nowMs() + everyMs,
      }
      const listener = { changed }
      watched.listeners.add(listener)
      keys.set(key, watched)
      timer ??= start()
      return () => remove(key, watched, listener)
    },
    has: (key) => keys.has(key),
    tell(key, read) {
      const watched = keys.get(key)
      if (watched === undefined || !isNews(watched.told, read)) return
      watched.told = standing(read)
      for (const { changed } of [...watched.listeners]) changed(read)
    },
    retime(nextEveryMs) {
      everyMs = nextEveryMs
      const byMs = nowMs() + everyMs
      for (const watched of keys.values()) watched.nextCheckMs = Math.min(watched.nextCheckMs, byMs)
      if (timer === null) return
      clearInterval(timer)
      timer = start()
    },
  }
}

function standing<D>(read: SnapshotRead<D>): Version | 'missing' {
  return 'missing' in read ? 'missing' : { epoch: read.epoch, version: read.version }
}

function isNews<D>(told: Version | 'missing' | null, read: SnapshotRead<D>): boolean {
  if ('missing' in read) return told !== 'missing'
  return told === null || told === 'missing' || isOlder(told, read)
}
