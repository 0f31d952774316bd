/**
 * A partition of a log in memory: what the engine's log port is on Kafka. The contract suite keeps the two alike.
 *
 * Modes of a reader: unplaced (no position yet) → reading; any mode → closed, or → failed when the log has lost its tail.
 *
 * Invariants:
 * 1. What a broker does (append, fetch, retention, losing its tail) is synchronous: one state, changed at one point.
 * 2. What `next` answers was fetched after the last `seek`, and begins at the position or, where retention removed
 *    that, above it.
 * 3. A position above the log's end is a lost tail as soon as the log has any record: `next` then fails for good.
 */
import { LogIdentityError, type LogRecord, type PartitionLog } from '@ironsys/engine'
import { directWire, type Wire } from './wire.ts'

export interface MemoryLog {
  /** What is kept, in offset order. Tests may damage it. */
  readonly records: LogRecord[]
  /** The first offset kept, and the one that the next record gets. */
  readonly low: number
  readonly high: number
  /** Appends as the broker does and answers the offset. `timeMs` is the broker's clock, which may go back. */
  append(value: string | Buffer | null, timeMs?: number, key?: string | Buffer | null): number
  /** Retention: the first offset kept becomes `offset`, at most the end of the log. */
  removeBefore(offset: number): void
  /** The log loses its tail: the next record gets `offset`. */
  truncate(offset: number): void
  /** What a broker answers: from `offset` on, or from the first record kept where that is out of range. */
  fetch(offset: number, maxRecords: number): Fetched
  /** A reader of its own, as a process that the partition is assigned to gets. Requests: `bounds`, `fetch`. */
  reader(wire?: Wire): MemoryReader
}

export interface MemoryReader extends PartitionLog {
  /** What was acknowledged last; 0 before. */
  readonly acknowledged: number
  /** The partition is taken away: `next` resolves to null from now on. */
  close(): void
  /** What the next `next` gives out instead of the log's own records: redelivery, holes. A seek drops it. */
  deliver(records: readonly LogRecord[]): void
}

export function createMemoryLog(): MemoryLog {
  return new Broker()
}

const BROKER_TIME_MS = 1_800_000_000_000

export interface Fetched {
  readonly records: readonly LogRecord[]
  readonly high: number
  /** How often the log had changed by then. */
  readonly changes: number
}

class Broker implements MemoryLog {
  readonly records: LogRecord[] = []
  readonly #readers = new Set<Reader>()
  #low = 0
  #high = 0
  #changes = 0

  get low(): number {
    return this.#low
  }

  get high(): number {
    return this.#high
  }

  get changes(): number {
    return this.#changes
  }

  append(value: string | Buffer | null, timeMs = BROKER_TIME_MS, key: string | Buffer | null = null): number {
    const offset = this.#high++
    this.records.push({ offset, timeMs, key: bytesOf(key), value: bytesOf(value) })
    this.#changed()
    return offset
  }

  removeBefore(offset: number): void {
    this.#low = Math.max(this.#low, Math.min(offset, this.#high))
    this.records.splice(0, this.#indexOf(this.#low))
    this.#changed()
  }

  truncate(offset: number): void {
    this.records.splice(this.#indexOf(offset))
    this.#high = Math.min(this.#high, offset)
    this.#low = Math.min(this.#low, offset)
    this.#changed()
  }

  reader(wire: Wire = directWire): MemoryReader {
    const reader = new Reader(this, wire)
    this.#readers.add(reader)
    return reader
  }

  // ---------------------------------------------------------------------------------- the readers' side

  bounds(): { readonly low: number; readonly high: number } {
    return { low: this.#low, high: this.#high }
  }

  fetch(offset: number, maxRecords: number): Fetched {
    const inRange = offset >= this.#low && offset <= this.#high
    const start = this.#indexOf(inRange ? offset : this.#low)
    const records = this.records.slice(start, start + maxRecords)
    return { records, high: this.#high, changes: this.#changes }
  }

  leave(reader: Reader): void {
    this.#readers.delete(reader)
  }

  #changed(): void {
    this.#changes++
    for (const reader of this.#readers) reader.wake()
  }

  /** Of the first record at `offset` or above it. From the end: readers are mostly there. */
  #indexOf(offset: number): number {
    return this.records.findLastIndex((record) => record.offset < offset) + 1
  }
}

class Reader implements MemoryReader {
  readonly #broker: Broker
  readonly #wire: Wire
  #position: number | null = null
  /** Moves with every seek: what was asked for before is not wanted any more. */
  #placed = 0
  #odd: readonly LogRecord[] = []
  #ended: 'closed' | LogIdentityError | null = null
  #reading = false
  #wakeUp: (() => void) | null = null
  acknowledged = 0

  constructor(broker: Broker, wire: Wire) {
    this.#broker = broker
    this.#wire = wire
  }

  bounds(): Promise<{ readonly low: number; readonly high: number }> {
    return this.#wire('bounds', () => this.#broker.bounds())
  }

  seek(offset: number): void {
    this.#place(offset, [])
  }

  async next(maxRecords: number): Promise<readonly LogRecord[] | null> {
    if (this.#reading) throw new Error('only one next() at a time')
    this.#reading = true
    try {
      return await this.#read(maxRecords)
    } finally {
      this.#reading = false
    }
  }

  acknowledge(nextOffset: number): void {
    if (this.#ended === null) this.acknowledged = nextOffset
  }

  close(): void {
    this.#end('closed')
  }

  deliver(records: readonly LogRecord[]): void {
    this.#place(this.#position, records)
  }

  wake(): void {
    this.#wakeUp?.()
    this.#wakeUp = null
  }

  #place(position: number | null, odd: readonly LogRecord[]): void {
    this.#position = position
    this.#odd = odd
    this.#placed++
    this.wake()
  }

  async #read(maxRecords: number): Promise<readonly LogRecord[] | null> {
    for (;;) {
      if (this.#ended === 'closed') return null
      if (this.#ended !== null) throw this.#ended
      if (this.#odd.length > 0) return this.#take(this.#odd.slice(0, maxRecords))
      const position = this.#position
      if (position === null) {
        await this.#change()
        continue
      }
      const placed = this.#placed
      const fetched = await this.#wire('fetch', () => this.#broker.fetch(position, maxRecords))
      if (placed !== this.#placed || this.#ended !== null) continue
      if (fetched.records.length === 0) {
        if (fetched.changes === this.#broker.changes) await this.#change()
      } else if (fetched.high < position) {
        this.#end(lostTail(position, fetched.high))
      } else {
        return this.#take(fetched.records)
      }
    }
  }

  /** The run of consecutive records at the front, as the port promises; what is behind a hole is fetched again. */
  #take(records: readonly LogRecord[]): readonly LogRecord[] {
    const first = records[0]?.offset ?? 0
    const hole = records.findIndex((record, index) => record.offset !== first + index)
    const run = hole === -1 ? records : records.slice(0, hole)
    this.#position = first + run.length
    this.#odd = []
    return run
  }

  #end(ending: 'closed' | LogIdentityError): void {
    this.#ended ??= ending
    this.#broker.leave(this)
    this.wake()
  }

  /** Resolves at the next change of the log or of the position. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeUp = resolve
    })
  }
}

function bytesOf(text: string | Buffer | null): Buffer | null {
  return typeof text === 'string' ? Buffer.from(text) : text
}

function lostTail(position: number, high: number): LogIdentityError {
  return new LogIdentityError(`the log ends at offset ${high}, but was read up to ${position} before`)
}
