/**
 * Every record that the command log ever had, with the record that lay before it. A log that lost its tail and grew
 * again has two histories; what was applied must be one unbroken path through one of them.
 */
import { type LogRecord, type Progress, recordDigest } from '@ironsys/engine'

export interface Placed {
  readonly record: LogRecord
  readonly identity: string
  readonly previous: Placed | null
  /** What lay behind it at one time or another. */
  readonly followers: Placed[]
}

export class PartitionHistory {
  readonly #byIdentity = new Map<string, Placed>()
  readonly #first: Placed[] = []
  #head: Placed | null = null
  /** The newest record that was applied. */
  applied: Placed | null = null
  /** Where the log was cut, if it was: records from there on may be lost. */
  cutAt: number | null = null

  appended(record: LogRecord): void {
    const identity = identityOf(record.offset, recordDigest(record), record.timeMs)
    const placed: Placed = { record, identity, previous: this.#head, followers: [] }
    this.#byIdentity.set(identity, placed)
    const neighbours = this.#head === null ? this.#first : this.#head.followers
    neighbours.push(placed)
    this.#head = placed
  }

  cut(offset: number): void {
    while (this.#head !== null && this.#head.record.offset >= offset) this.#head = this.#head.previous
    this.cutAt = Math.min(offset, this.cutAt ?? offset)
  }

  /** What may come after all that was applied. */
  following(): readonly Placed[] {
    return this.applied === null ? this.#first : this.applied.followers
  }

  /**
   * The records from `from` to `to`, as the commit names them; a string says why there is no such path. There may be
   * none: the first steps of a record are committed before it is done.
   */
  path(from: Progress, to: Progress): readonly Placed[] | string {
    if (to.lastRecord === null) {
      const isFirst = to.nextOffset === from.nextOffset && this.applied === null
      return isFirst ? [] : 'the commit names no record'
    }
    const last = identityOf(to.nextOffset - 1, to.lastRecord.digest, to.lastRecord.timeMs)
    const records: Placed[] = []
    let at = this.#byIdentity.get(last) ?? null
    if (at === null) return `the record at ${to.nextOffset - 1} was never in the log`
    while (at !== null && at.record.offset >= from.nextOffset) {
      records.unshift(at)
      at = at.previous
    }
    if (at?.identity !== this.applied?.identity) {
      return `the records from ${from.nextOffset} on do not follow the record that was applied last`
    }
    return records
  }
}

function identityOf(offset: number, digest: string, timeMs: number): string {
  return `${offset}:${digest}:${timeMs}`
}
