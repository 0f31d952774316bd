/** Where somebody stands in line: counted as far as promotions look, beyond that estimated. */
import { LINE_WINDOW } from '@ironsys/capacity'
import { z } from 'zod'

export interface WaitlistPosition {
  /** 1 for the next. */
  readonly position: number
  readonly approximate: boolean
}

/** Answers no row for a reservation that does not wait. Parameter: its id. */
export const positionSql = `
SELECT row_to_json(p) AS position FROM (
  SELECT me.place, ${waiter('ASC')} AS first, ${waiter('DESC')} AS last,
         (SELECT waitlist_count FROM slots WHERE id = me.slot_id) AS total,
         (SELECT count(*) FROM (
            SELECT FROM reservations r WHERE r.slot_id = me.slot_id AND r.status = 'waitlisted' AND r.place <= me.place
             ORDER BY r.place LIMIT ${LINE_WINDOW + 1}) ahead) AS counted
    FROM reservations me WHERE me.id = $1 AND me.status = 'waitlisted') p`

function waiter(order: 'ASC' | 'DESC'): string {
  return `(SELECT r.place FROM reservations r WHERE r.slot_id = me.slot_id AND r.status = 'waitlisted' ORDER BY r.place ${order} LIMIT 1)`
}

const positionRow = z.object({
  position: z.object({ place: z.int(), first: z.int(), last: z.int(), total: z.int(), counted: z.int() }),
})

/** Places are versions of the slot: whoever waits stands about as far along the line as their place is between its ends. */
export function positionFromRow(row: unknown): WaitlistPosition {
  const { place, first, last, total, counted } = positionRow.parse(row).position
  if (counted <= LINE_WINDOW) return { position: counted, approximate: false }
  const estimate = 1 + Math.round(((place - first) / (last - first)) * (total - 1))
  return { position: Math.max(LINE_WINDOW + 1, estimate), approximate: true }
}
