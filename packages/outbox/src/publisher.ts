/**
 * Sends what batches wrote to the outbox: in order, at least once, after their commit is known (I8). A segment has its
 * events, numbered, and behind each the commands that follow from it, which have no number: it may have more messages
 * than its sequence says. What is sent is told by sequence, what is kept and sent at once is bounded by messages.
 *
 * Invariants, per partition:
 * 1. Segments are sent in the order of their sequence; the next only when the one before is durable.
 * 2. What an earlier owner left in the table is sent before anything new.
 * 3. A segment leaves the table only after it was sent. What is sent but not yet removed may be sent again.
 * 4. Memory holds about `queuedMessagesMax` messages; what does not fit is read back from the table, at most
 *    `loadedSegmentsMax` segments at once.
 */
import type {
  EventPublisher,
  EventSink,
  OutboxSegment,
  OutboxStore,
  PartitionId,
  Scheduler,
} from '@ironsys/engine'

export interface PublisherOptions {
  /** Messages kept in memory per partition, and segments read back from the table at once. */
  readonly queuedMessagesMax: number
  readonly loadedSegmentsMax: number
  /** Messages given to the log at once, unless one segment alone has more. Encoding them holds up the event loop. */
  readonly sentMessagesMax: number
  /** How often sent segments are removed from the table, milliseconds; also at release. */
  readonly removeEveryMs: number
  readonly retryDelayMs: number
  readonly retryDelayMaxMs: number
}

export const defaultPublisherOptions: PublisherOptions = {
  queuedMessagesMax: 5000,
  loadedSegmentsMax: 10,
  sentMessagesMax: 1000,
  removeEveryMs: 250,
  retryDelayMs: 50,
  retryDelayMaxMs: 2000,
}

export interface PublisherObserver {
  /** Events of a partition that are committed but not yet known to be sent. */
  pending(id: PartitionId, events: number): void
  fault(id: PartitionId, error: unknown): void
}

export interface PublisherDeps {
  readonly store: OutboxStore
  readonly events: EventSink
  readonly scheduler: Scheduler
  readonly observer: PublisherObserver
}

export function createPublisher(
  deps: PublisherDeps,
  options: PublisherOptions = defaultPublisherOptions,
): EventPublisher {
  const lanes = new Map<string, Lane>()
  const nameOf = ({ topic, partition }: PartitionId): string => `${topic}/${partition}`
  return {
    open: (id) => {
      const name = nameOf(id)
      const lane = lanes.get(name) ?? new Lane(id, deps, options)
      lanes.set(name, lane)
      lane.readBack()
    },
    committed: (id, segment) => lanes.get(nameOf(id))?.add(segment),
    release: async (id) => {
      const lane = lanes.get(nameOf(id))
      lanes.delete(nameOf(id))
      await lane?.close()
    },
  }
}

/** One partition's queue and the loop that empties it. */
class Lane {
  readonly #id: PartitionId
  readonly #deps: PublisherDeps
  readonly #options: PublisherOptions
  readonly #closed = new AbortController()
  #queue: OutboxSegment[] = []
  /** True while the table may hold segments that the queue does not. */
  #behind = false
  #openings = 0
  #sentSeq = 0
  #removedSeq = 0
  #committedSeq = 0
  #lastRemovalMs = 0
  #running: Promise<void> | null = null

  constructor(id: PartitionId, deps: PublisherDeps, options: PublisherOptions) {
    this.#id = id
    this.#deps = deps
    this.#options = options
  }

  readBack(): void {
    this.#queue = []
    this.#behind = true
    this.#openings++
    this.#start()
  }

  add(segment: OutboxSegment): void {
    this.#committedSeq = segment.lastSeq
    if (this.#behind || this.#queuedMessages() >= this.#options.queuedMessagesMax) this.#behind = true
    else this.#queue.push(segment)
    this.#start()
  }

  #queuedMessages(): number {
    return this.#queue.reduce((sum, { messages }) => sum + messages.length, 0)
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#running
    await this.#remove().catch((error: unknown) => this.#deps.observer.fault(this.#id, error))
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = null
      if (!this.#closed.signal.aborted && this.#hasWork()) this.#start()
    })
  }

  #hasWork(): boolean {
    return this.#behind || this.#queue.length > 0 || this.#removedSeq < this.#sentSeq
  }

  async #run(): Promise<void> {
    for (let faults = 0; this.#hasWork() && !this.#closed.signal.aborted; ) {
      try {
        await this.#step()
        faults = 0
      } catch (error) {
        this.#deps.observer.fault(this.#id, error)
        const { retryDelayMs, retryDelayMaxMs } = this.#options
        await this.#pause(Math.min(retryDelayMs * 2 ** faults, retryDelayMaxMs))
        faults++
      }
    }
  }

  async #step(): Promise<void> {
    if (this.#queue.length === 0 && this.#behind) await this.#load()
    if (this.#queue.length > 0) await this.#send()
    const idle = this.#queue.length === 0 && !this.#behind
    const dueMs = this.#lastRemovalMs + this.#options.removeEveryMs - this.#deps.scheduler.nowMs()
    if (this.#removedSeq === this.#sentSeq) return
    if (dueMs <= 0) await this.#remove()
    else if (idle) await this.#pause(dueMs)
  }

  async #load(): Promise<void> {
    const limit = this.#options.loadedSegmentsMax
    const seen = this.#committedSeq
    const opening = this.#openings
    const segments = await this.#deps.store.pendingSegments(this.#id, this.#sentSeq, limit)
    // Opened again meanwhile, after a commit of unknown outcome: that commit may be missing from what was read.
    if (opening !== this.#openings) return
    this.#queue = [...segments]
    // What was committed while the table was read may be missing from what was read: then look once more.
    if (segments.length < limit && seen === this.#committedSeq) this.#behind = false
  }

  async #send(): Promise<void> {
    const segments = this.#nextSegments()
    await this.#deps.events.send(segments.flatMap((segment) => segment.messages))
    this.#queue.splice(0, segments.length)
    this.#sentSeq = segments.at(-1)?.lastSeq ?? this.#sentSeq
    this.#deps.observer.pending(this.#id, Math.max(0, this.#committedSeq - this.#sentSeq))
  }

  #nextSegments(): readonly OutboxSegment[] {
    let messages = 0
    const beyond = this.#queue.findIndex((segment) => {
      messages += segment.messages.length
      return messages > this.#options.sentMessagesMax
    })
    return this.#queue.slice(0, beyond === -1 ? this.#queue.length : Math.max(1, beyond))
  }

  async #remove(): Promise<void> {
    if (this.#removedSeq === this.#sentSeq) return
    const seq = this.#sentSeq
    await this.#deps.store.removePublished(this.#id, seq)
    this.#removedSeq = seq
    this.#lastRemovalMs = this.#deps.scheduler.nowMs()
  }

  async #pause(ms: number): Promise<void> {
    await this.#deps.scheduler.delay(ms, this.#closed.signal)
  }
}
