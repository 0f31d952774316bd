/** One place where rows become state: SQL answers JSON with times in Unix milliseconds, zod reads it. */
import {
  bookingIdSchema,
  rejectionCodes,
  reservationIdSchema,
  reservationStatuses,
  slotIdSchema,
  transitionReasonSchema,
} from '@ironsys/contracts'
import { z } from 'zod'
import type { Reservation, Slot, Transition } from './state.ts'

/** A column list that makes a row of `slots` readable by {@link slotFromRow}. */
export const slotColumns = `id, version, epoch, name, status, capacity, overbooking_bps, held, confirmed, hold_ttl_ms, max_per_user,
  waitlist, waitlist_count, metadata, body_hash, ${msOf('start_time')}, ${msOf('end_time')}, ${msOf('sales_open_at')},
  ${msOf('sales_close_at')}, ${msOf('created_at')}`

/** A column list that makes a row of `reservations` readable by {@link reservationFromRow}. */
export const reservationColumns = `id, slot_id, slot_version, user_id, quantity, status, reason, body_hash, metadata, hold_ttl_ms, place,
  booking_id, is_counted, transitions, ${msOf('created_at')}, ${msOf('expires_at')}`

const metadata = z.record(z.string(), z.unknown()).nullable()

const slotRow = z.object({
  id: slotIdSchema,
  version: z.int(),
  epoch: z.int(),
  name: z.string(),
  status: z.enum(['open', 'closed']),
  capacity: z.int(),
  overbooking_bps: z.int(),
  held: z.int(),
  confirmed: z.int(),
  hold_ttl_ms: z.int().nullable(),
  max_per_user: z.int().nullable(),
  waitlist: z.boolean(),
  waitlist_count: z.int(),
  metadata,
  body_hash: z.string(),
  start_time: z.int(),
  end_time: z.int(),
  sales_open_at: z.int().nullable(),
  sales_close_at: z.int().nullable(),
  created_at: z.int(),
})

const reservationRow = z.object({
  id: reservationIdSchema,
  slot_id: slotIdSchema,
  slot_version: z.int(),
  user_id: z.string(),
  quantity: z.int(),
  status: z.enum(reservationStatuses),
  reason: z.enum(rejectionCodes).nullable(),
  body_hash: z.string().nullable(),
  metadata,
  hold_ttl_ms: z.int().nullable(),
  place: z.int().nullable(),
  booking_id: bookingIdSchema.nullable(),
  is_counted: z.boolean(),
  transitions: z
    .array(z.tuple([z.enum(reservationStatuses), z.int(), transitionReasonSchema.nullable()]))
    .min(1)
    .nullable(),
  created_at: z.int(),
  expires_at: z.int().nullable(),
})

export function slotFromRow(json: unknown): { readonly slot: Slot; readonly epoch: number } {
  const row = slotRow.parse(json)
  const slot: Slot = {
    id: row.id,
    version: row.version,
    name: row.name,
    status: row.status,
    startMs: row.start_time,
    endMs: row.end_time,
    pool: {
      capacityUnits: row.capacity,
      overbookingBps: row.overbooking_bps,
      heldUnits: row.held,
      confirmedUnits: row.confirmed,
    },
    holdTtlMs: row.hold_ttl_ms,
    maxPerUser: row.max_per_user,
    hasWaitlist: row.waitlist,
    waitlistCount: row.waitlist_count,
    salesOpenMs: row.sales_open_at,
    salesCloseMs: row.sales_close_at,
    metadata: row.metadata,
    bodyHash: row.body_hash,
    createdMs: row.created_at,
  }
  return { slot, epoch: row.epoch }
}

export function reservationFromRow(json: unknown): Reservation {
  const row = reservationRow.parse(json)
  const { status, reason, created_at: createdMs } = row
  return {
    id: row.id,
    slotId: row.slot_id,
    userId: row.user_id,
    quantity: row.quantity,
    status,
    reason,
    metadata: row.metadata,
    bodyHash: row.body_hash,
    createdMs,
    expiresMs: row.expires_at,
    holdTtlMs: row.hold_ttl_ms,
    place: row.place,
    bookingId: row.booking_id,
    isCounted: row.is_counted,
    transitions:
      row.transitions === null
        ? [{ status, atMs: createdMs, reason }]
        : row.transitions.map(([status, atMs, reason]): Transition => ({ status, atMs, reason })),
    slotVersion: row.slot_version,
  }
}

/** The column `transitions`: null where the other columns say it all, as they do of most reservations. */
export function transitionsText({ transitions, status, createdMs, reason }: Reservation): string | null {
  const [only, ...more] = transitions
  const isPlain =
    more.length === 0 && only?.status === status && only.atMs === createdMs && only.reason === reason
  if (isPlain) return null
  return JSON.stringify(transitions.map((each) => [each.status, each.atMs, each.reason]))
}

/** Selects a timestamp as Unix milliseconds, under its own name. */
export function msOf(column: string): string {
  return `(extract(epoch FROM ${column}) * 1000)::bigint AS ${column}`
}
