/**
 * The front of each list of a key, as a batch sees it: the page that was loaded, under the rows that the batch in flight
 * and this batch have changed.
 *
 * Invariants:
 * 1. What is yielded is in the order of (at, row id) and is the row's newest state.
 * 2. Nothing is yielded beyond the last row of an incomplete page, its horizon: there might be rows between. To read on
 *    from there throws {@link PageNeeded}.
 */
import type { Decider, DomainEvent, Header, ListPlace } from './decider.ts'
import type { Page, PageWanted } from './ports.ts'

/** More of a list is needed than is in memory. Thrown through `decide` to whoever runs the batch. */
export class PageNeeded extends Error {
  override readonly name = 'PageNeeded'
  readonly key: string
  readonly list: string

  constructor(key: string, list: string) {
    super(`more of the list ${list} of ${key} is needed`)
    this.key = key
    this.list = list
  }
}

interface Entry {
  readonly at: number
  readonly id: string
}

/** Entries up to and with this one are known; null where all are, undefined where none is. */
type Horizon = Entry | null | undefined

/** With its row once that was looked up: a change of the row makes another entry. */
interface Listed<R> extends Entry {
  row?: R | undefined
}

interface RowList<R> {
  readonly key: string
  readonly list: string
  readonly entries: Listed<R>[]
  readonly horizon: Horizon
  /** Rows of the page that do not stand in the list any more. */
  left: number
  /** Rows of the page that had to be there for what has been read. */
  reach: number
}

export type ListDecider<R> = Pick<
  Decider<never, DomainEvent, Header, R, unknown>,
  'keyOfRow' | 'rowId' | 'listsOf'
>

export interface RowListsInput<R> {
  readonly decider: ListDecider<R>
  readonly page: (key: string, list: string) => Page<R> | undefined
  /** Whether a list for which there is no page is known to have been empty in the store. */
  readonly empty: (key: string, list: string) => boolean
  /** Rows that the page may show as they were before: those changed by the batch in flight. */
  readonly changed: Iterable<R>
  readonly row: (id: string) => R | undefined
}

export class RowLists<R> {
  readonly #input: RowListsInput<R>
  /** By key, then by list. */
  readonly #lists = new Map<string, Map<string, RowList<R>>>()
  readonly #changed = new Map<string, Map<string, R>>()

  constructor(input: RowListsInput<R>) {
    this.#input = input
    for (const row of input.changed) this.#note(row)
  }

  /** A row of `key` has become `after`. */
  change(before: R | undefined, after: R): void {
    const { decider } = this.#input
    const left = before === undefined ? [] : decider.listsOf(before)
    const entered = decider.listsOf(after)
    if (left.length + entered.length === 0) return
    const key = decider.keyOfRow(after)
    const id = decider.rowId(after)
    const lists = this.#lists.get(key)
    for (const { list, at } of left) {
      const known = lists?.get(list)
      if (known !== undefined) remove(known, { at, id })
    }
    for (const { list, at } of entered) {
      const known = lists?.get(list)
      if (known !== undefined) insert(known, { at, id })
    }
    this.#note(after)
  }

  /** The key is removed, and its rows with it. */
  removed(key: string): void {
    this.#lists.delete(key)
  }

  *read(key: string, list: string, upTo = Number.POSITIVE_INFINITY): Iterable<R> {
    const known = this.#list(key, list)
    const { entries, horizon } = known
    let place = 0
    // What the caller yields to may change the list only after it has let go of the iterator.
    for (const entry of entries) {
      place++
      known.reach = Math.max(known.reach, known.left + place)
      if (entry.at > upTo) return
      entry.row ??= this.#input.row(entry.id)
      if (entry.row !== undefined) yield entry.row
    }
    // Whatever is not in memory stands behind the horizon.
    if (horizon === undefined || (horizon !== null && horizon.at <= upTo)) throw new PageNeeded(key, list)
  }

  /**
   * Where the first row of a list stands, or before which none does: null when it has none, undefined when nothing is
   * known of it.
   */
  first(key: string, list: string): number | null | undefined {
    const { entries, horizon } = this.#list(key, list)
    return entries[0]?.at ?? (horizon === null ? null : horizon?.at)
  }

  /** How long a page each list would have had to have for all that was read of it. */
  reached(): readonly PageWanted[] {
    return [...this.#lists.values()].flatMap((lists) =>
      [...lists.values()].map(({ key, list, reach }) => ({ key, list, limit: reach })),
    )
  }

  #list(key: string, list: string): RowList<R> {
    let lists = this.#lists.get(key)
    if (lists === undefined) {
      lists = new Map()
      this.#lists.set(key, lists)
    }
    let known = lists.get(list)
    if (known === undefined) {
      known = this.#build(key, list)
      lists.set(list, known)
    }
    return known
  }

  #build(key: string, list: string): RowList<R> {
    const { decider, page: pageOf, empty } = this.#input
    const page = pageOf(key, list)
    if (page === undefined && !empty(key, list))
      return { key, list, entries: [], horizon: undefined, left: 0, reach: 0 }
    const changed = this.#changed.get(key)
    const stored = (page?.rows ?? []).flatMap((row) => placeIn(decider, row, list))
    const entries = stored.filter(({ id }) => changed?.has(id) !== true)
    const horizon = page === undefined || page.complete ? null : (stored.at(-1) ?? undefined)
    const built: RowList<R> = { key, list, entries, horizon, left: stored.length - entries.length, reach: 0 }
    for (const row of changed?.values() ?? []) {
      for (const entry of placeIn(decider, row, list)) insert(built, entry)
    }
    return built
  }

  #note(row: R): void {
    const { decider } = this.#input
    const key = decider.keyOfRow(row)
    const rows = this.#changed.get(key) ?? new Map<string, R>()
    this.#changed.set(key, rows)
    rows.set(decider.rowId(row), row)
  }
}

function placeIn<R>(decider: ListDecider<R>, row: R, list: string): Entry[] {
  const place = decider.listsOf(row).find((each: ListPlace) => each.list === list)
  return place === undefined ? [] : [{ at: place.at, id: decider.rowId(row) }]
}

function compare(a: Entry, b: Entry): number {
  return a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

/** The index of the first entry that does not lie before `entry`. */
function indexOf(entries: readonly Entry[], entry: Entry): number {
  let from = 0
  let to = entries.length
  while (from < to) {
    const middle = (from + to) >>> 1
    const other = entries[middle]
    if (other !== undefined && compare(other, entry) < 0) from = middle + 1
    else to = middle
  }
  return from
}

function insert<R>({ entries, horizon }: RowList<R>, entry: Entry): void {
  if (horizon === undefined || (horizon !== null && compare(entry, horizon) > 0)) return
  entries.splice(indexOf(entries, entry), 0, entry)
}

function remove<R>(known: RowList<R>, entry: Entry): void {
  const index = indexOf(known.entries, entry)
  if (known.entries[index]?.id !== entry.id) return
  known.entries.splice(index, 1)
  known.left++
}
