/**
 * Removes what is long over: slots with their reservations and their ledger, and bookings. Their rows belong to the
 * writers of their partitions (I3), who are asked, and refuse what is not over yet by the time of the log.
 *
 * Invariants:
 * 1. Nothing of a slot or a booking is deleted here.
 * 2. Unanswered are at most {@link ASKED_MAX} commands, about slots with {@link ASKED_ROWS_MAX} reservations and ledger
 *    entries, unless one slot alone has more: a writer removes them in one transaction, and everybody else waits for it.
 * 3. No writer is asked for a slot with more than {@link REMOVABLE_RESERVATIONS_MAX} reservations: a transaction that the
 *    database ends for its length would be tried again for ever, and its partition would stand still.
 * 4. It may be ended and begun again at any time, and run twice at once: a command about what is gone does nothing.
 */
import { bookingIdSchema, idRangeOfKey, slotIdSchema, topics } from '@ironsys/contracts'
import type { Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { queryRows } from './deployment.ts'
import type { Ask, Writers } from './writers.ts'

export interface RetentionDeps {
  readonly pool: Pool
  readonly writers: Writers
  /** Of one slot; {@link REMOVABLE_RESERVATIONS_MAX} when it is not given. */
  readonly reservationsMax?: number
}

/** Called as it goes on: how many of how many were asked about. */
export type Progress = (done: number, total: number) => void

export interface Retired {
  /** How many were over when it began. */
  readonly over: number
  readonly removed: number
  /** Those that their writer did not remove. */
  readonly left: readonly string[]
  /** Those that their writer was not asked for (invariant 3). */
  readonly tooLarge: readonly string[]
}

export type RetiredKind = 'slots' | 'bookings'

const ASKED_MAX = 50
const ASKED_ROWS_MAX = 100_000
/** Of one slot. They take a writer about three seconds, and its database ends a statement after fifteen. */
export const REMOVABLE_RESERVATIONS_MAX = 1_000_000
/** Rows looked at by one statement. */
const PAGE_ROWS = 2_000
/** The database's clock says what to ask for, the log's decides: what is over by less is left for the next time. */
const CLOCK_MARGIN = '1 minute'

/** How many are over. */
export async function countOver(pool: Pool, kind: RetiredKind, keepDays: number): Promise<number> {
  const [row] = await queryRows(pool, `retention-count-${kind}`, sources[kind].count, [keepDays])
  return z.object({ count: z.coerce.number() }).parse(row).count
}

/** Throws what {@link Writers.decide} throws; what was removed by then is removed. */
export async function retireOver(
  { pool, writers, reservationsMax = REMOVABLE_RESERVATIONS_MAX }: RetentionDeps,
  kind: RetiredKind,
  keepDays: number,
  progress: Progress,
): Promise<Retired> {
  const source = sources[kind]
  const over = await countOver(pool, kind, keepDays)
  const left: string[] = []
  const tooLarge: string[] = []
  let asked = 0
  let after = source.first
  for (;;) {
    const page = await readPage(pool, kind, keepDays, after)
    const sized = await withReservations(pool, source, page.items, reservationsMax)
    tooLarge.push(...sized.tooLarge)
    for (const group of groupsOf(sized.items)) {
      const ids = group.map(({ id }) => id)
      await writers.decide(
        source.topic,
        ids.map((id) => source.ask(id, keepDays)),
      )
      left.push(...(await storedOf(pool, kind, ids)))
      asked += ids.length
      // More may have come to be over meanwhile.
      const done = asked + tooLarge.length
      progress(done, Math.max(done, over))
    }
    if (page.after === null) return { over, removed: asked - left.length, left, tooLarge }
    after = page.after
  }
}

interface Over {
  readonly id: string
  /** How many entries the ledger has about it, and of a slot how many reservations there are. */
  readonly rows: number
}

/** The position behind a row of a page. */
type Position = readonly [string, string]

interface Source {
  readonly topic: typeof topics.reservationCommands | typeof topics.bookingCommands
  readonly ask: (id: string, keepDays: number) => Ask
  /** Of $1 days. */
  readonly count: string
  /** At most $4 rows behind position ($2, $3), with whether each is over. */
  readonly page: string
  /** Before any row. */
  readonly first: Position
  /** How many reservations there are in the range of ids from $1 to $2, at most $3; null where there are none to go. */
  readonly reservations: string | null
  /** Which ids of $1 are stored. */
  readonly stored: string
}

const cutoff = `clock_timestamp() - $1 * interval '1 day' - interval '${CLOCK_MARGIN}'`
const NIL_UUID = '00000000-0000-0000-0000-000000000000'
const bookingIsOver = `deadline IS NULL AND greatest(created_at, ends_at) < ${cutoff}`

const sources: Readonly<Record<RetiredKind, Source>> = {
  slots: {
    topic: topics.reservationCommands,
    ask: (id, keep_days) => ({
      key: id,
      command: { type: 'retire_slot', slot_id: slotIdSchema.parse(id), keep_days },
    }),
    count: `SELECT count(*) FROM slots WHERE start_time < ${cutoff} AND end_time < ${cutoff}`,
    page: `SELECT id, version AS rows, start_time::text AS position, end_time < ${cutoff} AS over FROM slots
            WHERE start_time < ${cutoff} AND (start_time, id) > ($2::timestamptz, $3::uuid)
            ORDER BY start_time, id LIMIT $4`,
    first: ['-infinity', NIL_UUID],
    reservations:
      'SELECT count(*) FROM (SELECT FROM reservations WHERE id BETWEEN $1::uuid AND $2::uuid LIMIT $3) counted',
    stored: 'SELECT id FROM slots WHERE id = ANY ($1::uuid[])',
  },
  bookings: {
    topic: topics.bookingCommands,
    ask: (id, keep_days) => ({
      key: id,
      command: { type: 'retire_booking', booking_id: bookingIdSchema.parse(id), keep_days },
    }),
    count: `SELECT count(*) FROM bookings WHERE ${bookingIsOver}`,
    page: `SELECT id, 1 AS rows, $2::text AS position, ${bookingIsOver} AS over FROM bookings
            WHERE id > $3::uuid ORDER BY id LIMIT $4`,
    first: ['', NIL_UUID],
    reservations: null,
    stored: 'SELECT id FROM bookings WHERE id = ANY ($1::uuid[])',
  },
}

const pageRow = z.object({
  id: z.string(),
  rows: z.coerce.number(),
  position: z.string(),
  over: z.boolean().nullable(),
})

async function readPage(
  pool: Pool,
  kind: RetiredKind,
  keepDays: number,
  [position, id]: Position,
): Promise<{ readonly items: readonly Over[]; readonly after: Position | null }> {
  const values = [keepDays, position, id, PAGE_ROWS]
  const rows = (await queryRows(pool, `retention-${kind}`, sources[kind].page, values)).map((row) =>
    pageRow.parse(row),
  )
  const last = rows.at(-1)
  return {
    items: rows.filter(({ over }) => over === true),
    after: last === undefined || rows.length < PAGE_ROWS ? null : [last.position, last.id],
  }
}

/** One statement each, of which the database looks at no more than it has to. */
async function withReservations(
  pool: Pool,
  { reservations: text }: Source,
  items: readonly Over[],
  reservationsMax: number,
): Promise<{ readonly items: readonly Over[]; readonly tooLarge: readonly string[] }> {
  if (text === null) return { items, tooLarge: [] }
  const removable: Over[] = []
  const tooLarge: string[] = []
  for (const { id, rows } of items) {
    const { first, last } = idRangeOfKey(id)
    const [row] = await queryRows(pool, 'retention-reservations', text, [first, last, reservationsMax + 1])
    const { count } = z.object({ count: z.coerce.number() }).parse(row)
    if (count > reservationsMax) tooLarge.push(id)
    else removable.push({ id, rows: rows + count })
  }
  return { items: removable, tooLarge }
}

/** Invariant 2. */
export function groupsOf(items: readonly Over[]): readonly (readonly Over[])[] {
  const groups: Over[][] = []
  let rows = 0
  for (const item of items) {
    const group = groups.at(-1)
    rows += item.rows
    if (group !== undefined && group.length < ASKED_MAX && rows <= ASKED_ROWS_MAX) group.push(item)
    else {
      groups.push([item])
      rows = item.rows
    }
  }
  return groups
}

async function storedOf(pool: Pool, kind: RetiredKind, ids: readonly string[]): Promise<readonly string[]> {
  const rows = await queryRows(pool, `retention-stored-${kind}`, sources[kind].stored, [ids])
  return rows.map((row) => z.object({ id: z.string() }).parse(row).id)
}
