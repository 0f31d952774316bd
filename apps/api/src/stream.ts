/** One client of a stream: what it was sent, and whether its socket takes more. {@link file://./stream-hub.ts} has the rules. */
import { isOlder, type Version } from '@ironsys/cache'
import type { StreamForm } from './stream-frames.ts'

/**
 * Why a stream ended: the client left; its item was removed; this process is shutting down; the client did not take
 * what was sent (`stalled`), did not answer a beat (`silent`) or sent more than it may (`unruly`).
 */
export type StreamEnd = 'client' | 'gone' | 'draining' | 'stalled' | 'silent' | 'unruly'

/** The client's connection, as a stream sees it. */
export interface Wire {
  readonly form: StreamForm
  /** One write. `taken`: the kernel has all of it, or the connection failed. */
  send(bytes: Buffer, taken: Taken): void
  /** As {@link send}, with what keeps the connection alive. */
  beat(taken: Taken): void
  /** Whether the client owes an answer to the last beat. */
  isSilent(): boolean
  /** Writes `last`, says goodbye in the way of the protocol and closes. */
  end(why: StreamEnd, last: Buffer | null): void
  /** Closes at once, whatever is on its way. */
  destroy(): void
}

export type Taken = (error?: Error | null) => void

/** A version and its bytes, made at most once per form. */
export interface Frame extends Version {
  bytes(form: StreamForm): Buffer
}

/** What a stream wants to know of its item. */
export interface Topic {
  /** The newest that is known. */
  readonly newest: Frame | null
  /** The newest that everybody is told of. */
  readonly published: Frame | null
  goneBytes(form: StreamForm): Buffer
}

/** Beats within which a write must be taken, and a connection that was said goodbye to must close. */
export const MISSED_BEATS_MAX = 2

/** What the hub is told of a stream. */
export interface StreamEvents {
  started(form: StreamForm): void
  /** Once. `form`: null when it was never started. */
  released(form: StreamForm | null, why: StreamEnd): void
}

export class Stream {
  readonly #topic: Topic
  readonly #events: StreamEvents
  #wire: Wire | null = null
  /** The client has this one, or a newer one. */
  #sent: Version | null = null
  #isWriting = false
  #missedBeats = 0
  #end: StreamEnd | null = null
  #isClosed = false

  constructor(topic: Topic, events: StreamEvents) {
    this.#topic = topic
    this.#events = events
  }

  /** Sends the newest snapshot, unless the client has it: `sent`. From here on what is published goes to `wire`. */
  start(wire: Wire, sent: Version | null): void {
    this.#wire = wire
    this.#sent = sent
    if (this.#isClosed) {
      wire.destroy()
      return
    }
    const end = this.#end
    this.#end = null
    this.#offer(this.#topic.newest)
    this.#end = end
    if (!this.#isWriting) this.#leave()
    this.#events.started(wire.form)
  }

  /** Sends what is published, unless it was sent; later, when the last write was not taken yet. */
  offer(): void {
    if (this.#wire !== null) this.#offer(this.#topic.published)
  }

  /** Ends it in good order, once the last write was taken; one that is opening, once it has its snapshot. */
  finish(why: 'gone' | 'draining' | 'unruly'): void {
    if (this.#end !== null) return
    this.#end = why
    if (this.#wire !== null && !this.#isWriting) this.#leave()
  }

  /** Ends it at once. */
  destroy(why: StreamEnd): void {
    this.#end ??= why
    this.#wire?.destroy()
    this.closed()
  }

  /** One beat: who does not live any more is closed. */
  beat(): void {
    const wire = this.#wire
    if (wire === null) return
    if (this.#isWriting || this.#end !== null) {
      if (++this.#missedBeats >= MISSED_BEATS_MAX) this.destroy('stalled')
      return
    }
    if (wire.isSilent()) {
      this.destroy('silent')
      return
    }
    this.#isWriting = true
    wire.beat(this.#taken)
  }

  /** Its connection is closed, or was never made. Gives its place back, once. */
  closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#events.released(this.#wire?.form ?? null, this.#end ?? 'client')
  }

  #offer(frame: Frame | null): void {
    if (this.#isWriting || this.#end !== null || this.#isClosed || frame === null || this.#wire === null)
      return
    if (this.#sent !== null && !isOlder(this.#sent, frame)) return
    this.#sent = frame
    this.#isWriting = true
    this.#wire.send(frame.bytes(this.#wire.form), this.#taken)
  }

  readonly #taken: Taken = (error) => {
    // The connection closes itself.
    if (error) return
    this.#isWriting = false
    this.#missedBeats = 0
    if (this.#end !== null) this.#leave()
    else this.#offer(this.#topic.published)
  }

  #leave(): void {
    const wire = this.#wire
    if (wire === null || this.#end === null || this.#isClosed) return
    wire.end(this.#end, this.#end === 'gone' ? this.#topic.goneBytes(wire.form) : null)
  }
}
