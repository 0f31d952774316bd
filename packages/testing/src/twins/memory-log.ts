/** A partition of a log in memory: what the engine's log port is on Kafka. */
import type { LogRecord, PartitionLog } from '@ironsys/engine'

export interface MemoryLog {
  /** What was appended, from the first offset on; tests may damage it. */
  readonly records: LogRecord[]
  /** Appends as the broker does: the next offset, the broker's time. */
  append(value: string, timeMs?: number, key?: string): number
  /** A reader of its own, as a worker that the partition is assigned to gets. */
  reader(): MemoryReader
}

export interface MemoryReader extends PartitionLog {
  readonly acknowledged: number
  /** The partition is taken away: `next` resolves to null from now on. */
  close(): void
  /** What `next` gives out instead of the log's own records, once: redelivery, holes. */
  deliver(records: readonly LogRecord[]): void
}

export function createMemoryLog(): MemoryLog {
  const records: LogRecord[] = []
  const readers = new Set<Reader>()
  return {
    records,
    append: (value, timeMs = 1_800_000_000_000, key) => {
      const offset = (records.at(-1)?.offset ?? -1) + 1
      records.push({
        offset,
        timeMs,
        key: key === undefined ? null : Buffer.from(key),
        value: Buffer.from(value),
      })
      for (const reader of readers) reader.wake()
      return offset
    },
    reader: () => {
      const reader = new Reader(records)
      readers.add(reader)
      return reader
    },
  }
}

class Reader implements MemoryReader {
  readonly #records: readonly LogRecord[]
  #position = 0
  #closed = false
  #odd: readonly LogRecord[] = []
  #waiter: (() => void) | null = null
  acknowledged = 0

  constructor(records: readonly LogRecord[]) {
    this.#records = records
  }

  async bounds(): Promise<{ low: number; high: number }> {
    return { low: this.#records[0]?.offset ?? 0, high: (this.#records.at(-1)?.offset ?? -1) + 1 }
  }

  seek(offset: number): void {
    this.#position = offset
    this.#odd = []
    this.wake()
  }

  async next(maxRecords: number): Promise<readonly LogRecord[] | null> {
    for (;;) {
      if (this.#closed) return null
      const source =
        this.#odd.length > 0 ? this.#odd : this.#records.filter(({ offset }) => offset >= this.#position)
      const found = source.slice(0, maxRecords)
      this.#odd = []
      if (found.length > 0) {
        this.#position = (found.at(-1)?.offset ?? 0) + 1
        return found
      }
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiter = resolve
      await promise
    }
  }

  acknowledge(nextOffset: number): void {
    this.acknowledged = nextOffset
  }

  close(): void {
    this.#closed = true
    this.wake()
  }

  deliver(records: readonly LogRecord[]): void {
    this.#odd = records
    this.wake()
  }

  wake(): void {
    this.#waiter?.()
    this.#waiter = null
  }
}
