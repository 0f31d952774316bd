/**
 * L1: what one process holds. Documents and what is known to be missing are bounded apart, so that ids that somebody
 * makes up cost no known document its place.
 *
 * Documents are bounded by number and by the bytes of their bodies. Body and parsed document together take two to six
 * times those bytes, depending on what is in the document.
 */
import type { Snapshot, SnapshotCacheOptions } from './snapshot.ts'

export interface Entry<D> extends Snapshot<D> {
  /** When the store, or the writer, last said that it is current. */
  atMs: number
  /** When it was last found to be current here: by them, or in Redis. */
  checkedMs: number
  /** Until then nothing is asked. */
  nextCheckMs: number
  /** The last look-up has failed. */
  failed: boolean
  /** Since its place among those to be forgotten was looked at. */
  wasRead: boolean
  /** The JSON of an answer from the cache that is not stale, made once. */
  readonly body: string
}

export interface EntryBounds {
  readonly maxEntries: number
  readonly maxBytes: number
  readonly maxNegatives: number
}

export class Entries<D> {
  readonly #bounds: EntryBounds
  /** The first one is the one to forget, unless it was read meanwhile: then it goes to the end once (CLOCK). */
  readonly #entries = new Map<string, Entry<D>>()
  /** Key → until when it is known to be missing. */
  readonly #negatives = new Map<string, number>()
  #bytes = 0

  constructor(bounds: EntryBounds) {
    this.#bounds = bounds
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): Entry<D> | undefined {
    return this.#entries.get(key)
  }

  /** In the place of what is known of the key. An entry that alone is above the bound is not kept. */
  set(key: string, entry: Entry<D>): void {
    this.#negatives.delete(key)
    if (entry.body.length > this.#bounds.maxBytes) {
      this.#forget(key)
      return
    }
    this.#bytes += bytesOf(entry) - bytesOf(this.#entries.get(key))
    this.#entries.set(key, entry)
    for (const first of this.#entries.keys()) {
      if (this.#entries.size <= this.#bounds.maxEntries && this.#bytes <= this.#bounds.maxBytes) return
      if (this.#entries.get(first)?.wasRead === true) this.renew(first)
      else this.#forget(first)
    }
  }

  /** The entry becomes the last one to be forgotten. */
  renew(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.wasRead = false
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }

  setMissing(key: string, untilMs: number): void {
    this.delete(key)
    this.#negatives.set(key, untilMs)
    for (const first of this.#negatives.keys()) {
      if (this.#negatives.size <= this.#bounds.maxNegatives) return
      this.#negatives.delete(first)
    }
  }

  isMissing(key: string, nowMs: number): boolean {
    const untilMs = this.#negatives.get(key)
    return untilMs !== undefined && nowMs < untilMs
  }

  /** Whether anything was known of the key lately. */
  has(key: string): boolean {
    return this.#entries.has(key) || this.#negatives.has(key)
  }

  delete(key: string): void {
    this.#forget(key)
    this.#negatives.delete(key)
  }

  dropMissing(key: string): void {
    this.#negatives.delete(key)
  }

  clearMissing(): void {
    this.#negatives.clear()
  }

  /** From now on nothing is answered unchecked, nor as missing, for longer than this. */
  checkWithin(
    { freshMs, negativeMs }: Pick<SnapshotCacheOptions, 'freshMs' | 'negativeMs'>,
    nowMs: number,
  ): void {
    for (const entry of this.#entries.values())
      entry.nextCheckMs = Math.min(entry.nextCheckMs, nowMs + freshMs)
    for (const [key, untilMs] of this.#negatives)
      this.#negatives.set(key, Math.min(untilMs, nowMs + negativeMs))
  }

  #forget(key: string): void {
    this.#bytes -= bytesOf(this.#entries.get(key))
    this.#entries.delete(key)
  }
}

function bytesOf(entry: { readonly body: string } | undefined): number {
  return entry === undefined ? 0 : Buffer.byteLength(entry.body)
}
