/** How state is loaded: one statement, hence one snapshot of the database, whatever is asked for. */
import { DUE_LIST, FIRST_PAGE_ROWS, PAGE_ROWS, type Page, type PrefetchRequest } from '@ironsys/engine'
import { plainArray, type Statement } from '@ironsys/sql'
import { z } from 'zod'
import { QUEUE_LIST, USER_LIST_PREFIX } from './due.ts'
import { reservationColumns, reservationFromRow, slotColumns, slotFromRow } from './rows.ts'
import type { Reservation, Slot } from './state.ts'

const named = `
WITH r AS (SELECT ${reservationColumns} FROM reservations WHERE id = ANY ($2::uuid[])),
s AS (SELECT ${slotColumns} FROM slots WHERE id = ANY ($1::uuid[] || ARRAY(SELECT DISTINCT slot_id FROM r)))`

const answer = `
SELECT coalesce((SELECT json_agg(r) FROM r), '[]') AS rows, coalesce((SELECT json_agg(s) FROM s), '[]') AS headers`

/** Rows of one list of the slot `w.key`, in the list's order, as JSON. */
function rowsOf(where: string, order: string, limit: string): string {
  return `(SELECT json_agg(l) FROM (
      SELECT ${reservationColumns} FROM reservations
       WHERE slot_id = w.key AND ${where} ORDER BY ${order}, reservations.id LIMIT ${limit}) l)`
}

/**
 * `w` is what is wanted: pages by name, the standing lists of the listed keys, and those of the slots found that have
 * any rows. One row more than wanted says that the list goes on; so does a second one behind what is due.
 */
const prefetchSql = `${named},
w AS (
  SELECT key, list, max(size) AS size FROM (
    SELECT * FROM unnest($4::uuid[], $5::text[], $6::int[]) AS asked (key, list, size)
    UNION ALL SELECT key, list, ${FIRST_PAGE_ROWS} FROM unnest($3::uuid[]) key, unnest('{${DUE_LIST},${QUEUE_LIST}}'::text[]) list
    UNION ALL SELECT id, '${DUE_LIST}', ${FIRST_PAGE_ROWS} FROM s WHERE held > 0
    UNION ALL SELECT id, '${QUEUE_LIST}', ${FIRST_PAGE_ROWS} FROM s WHERE waitlist_count > 0
    UNION ALL SELECT slot_id, '${USER_LIST_PREFIX}' || user_id, ${PAGE_ROWS} FROM r WHERE is_counted AND status = 'expired') lists
   GROUP BY key, list),
p AS (
  SELECT key, list, size,
    CASE list
      WHEN '${DUE_LIST}' THEN ${rowsOf(`status = 'held' AND expires_at <= $7`, 'reservations.expires_at', 'w.size + 1')}
      WHEN '${QUEUE_LIST}' THEN ${rowsOf(`status = 'waitlisted'`, 'reservations.place', 'w.size + 1')}
      ELSE ${rowsOf(
        `user_id = substr(list, ${USER_LIST_PREFIX.length + 1}) AND is_counted AND status IN ('held', 'confirmed', 'waitlisted')`,
        'reservations.created_at',
        'w.size + 1',
      )}
    END AS rows,
    CASE list
      WHEN '${DUE_LIST}' THEN ${rowsOf(`status = 'held' AND expires_at > $7`, 'reservations.expires_at', '2')}
    END AS behind
    FROM w)
${answer}, coalesce((SELECT json_agg(p) FROM p), '[]') AS pages`

export function prefetch({ keys, rowIds, listedKeys, untilMs, pages }: PrefetchRequest): Statement {
  for (const { list } of pages) {
    if (list !== DUE_LIST && list !== QUEUE_LIST && !list.startsWith(USER_LIST_PREFIX))
      throw new Error(`no list is named ${list}`)
  }
  return {
    name: 'reservations-prefetch',
    text: prefetchSql,
    values: [
      plainArray(keys),
      plainArray(rowIds),
      plainArray(listedKeys),
      plainArray(pages.map((page) => page.key)),
      pages.map((page) => page.list),
      plainArray(pages.map((page) => page.limit)),
      new Date(untilMs).toISOString(),
    ],
  }
}

/** What {@link loadState} answers: JSON arrays. */
export interface StateAnswer {
  readonly headers: readonly unknown[]
  readonly rows: readonly unknown[]
}

/** What {@link prefetch} answers. */
export interface PrefetchAnswer extends StateAnswer {
  readonly pages: readonly unknown[]
}

const pageRow = z.object({
  key: z.string(),
  list: z.string(),
  size: z.int(),
  rows: z.array(z.unknown()).nullable(),
  behind: z.array(z.unknown()).nullable(),
})

export function readPrefetched({ headers, rows, pages }: PrefetchAnswer) {
  return { ...readState({ headers, rows }), pages: pages.map(pageFromRow) }
}

function pageFromRow(json: unknown): Page<Reservation> {
  const { key, list, size, rows, behind } = pageRow.parse(json)
  const found = [...(rows ?? []), ...(behind ?? [])]
  const kept = Math.min(size, (rows?.length ?? 0) + (behind === null ? 0 : 1))
  return {
    key,
    list,
    rows: found.slice(0, kept).map(reservationFromRow),
    complete: found.length <= kept,
  }
}

/** Slots and reservations by their ids, and the slots of these reservations; no lists. */
export function loadState(slotIds: readonly string[], reservationIds: readonly string[]): Statement {
  return {
    name: 'reservations-state',
    text: `${named} ${answer}`,
    values: [plainArray(slotIds), plainArray(reservationIds)],
  }
}

export function readState({ headers, rows }: StateAnswer) {
  const slots = headers.map((header) => slotFromRow(header).slot)
  const reservations = rows.map(reservationFromRow)
  return {
    headers: new Map<string, Slot>(slots.map((slot) => [slot.id, slot])),
    rows: new Map<string, Reservation>(reservations.map((reservation) => [reservation.id, reservation])),
  }
}

const dueKeysSql = `
SELECT slots.id AS key, (extract(epoch FROM first.expires_at) * 1000)::bigint AS at
  FROM slots CROSS JOIN LATERAL (
    SELECT expires_at FROM reservations WHERE slot_id = slots.id AND status = 'held' ORDER BY expires_at, id LIMIT 1) first
 WHERE slots.partition = $1 AND slots.held > 0 ORDER BY first.expires_at, slots.id LIMIT $2`

/** The slots of a partition that have holds, those whose first one ends earliest first. */
export function dueKeys(partition: number, limit: number): Statement {
  return { name: 'reservations-due-keys', text: dueKeysSql, values: [partition, limit] }
}
