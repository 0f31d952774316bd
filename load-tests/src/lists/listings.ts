/** The pages that are asked for. */
import { slotPageSchema } from '@ironsys/contracts'
import { LoadTestFault } from '../faults.ts'
import type { HttpClient } from '../http-client.ts'
import { FIRST_START_MS, lastStartMs } from './slots.ts'

export interface Asked {
  /** Counts the requests of a bench: makes each the first of its kind. */
  readonly number: number
  readonly slots: number
  /** Of pages all over the list. */
  readonly cursors: readonly string[]
}

export interface Listing {
  readonly name: string
  readonly query: (asked: Asked) => Readonly<Record<string, string>>
  /** One page over and over: what changes in it within a second was laid over it. */
  readonly repeats?: true
}

const PAGE_ITEMS_MAX = 100
const HOUR_MS = 3_600_000
/** Later than any slot. */
const FAR_AWAY_MS = Date.parse('2999-01-01T00:00:00Z')

export const listings: readonly Listing[] = [
  { name: 'the first page', query: unique },
  { name: 'a page anywhere', query: (asked) => ({ ...unique(asked), cursor: anyOf(asked.cursors) }) },
  { name: 'a page of 10 anywhere', query: (asked) => ({ ...unique(asked), ...sized(asked, 10) }) },
  {
    name: 'a page of 100 anywhere',
    query: (asked) => ({ ...unique(asked), ...sized(asked, PAGE_ITEMS_MAX) }),
  },
  { name: 'with units left', query: (asked) => ({ ...unique(asked), available: 'true' }) },
  {
    name: 'with units left, anywhere',
    query: (asked) => ({ ...unique(asked), from: anyTime(asked.slots), available: 'true' }),
  },
  { name: 'without units left', query: (asked) => ({ ...unique(asked), available: 'false' }) },
  {
    name: 'without units left, anywhere',
    query: (asked) => ({ ...unique(asked), cursor: anyOf(asked.cursors), available: 'false' }),
  },
  { name: 'an hour', query: ({ slots }) => anHour(slots) },
  { name: 'an hour, with units left', query: ({ slots }) => ({ ...anHour(slots), available: 'true' }) },
  { name: 'the same page again', query: () => ({}), repeats: true },
  { name: 'the same page of 100 again', query: () => ({ limit: `${PAGE_ITEMS_MAX}` }), repeats: true },
]

/** No page is in the API's memory, though it finds the same slots. */
function unique({ number }: Asked): Readonly<Record<string, string>> {
  return { to: new Date(FAR_AWAY_MS + number).toISOString() }
}

function sized({ cursors }: Asked, limit: number): Readonly<Record<string, string>> {
  return { cursor: anyOf(cursors), limit: `${limit}` }
}

function anHour(slots: number): Readonly<Record<string, string>> {
  const from = anyTime(slots)
  return { from, to: new Date(Date.parse(from) + HOUR_MS).toISOString() }
}

function anyTime(slots: number): string {
  const rangeMs = lastStartMs(slots) - FIRST_START_MS
  return new Date(FIRST_START_MS + Math.floor(Math.random() * rangeMs)).toISOString()
}

function anyOf(cursors: readonly string[]): string {
  return cursors[Math.floor(Math.random() * cursors.length)] ?? ''
}

/** Walks through all slots. */
export async function findCursors(client: HttpClient): Promise<readonly string[]> {
  const cursors: string[] = []
  for (let path = `/slots?limit=${PAGE_ITEMS_MAX}`; ; ) {
    const { status, body } = await client.send({ method: 'GET', path })
    if (status !== 200) throw new LoadTestFault(`GET ${path} answered ${status}`)
    const { next_cursor: cursor } = slotPageSchema.parse(body)
    if (cursor === null) return cursors
    cursors.push(cursor)
    path = `/slots?limit=${PAGE_ITEMS_MAX}&cursor=${cursor}`
  }
}
