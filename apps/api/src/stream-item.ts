/** What is streamed under one key: its newest snapshot, who is told of it, and when. {@link file://./stream-hub.ts} has the rules. */
import { isOlder, type SnapshotCache, type SnapshotHit, type Version } from '@ironsys/cache'
import { streamIdText } from '@ironsys/contracts'
import type { Frame, Stream, Topic } from './stream.ts'
import { type StreamForm, streamFrames } from './stream-frames.ts'

/** Ten publications a second. */
export const PUBLISH_EVERY_MS = 100
/** Streams written to before other work gets its turn: a few milliseconds. */
const SLICE_STREAMS = 250

export interface ItemDeps<D> {
  readonly cache: Pick<SnapshotCache<D>, 'watch'>
  /** The JSON of an answer with this snapshot, on one line. */
  readonly toBody: (hit: SnapshotHit<D>) => Uint8Array
}

export class Item<D> implements Topic {
  readonly #key: string
  readonly #toBody: ItemDeps<D>['toBody']
  readonly #unwatch: () => void
  readonly #streams = new Set<Stream>()
  #newest: SnapshotFrame<D> | null = null
  #published: SnapshotFrame<D> | null = null
  readonly #goneBytes: BytesByForm = new Map()
  /** Runs for as long as the next publication must wait. */
  #pause: NodeJS.Timeout | null = null
  #isSweeping = false

  /** `gone`: it was removed; its streams end, and who asks for the key gets another item. */
  constructor(key: string, { cache, toBody }: ItemDeps<D>, gone: () => void) {
    this.#key = key
    this.#toBody = toBody
    this.#unwatch = cache.watch(key, (read) => {
      if (!('missing' in read)) return this.learn(read)
      gone()
      this.#sweep((stream) => stream.finish('gone'))
    })
  }

  get newest(): Frame | null {
    return this.#newest
  }

  get published(): Frame | null {
    return this.#published
  }

  get isEmpty(): boolean {
    return this.#streams.size === 0
  }

  add(stream: Stream): void {
    this.#streams.add(stream)
  }

  remove(stream: Stream): void {
    this.#streams.delete(stream)
  }

  /** Takes a snapshot over and tells everybody of it in time, unless it is older than what is known. */
  learn(hit: SnapshotHit<D>): void {
    const known = this.#newest
    if (known !== null && (isOlder(hit, known) || known.says(hit))) return
    this.#newest = new SnapshotFrame(hit, this.#toBody)
    // The first one is what everybody starts with.
    if (known === null) this.#published = this.#newest
    this.#publish()
  }

  goneBytes(form: StreamForm): Buffer {
    return madeOnce(this.#goneBytes, form, () => streamFrames[form].gone(this.#key))
  }

  /** Ends the watching and the waiting. Its streams are told nothing. */
  close(): void {
    this.#unwatch()
    if (this.#pause !== null) clearTimeout(this.#pause)
    this.#pause = null
  }

  #publish(): void {
    if (this.#pause !== null || this.#isSweeping || this.#newest === this.#published) return
    this.#published = this.#newest
    this.#pause = setTimeout(() => {
      this.#pause = null
      this.#publish()
    }, PUBLISH_EVERY_MS)
    this.#sweep((stream) => stream.offer())
  }

  #sweep(act: (stream: Stream) => void): void {
    const streams = this.#streams.values()
    const slice = () => {
      for (let n = 0; n < SLICE_STREAMS; n++) {
        const { value, done } = streams.next()
        if (done === true) {
          this.#isSweeping = false
          return this.#publish()
        }
        act(value)
      }
      setImmediate(slice)
    }
    this.#isSweeping = true
    slice()
  }
}

type BytesByForm = Map<StreamForm, Buffer>

class SnapshotFrame<D> implements Frame {
  readonly #hit: SnapshotHit<D>
  readonly #toBody: ItemDeps<D>['toBody']
  readonly #bytes: BytesByForm = new Map()

  constructor(hit: SnapshotHit<D>, toBody: ItemDeps<D>['toBody']) {
    this.#hit = hit
    this.#toBody = toBody
  }

  get epoch(): number {
    return this.#hit.epoch
  }

  get version(): number {
    return this.#hit.version
  }

  /** Whether a client would read the same. */
  says(other: Version & { readonly fromCache: boolean; readonly stale: boolean }): boolean {
    const { epoch, version, fromCache, stale } = this.#hit
    const same = epoch === other.epoch && version === other.version
    return same && fromCache === other.fromCache && stale === other.stale
  }

  bytes(form: StreamForm): Buffer {
    return madeOnce(this.#bytes, form, () =>
      streamFrames[form].snapshot(streamIdText(this.#hit), this.#toBody(this.#hit)),
    )
  }
}

function madeOnce(made: BytesByForm, form: StreamForm, make: () => Buffer): Buffer {
  const known = made.get(form)
  if (known !== undefined) return known
  const bytes = make()
  made.set(form, bytes)
  return bytes
}
