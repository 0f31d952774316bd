/**
 * The reader's end of one partition: a bounded buffer between kafkajs, which pushes, and the writer, which pulls.
 *
 * Modes: paused (no position yet, or full) ⇄ flowing; any mode → closed, or → failed when the log has lost its tail.
 *
 * Invariants:
 * 1. What `next` returns is consecutive and begins at `position` or above it (a hole: the caller seeks back). What
 *    kafkajs delivers again from below is dropped here.
 * 2. Nothing is dropped silently when the log is shorter than it was: records below `position` from a log that ends
 *    below `position` make `next` throw LogIdentityError for good.
 * 3. At most `maxBufferedRecords` or `maxBufferedBytes`, whichever is reached first, plus what one fetch brings.
 */
import { LogIdentityError, type LogRecord, type PartitionLog } from '@ironsys/engine'

export interface BufferLimits {
  /** At this many records fetching pauses; at half of it, it goes on. */
  readonly maxBufferedRecords: number
  readonly maxBufferedBytes: number
}

/** What the log tells kafkajs; each may be called at any time. */
export interface PartitionFetcher {
  seek(offset: number): void
  pause(): void
  resume(): void
  bounds(): Promise<{ readonly low: number; readonly high: number }>
  acknowledge(nextOffset: number): void
}

interface Waiter {
  readonly maxRecords: number
  readonly resolve: (records: readonly LogRecord[] | null) => void
  readonly reject: (error: Error) => void
}

export class BufferedPartitionLog implements PartitionLog {
  readonly #partition: number
  readonly #fetcher: PartitionFetcher
  readonly #limits: BufferLimits
  #buffer: LogRecord[] = []
  #bufferedBytes = 0
  /** Where the next delivery should begin; null as long as nobody has said where to read. */
  #position: number | null = null
  #paused = true
  #waiter: Waiter | null = null
  #ended: 'closed' | LogIdentityError | null = null

  constructor(partition: number, fetcher: PartitionFetcher, limits: BufferLimits) {
    this.#partition = partition
    this.#fetcher = fetcher
    this.#limits = limits
  }

  // ---------------------------------------------------------------------------------- the writer's side

  bounds(): Promise<{ readonly low: number; readonly high: number }> {
    return this.#fetcher.bounds()
  }

  acknowledge(nextOffset: number): void {
    if (this.#ended === null) this.#fetcher.acknowledge(nextOffset)
  }

  seek(offset: number): void {
    if (this.#ended !== null) return
    this.#buffer = []
    this.#bufferedBytes = 0
    this.#position = offset
    this.#fetcher.seek(offset)
    this.#resume()
  }

  async next(maxRecords: number): Promise<readonly LogRecord[] | null> {
    if (this.#waiter !== null) throw new Error('only one next() at a time')
    if (this.#buffer.length > 0) return this.#take(maxRecords)
    if (this.#ended === 'closed') return null
    if (this.#ended !== null) throw this.#ended
    this.#resume()
    return new Promise((resolve, reject) => {
      this.#waiter = { maxRecords, resolve, reject }
    })
  }

  // ---------------------------------------------------------------------------------- kafkajs's side

  /** Takes what one fetch brought, in offset order. `logEnd` is the offset that the next record will get. */
  deliver(records: readonly LogRecord[], logEnd: number): void {
    if (this.#ended !== null) return
    const position = this.#position
    // kafkajs began at the group's offset before the pause took effect; a seek fetches again.
    if (position === null) return
    const fresh = records.filter((record) => record.offset >= position)
    if (fresh.length < records.length && logEnd < position) {
      this.#end(lostTail(this.#partition, position, logEnd))
      return
    }
    for (const record of fresh) {
      this.#buffer.push(record)
      this.#bufferedBytes += bytesOf(record)
      this.#position = record.offset + 1
    }
    if (this.#isFull()) this.#pause()
    this.#serve()
  }

  /** Tells a new kafkajs assignment where this log is: it starts at the group's offset and remembers no pause. */
  resync(): void {
    if (this.#position !== null) this.#fetcher.seek(this.#position)
    if (this.#paused) this.#fetcher.pause()
    else this.#fetcher.resume()
  }

  /** The partition is taken away: what is buffered is dropped and `next` resolves to null from now on. */
  close(): void {
    this.#end('closed')
  }

  // ----------------------------------------------------------------------------------

  #serve(): void {
    const waiter = this.#waiter
    if (waiter === null || this.#buffer.length === 0) return
    this.#waiter = null
    waiter.resolve(this.#take(waiter.maxRecords))
  }

  /** The run of consecutive records at the front: a hole among them starts the next answer. */
  #take(maxRecords: number): readonly LogRecord[] {
    const buffer = this.#buffer
    const first = buffer[0]?.offset ?? 0
    const limit = Math.min(buffer.length, maxRecords)
    let count = 1
    while (count < limit && buffer[count]?.offset === first + count) count++
    const taken = count === buffer.length ? buffer : buffer.splice(0, count)
    if (taken === buffer) this.#buffer = []
    for (const record of taken) this.#bufferedBytes -= bytesOf(record)
    if (this.#isHalfEmpty()) this.#resume()
    return taken
  }

  #end(ending: 'closed' | LogIdentityError): void {
    if (this.#ended !== null) return
    this.#ended = ending
    this.#buffer = []
    this.#bufferedBytes = 0
    const waiter = this.#waiter
    this.#waiter = null
    if (ending === 'closed') waiter?.resolve(null)
    else {
      this.#pause()
      waiter?.reject(ending)
    }
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#fetcher.pause()
  }

  #resume(): void {
    if (!this.#paused || this.#position === null || this.#ended !== null) return
    this.#paused = false
    this.#fetcher.resume()
  }

  #isFull(): boolean {
    const { maxBufferedRecords, maxBufferedBytes } = this.#limits
    return this.#buffer.length >= maxBufferedRecords || this.#bufferedBytes >= maxBufferedBytes
  }

  #isHalfEmpty(): boolean {
    const { maxBufferedRecords, maxBufferedBytes } = this.#limits
    return this.#buffer.length * 2 <= maxBufferedRecords && this.#bufferedBytes * 2 <= maxBufferedBytes
  }
}

function bytesOf({ key, value }: LogRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0)
}

function lostTail(partition: number, position: number, logEnd: number): LogIdentityError {
  return new LogIdentityError(
    `partition ${partition} ends at offset ${logEnd}, but was read up to ${position} before: the log has lost its ` +
      'tail. Commands may be lost; compare the topic with its replicas before going on.',
  )
}
