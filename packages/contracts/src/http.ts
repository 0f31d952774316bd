/**
 * What HTTP clients send and get. Requests are strict: an unknown field is refused, so that a misspelt one is noticed.
 * Numbers and booleans of a query arrive as text and leave these schemas as what they mean.
 */
import { z } from 'zod'
import { reservationDocumentSchema, slotDocumentSchema } from './documents.ts'
import {
  capacitySchema,
  limits,
  metadataSchema,
  nameSchema,
  overbookingSchema,
  quantitySchema,
  reservationIdSchema,
  slotIdSchema,
  timeSchema,
  userIdSchema,
} from './fields.ts'

// ------------------------------------------------------------------------------------------------------ requests

/** 1–255 printable ASCII characters; the header `Idempotency-Key` is held to the same. */
export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x20-\x7e]{1,255}$/, 'must be 1 to 255 printable ASCII characters')

export const reserveRequestSchema = z.strictObject({
  slot_id: slotIdSchema,
  user_id: userIdSchema,
  quantity: quantitySchema.default(1),
  metadata: metadataSchema.optional(),
  idempotency_key: idempotencyKeySchema.optional(),
})
export type ReserveRequest = z.infer<typeof reserveRequestSchema>

/** The batch as documented; each item is validated on its own, so that a bad one does not spoil the others. */
export const reserveBatchRequestSchema = z.strictObject({
  items: z.array(reserveRequestSchema).min(1).max(limits.batchItemsMax),
  idempotency_key: idempotencyKeySchema.optional(),
})

export const reserveBatchEnvelopeSchema = z.strictObject({
  items: z.array(z.unknown()).min(1).max(limits.batchItemsMax),
  idempotency_key: idempotencyKeySchema.optional(),
})
export type ReserveBatchEnvelope = z.infer<typeof reserveBatchEnvelopeSchema>

export const createSlotRequestSchema = z.strictObject({
  id: slotIdSchema.optional(),
  name: nameSchema,
  start_time: timeSchema,
  end_time: timeSchema,
  capacity: capacitySchema,
  overbooking_bps: overbookingSchema.default(0),
  sales_open_at: timeSchema.nullable().default(null),
  sales_close_at: timeSchema.nullable().default(null),
  metadata: metadataSchema.optional(),
  idempotency_key: idempotencyKeySchema.optional(),
})
export type CreateSlotRequest = z.infer<typeof createSlotRequestSchema>

export const updateSlotRequestSchema = z.strictObject({
  name: nameSchema.optional(),
  capacity: capacitySchema.optional(),
  overbooking_bps: overbookingSchema.optional(),
  status: z.enum(['open', 'closed']).optional(),
  idempotency_key: idempotencyKeySchema.optional(),
})
export type UpdateSlotRequest = z.infer<typeof updateSlotRequestSchema>

export const slotParamsSchema = z.strictObject({ id: slotIdSchema })
export type SlotParams = z.infer<typeof slotParamsSchema>

export const reservationParamsSchema = z.strictObject({ id: reservationIdSchema })
export type ReservationParams = z.infer<typeof reservationParamsSchema>

const integerText = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))

const booleanText = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .pipe(z.boolean())

const cursorText = z.string().min(1).max(512)

export const slotsQuerySchema = z.strictObject({
  /** Slots that start at or after this time. */
  from: timeSchema.optional(),
  /** Slots that start before this time. */
  to: timeSchema.optional(),
  available: booleanText.optional(),
  limit: integerText(1, limits.pageItemsMax).optional(),
  cursor: cursorText.optional(),
})
export type SlotsQuery = z.infer<typeof slotsQuerySchema>

export const slotQuerySchema = z.strictObject({
  min_version: integerText(0, Number.MAX_SAFE_INTEGER).optional(),
})
export type SlotQuery = z.infer<typeof slotQuerySchema>

export const reservationQuerySchema = z.strictObject({
  cursor: cursorText.optional(),
  wait: integerText(1, limits.waitSecondsMax).optional(),
})
export type ReservationQuery = z.infer<typeof reservationQuerySchema>

// ------------------------------------------------------------------------------------------------------- answers

/** How many commands lie before this one, and an estimate of when it is decided; null while neither is known. */
export const queueSchema = z.object({
  position: z.int().min(0).nullable(),
  eta_ms: z.int().min(0).nullable(),
})
export type Queue = z.infer<typeof queueSchema>

const accepted = {
  status: z.literal('pending'),
  /** The time the log gave the command. */
  created_at: z.string(),
  message: z.string(),
  queue: queueSchema,
  cursor: z.string(),
}

export const acceptedReservationSchema = z.object({
  id: reservationIdSchema,
  slot_id: slotIdSchema,
  user_id: z.string(),
  quantity: z.int(),
  ...accepted,
})
export type AcceptedReservation = z.infer<typeof acceptedReservationSchema>

/** A command about something whose content is not in the request: a slot, a cancellation. */
export const acceptedCommandSchema = z.object({ id: z.string(), ...accepted })
export type AcceptedCommand = z.infer<typeof acceptedCommandSchema>

export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  code: z.string(),
  request_id: z.string().optional(),
  /** What the problem is about, where it has an id. */
  id: z.string().optional(),
  /** With `outcome-unknown`: repeat the request with this key, and it takes effect at most once. */
  idempotency_key: z.string().optional(),
  /** Where the request is wrong: a JSON pointer into the named part. */
  errors: z
    .array(
      z.object({ in: z.enum(['body', 'path', 'query', 'header']), pointer: z.string(), detail: z.string() }),
    )
    .optional(),
})
export type ProblemDocument = z.infer<typeof problemSchema>

export const reserveBatchAnswerSchema = z.object({
  items: z.array(
    z.union([
      z.object({ id: reservationIdSchema, status: z.literal('pending'), cursor: z.string() }),
      z.object({ error: problemSchema }),
    ]),
  ),
})
export type ReserveBatchAnswer = z.infer<typeof reserveBatchAnswerSchema>

export const slotSnapshotSchema = slotDocumentSchema.extend({ from_cache: z.boolean(), stale: z.boolean() })

export const slotPageSchema = z.object({
  items: z.array(slotDocumentSchema),
  next_cursor: z.string().nullable(),
})

/** Recomputed from the ledger, never from counters. */
export const auditDocumentSchema = z.object({
  capacity: z.int(),
  held: z.int(),
  confirmed: z.int(),
  available: z.int(),
  version: z.int(),
  ledger_events: z.int(),
  balanced: z.boolean(),
})
export type AuditDocument = z.infer<typeof auditDocumentSchema>

/** Not decided yet, or (`failed`) never to be decided as it stands: the command is among the dead letters. */
export const undecidedReservationSchema = z.object({
  id: reservationIdSchema,
  status: z.enum(['pending', 'failed']),
  queue: queueSchema.optional(),
})

export const reservationAnswerSchema = z.union([
  /** `queue` is there while a change to a decided reservation (its cancellation) is not decided yet. */
  reservationDocumentSchema.extend({ queue: queueSchema.optional() }),
  undecidedReservationSchema,
])

const dependencyState = z.enum(['up', 'degraded', 'down'])

export const healthSchema = z.object({
  status: dependencyState,
  /** Whether reads and writes can be answered now. */
  reads: dependencyState,
  writes: dependencyState,
  dependencies: z.object({ postgres: dependencyState, redis: dependencyState, kafka: dependencyState }),
})
export type HealthDocument = z.infer<typeof healthSchema>
