/**
 * From a batch that the database refused to the one record at fault.
 *
 * A refused batch is decided again in halves, down to a single record, which then becomes a dead letter. What can be
 * committed meanwhile is, and lets batches grow again.
 */
import { type DataError, InvariantError } from './faults.ts'
import type { DeadLetter } from './ports.ts'

export class Narrowing {
  readonly #recordsMax: number
  readonly #refusedOffsets = new Map<number, string>()
  #limit: number

  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax
    this.#limit = recordsMax
  }

  /** Records of the next batch. */
  get recordsMax(): number {
    return this.#limit
  }

  /** Offsets of records that the database refused, with its words. */
  get refusedOffsets(): ReadonlyMap<number, string> {
    return this.#refusedOffsets
  }

  committed(deadLetters: readonly DeadLetter[]): void {
    this.#limit = Math.min(this.#limit * 2, this.#recordsMax)
    for (const letter of deadLetters) this.#refusedOffsets.delete(letter.offset)
  }

  /**
   * A batch from `offset` on, in which `records` records had effects. Throws {@link InvariantError} when even the dead
   * letter is refused.
   */
  refused(offset: number, records: number, error: DataError): void {
    this.#limit = Math.max(1, Math.floor(records / 2))
    if (records > 1) return
    if (this.#refusedOffsets.has(offset)) {
      throw new InvariantError(`the dead letter of offset ${offset} is refused too`, { cause: error })
    }
    this.#refusedOffsets.set(offset, error.message)
  }
}
