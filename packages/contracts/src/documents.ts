/** What is said back: to HTTP clients, in replies and in snapshots. Times are RFC 3339, UTC, milliseconds. */
import { z } from 'zod'
import { metadataSchema, reservationIdSchema, slotIdSchema } from './fields.ts'

/** Why a command was decided against. Closed: docs/errors.md lists each, a test compares. */
export const rejectionCodes = [
  'sold-out',
  'slot-not-found',
  'slot-closed',
  'sales-not-open',
  'slot-exists',
  'capacity-in-use',
  'reservation-not-found',
  'not-cancellable',
  'idempotency-key-reused',
] as const
export type RejectionCode = (typeof rejectionCodes)[number]

export const reservationStatuses = ['confirmed', 'rejected', 'cancelled'] as const

/** A slot as everyone may see it; also the snapshot that reads are served from. */
export const slotDocumentSchema = z.object({
  id: slotIdSchema,
  name: z.string(),
  start_time: z.string(),
  end_time: z.string(),
  status: z.enum(['open', 'closed']),
  capacity: z.int(),
  reserved_count: z.int(),
  held_count: z.int(),
  waitlist_count: z.int(),
  available: z.int(),
  sales_open_at: z.string().nullable(),
  sales_close_at: z.string().nullable(),
  metadata: metadataSchema.optional(),
  version: z.int(),
})
export type SlotDocument = z.infer<typeof slotDocumentSchema>

/** A decided reservation. */
export const reservationDocumentSchema = z.object({
  id: reservationIdSchema,
  slot_id: slotIdSchema,
  user_id: z.string(),
  quantity: z.int(),
  status: z.enum(reservationStatuses),
  reason: z.enum(rejectionCodes).optional(),
  created_at: z.string(),
  cancelled_at: z.string().optional(),
  /** The slot's version at the decision: ask `GET /slots/:id?min_version=` for it to read your own write. */
  slot_version: z.int(),
  metadata: metadataSchema.optional(),
})
export type ReservationDocument = z.infer<typeof reservationDocumentSchema>

/** The answer to one command, as replies carry it and `applied_commands` remembers it. */
export interface CommandOutcome {
  readonly code: 'ok' | RejectionCode
  readonly detail?: string
  readonly reservation?: ReservationDocument
  readonly slot?: SlotDocument
  /** Of the remembered request: the same key with another body is refused. */
  readonly body_hash?: string
}
