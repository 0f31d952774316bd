/**
 * What the owner of a partition keeps in memory of what it has committed or is committing: hot headers, and rows of which
 * more is to be expected. Dropped whole whenever a commit is in doubt.
 */
import type { Command, Decider, DomainEvent, Header } from './decider.ts'
import type { BatchEffects } from './ports.ts'
import { RecentlyUsed } from './recently-used.ts'

export interface MemoryOptions {
  /** Headers. */
  readonly cachedKeysMax: number
  /** Rows. */
  readonly cachedRowsMax: number
}

export class Memory<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly headers: RecentlyUsed<H>
  /** Rows that stand in a list: those that do not are hardly ever asked for again. */
  readonly rows: RecentlyUsed<R>
  readonly #decider: Decider<C, E, H, R, O>

  constructor(decider: Decider<C, E, H, R, O>, { cachedKeysMax, cachedRowsMax }: MemoryOptions) {
    this.#decider = decider
    this.headers = new RecentlyUsed(cachedKeysMax)
    this.rows = new RecentlyUsed(cachedRowsMax)
  }

  /** Takes over what a batch leaves, when its commit begins. */
  keep({ removedKeys, headers, rows }: BatchEffects<E, H, R, O>): void {
    const { keyOfRow, listsOf } = this.#decider
    if (removedKeys.size > 0) this.rows.deleteWhere((row) => removedKeys.has(keyOfRow(row)))
    for (const key of removedKeys) this.headers.delete(key)
    for (const [key, { header }] of headers) this.headers.set(key, header)
    for (const [rowId, { row }] of rows) {
      if (listsOf(row).length > 0) this.rows.set(rowId, row)
      else this.rows.delete(rowId)
    }
  }

  clear(): void {
    this.headers.clear()
    this.rows.clear()
  }
}
