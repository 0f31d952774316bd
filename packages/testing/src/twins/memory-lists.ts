/** The lists of a key, read from all of its rows: what the tables answer by index, the twin answers by looking. */
import {
  type Command,
  type Decider,
  type DomainEvent,
  DUE_LIST,
  type Header,
  type Page,
} from '@ironsys/engine'

/** What a database knows of its domain. */
export type StoredDecider<H extends Header, R> = Pick<
  Decider<Command, DomainEvent, H, R, unknown>,
  'keyOfRow' | 'rowId' | 'listsOf' | 'standingLists' | 'dueAtOfHeader'
>

export interface PageOfList<R> {
  readonly key: string
  readonly list: string
  readonly limit: number
  readonly untilMs: number
  /** Of the key, in any order. */
  readonly rows: Iterable<R>
}

/** Of the due list what is due and the next row behind that; of any list at most `limit` rows. */
export function pageOf<H extends Header, R>(
  decider: StoredDecider<H, R>,
  { key, list, limit, untilMs, rows }: PageOfList<R>,
): Page<R> {
  const entries = entriesOf(decider, list, rows)
  const due = entries.filter(({ at }) => at <= untilMs).length
  const kept = Math.min(limit, list === DUE_LIST ? due + 1 : limit)
  return {
    key,
    list,
    rows: entries.slice(0, kept).map(({ row }) => row),
    complete: entries.length <= kept,
  }
}

/** When the first thing is due at a key, Unix milliseconds; null for never. */
export function firstDueMs<H extends Header, R>(
  decider: StoredDecider<H, R>,
  header: H,
  rows: Iterable<R>,
): number | null {
  const ownMs = decider.dueAtOfHeader(header)
  const rowMs = entriesOf(decider, DUE_LIST, rows)[0]?.at ?? null
  return ownMs === null || rowMs === null ? (ownMs ?? rowMs) : Math.min(ownMs, rowMs)
}

interface Entry<R> {
  readonly at: number
  readonly id: string
  readonly row: R
}

function entriesOf<H extends Header, R>(
  decider: StoredDecider<H, R>,
  list: string,
  rows: Iterable<R>,
): readonly Entry<R>[] {
  const entries: Entry<R>[] = []
  for (const row of rows) {
    const place = decider.listsOf(row).find((each) => each.list === list)
    if (place !== undefined) entries.push({ at: place.at, id: decider.rowId(row), row })
  }
  return entries.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
}
