/** One place where rows become state: SQL answers JSON with times in Unix milliseconds, zod reads it. */
import {
  bookingIdSchema,
  bookingStatuses,
  rejectionCodes,
  reservationIdSchema,
  slotIdSchema,
  transitionReasonSchema,
} from '@ironsys/contracts'
import { z } from 'zod'
import { type Booking, itemStatuses } from './state.ts'

/** A column list that makes a row of `bookings b`, with its items, readable by {@link bookingFromRow}. */
export const bookingColumns = `b.id, b.version, b.user_id, b.status, b.hold_ttl_ms, b.reason, b.failed_slot_id,
  b.body_hash, b.reply_to, b.transitions, ${msOf('created_at')}, ${msOf('deadline')}, ${msOf('ends_at')},
  (SELECT json_agg(i ORDER BY i.position) FROM (
     SELECT reservation_id, slot_id, quantity, status, position FROM booking_items WHERE booking_id = b.id) i) AS items`

const itemRow = z.object({
  reservation_id: reservationIdSchema,
  slot_id: slotIdSchema,
  quantity: z.int(),
  status: z.enum(itemStatuses),
})

const bookingRow = z.object({
  id: bookingIdSchema,
  version: z.int(),
  user_id: z.string(),
  status: z.enum(bookingStatuses),
  hold_ttl_ms: z.int().nullable(),
  reason: z.enum(rejectionCodes).nullable(),
  failed_slot_id: slotIdSchema.nullable(),
  body_hash: z.string().nullable(),
  reply_to: z.string().nullable(),
  transitions: z.array(z.tuple([z.enum(bookingStatuses), z.int(), transitionReasonSchema.nullable()])),
  created_at: z.int(),
  deadline: z.int().nullable(),
  ends_at: z.int().nullable(),
  items: z.array(itemRow).min(1),
})

export function bookingFromRow(json: unknown): Booking {
  const row = bookingRow.parse(json)
  return {
    id: row.id,
    version: row.version,
    userId: row.user_id,
    status: row.status,
    holdTtlMs: row.hold_ttl_ms,
    createdMs: row.created_at,
    deadlineMs: row.deadline,
    endsMs: row.ends_at,
    reason: row.reason,
    failedSlotId: row.failed_slot_id,
    bodyHash: row.body_hash,
    replyTo: row.reply_to,
    items: row.items.map((item) => ({
      slotId: item.slot_id,
      reservationId: item.reservation_id,
      quantity: item.quantity,
      status: item.status,
    })),
    transitions: row.transitions.map(([status, atMs, reason]) => ({ status, atMs, reason })),
  }
}

/** Selects a timestamp of `bookings b` as Unix milliseconds, under its own name. */
function msOf(column: string): string {
  return `(extract(epoch FROM b.${column}) * 1000)::bigint AS ${column}`
}
