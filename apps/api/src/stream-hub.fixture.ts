/** For tests of streams: a cache that tests fill, and connections that take what they are sent when a test says so. */
import type { SnapshotCache, SnapshotHit, SnapshotRead } from '@ironsys/cache'
import type { Stream, StreamEnd, Taken, Wire } from './stream.ts'
import type { StreamForm } from './stream-frames.ts'

export interface Seat {
  readonly left: number
}

/** Version `n` of a seat has `100 - n` left. */
export function seatAt(version: number, more: Partial<SnapshotHit<Seat>> = {}): SnapshotHit<Seat> {
  const document = { left: 100 - version }
  return { epoch: 1, version, document, body: null, ageMs: 0, fromCache: true, stale: false, ...more }
}

export class FakeCache implements Pick<SnapshotCache<Seat>, 'get' | 'watch'> {
  readonly known = new Map<string, SnapshotRead<Seat>>()
  readonly watched: string[] = []
  /** `key` or `key≥version` of each read. */
  readonly asked: string[] = []
  /** What reads answer that ask for a version. */
  stored: SnapshotRead<Seat> | null = null
  fault: Error | null = null
  gate: Promise<void> = Promise.resolve()
  readonly #listeners = new Map<string, (read: SnapshotRead<Seat>) => void>()

  get = async (key: string, want?: { readonly minVersion: number }): Promise<SnapshotRead<Seat>> => {
    this.asked.push(want === undefined ? key : `${key}≥${want.minVersion}`)
    await this.gate
    if (this.fault !== null) throw this.fault
    const known = this.known.get(key) ?? { missing: true }
    return want === undefined ? known : (this.stored ?? known)
  }

  watch = (key: string, changed: (read: SnapshotRead<Seat>) => void): (() => void) => {
    this.watched.push(key)
    this.#listeners.set(key, changed)
    return () => {
      this.watched.splice(this.watched.indexOf(key), 1)
      this.#listeners.delete(key)
    }
  }

  put(key: string, read: SnapshotRead<Seat>): void {
    this.known.set(key, read)
    this.#listeners.get(key)?.(read)
  }
}

export class FakeWire implements Wire {
  readonly form: StreamForm
  /** What it was sent, as text; `beat` for a beat. */
  readonly sent: string[] = []
  /** Each write is taken at once. */
  isFast = true
  silent = false
  ended: StreamEnd | null = null
  isDestroyed = false
  readonly #stream: Stream
  readonly #untaken: Taken[] = []

  constructor(stream: Stream, form: StreamForm = 'sse') {
    this.#stream = stream
    this.form = form
  }

  get versions(): readonly number[] {
    return this.sent.flatMap((text) => Number(/"version":(\d+)/.exec(text)?.[1] ?? []))
  }

  /** What happens while it is written to. */
  meanwhile: () => void = () => undefined

  send = (bytes: Buffer, taken: Taken): void => {
    this.sent.push(bytes.toString())
    this.meanwhile()
    if (this.isFast) taken()
    else this.#untaken.push(taken)
  }

  beat = (taken: Taken): void => this.send(Buffer.from('beat'), taken)
  isSilent = (): boolean => this.silent

  /** The socket takes what it was given, or fails at it. */
  drain(error?: Error): void {
    for (const taken of this.#untaken.splice(0)) taken(error)
  }

  end = (why: StreamEnd, last: Buffer | null): void => {
    if (last !== null) this.sent.push(last.toString())
    this.ended = why
  }

  destroy = (): void => {
    this.isDestroyed = true
  }

  /** The connection is closed, by whoever. */
  close(): void {
    this.#stream.closed()
  }
}
