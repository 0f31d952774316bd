/**
 * What HTTP clients send; what they get is in http-answers.ts. Requests are strict: an unknown field is refused, so that
 * a misspelt one is noticed. Numbers and booleans of a query arrive as text and leave these schemas as what they mean.
 */
import { z } from 'zod'
import { reservationStatuses } from './documents.ts'
import {
  bookingIdSchema,
  capacitySchema,
  holdTtlSchema,
  lateSchema,
  limits,
  maxPerUserSchema,
  metadataSchema,
  nameSchema,
  overbookingSchema,
  quantitySchema,
  reservationIdSchema,
  reservationModeSchema,
  slotIdSchema,
  timeSchema,
  userIdSchema,
} from './fields.ts'

/** 1–255 printable ASCII characters; the header `Idempotency-Key` is held to the same. */
export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x20-\x7e]{1,255}$/, 'must be 1 to 255 printable ASCII characters')

const idempotencyKey = idempotencyKeySchema.optional().meta({
  description: 'Makes repeats of this request have one effect; the header `Idempotency-Key` wins over it.',
})

export const reserveRequestSchema = z.strictObject({
  slot_id: slotIdSchema.meta({ description: 'The slot whose units are asked for.' }),
  user_id: userIdSchema.meta({
    description: 'For whom: the limit per user and the list of a user go by it.',
  }),
  quantity: quantitySchema.default(1).meta({ description: 'Units, all or none. Default: 1.' }),
  mode: reservationModeSchema.optional().meta({
    description:
      '`hold` takes the units until `expires_at`, to be confirmed before; `confirm` takes them for good. Default: `hold` where the slot has a `hold_ttl_seconds`, else `confirm`.',
  }),
  hold_ttl_seconds: holdTtlSchema.optional().meta({
    description:
      "How long a hold lasts, seconds. Default: the slot's, else 600. Not with `mode: confirm`, unless with `join_waitlist`: then it is of the hold that a place in line becomes.",
  }),
  join_waitlist: z.boolean().default(false).meta({
    description:
      'Where units are missing, wait for them in line, if the slot has a waitlist. Default: false.',
  }),
  metadata: metadataSchema.optional().meta({
    description:
      'Whatever the client wants to keep with it: an object of at most 4 KiB of JSON, nested at most 8 levels deep.',
  }),
  idempotency_key: idempotencyKey,
})
export type ReserveRequest = z.infer<typeof reserveRequestSchema>

/** The batch as documented; each item is validated on its own, so that a bad one does not spoil the others. */
export const reserveBatchRequestSchema = z.strictObject({
  items: z
    .array(reserveRequestSchema)
    .min(1)
    .max(limits.batchItemsMax)
    .meta({ description: 'Reservations, each accepted or refused on its own.' }),
  idempotency_key: idempotencyKeySchema.optional().meta({
    description:
      'Of the whole batch: each item gets an id that follows from it and from its place. It wins over the keys of the items.',
  }),
})

export const reserveBatchEnvelopeSchema = z.strictObject({
  items: z.array(z.unknown()).min(1).max(limits.batchItemsMax),
  idempotency_key: idempotencyKeySchema.optional(),
})
export type ReserveBatchEnvelope = z.infer<typeof reserveBatchEnvelopeSchema>

const asUser = userIdSchema.optional().meta({
  description: 'Who asks, where nothing else tells it: what belongs to somebody else then reads as unknown.',
})

export const confirmRequestSchema = z.strictObject({
  late: lateSchema.optional().meta({
    description:
      'What to do when the hold has expired: `reject` (the default) answers `hold-expired`; `rehold` confirms it after all if its units are free; `waitlist` puts it into the line. What cannot be had answers `refund-required`.',
  }),
  user_id: asUser,
  idempotency_key: idempotencyKey,
})
export type ConfirmRequest = z.infer<typeof confirmRequestSchema>

export const cancelQuerySchema = z.strictObject({
  user_id: asUser,
})
export type CancelQuery = z.infer<typeof cancelQuerySchema>

export const bookRequestSchema = z.strictObject({
  user_id: userIdSchema.meta({
    description: 'For whom: the limit per user and the list of a user go by it.',
  }),
  items: z
    .array(
      z.strictObject({
        slot_id: slotIdSchema.meta({ description: 'The slot whose units are asked for.' }),
        quantity: quantitySchema.default(1).meta({ description: 'Units. Default: 1.' }),
      }),
    )
    .min(1)
    .max(limits.bookingItemsMax)
    .meta({ description: 'What is booked, all or none; what is asked for the same slot counts together.' }),
  mode: reservationModeSchema.default('confirm').meta({
    description:
      '`confirm` (the default) takes the units for good as soon as all slots have them; `hold` until `expires_at`, to be confirmed before.',
  }),
  hold_ttl_seconds: holdTtlSchema.optional().meta({
    description:
      'How long a hold lasts, seconds, from when all slots have it. Only with `mode: hold`. Default: 600.',
  }),
  idempotency_key: idempotencyKey,
})
export type BookRequest = z.infer<typeof bookRequestSchema>

export const confirmBookingRequestSchema = z.strictObject({
  user_id: asUser,
  idempotency_key: idempotencyKey,
})
export type ConfirmBookingRequest = z.infer<typeof confirmBookingRequestSchema>

export const createSlotRequestSchema = z.strictObject({
  id: slotIdSchema.optional().meta({
    description: "The client's choice. Default: a new one, or one that follows from the idempotency key.",
  }),
  name: nameSchema.meta({ description: 'For people: 1–200 printable characters.' }),
  start_time: timeSchema.meta({
    description: 'RFC 3339 with an offset. Lists are in its order; it does not end sales.',
  }),
  end_time: timeSchema.meta({ description: 'RFC 3339 with an offset, after `start_time`.' }),
  capacity: capacitySchema.meta({ description: 'Units that there are.' }),
  overbooking_bps: overbookingSchema.default(0).meta({
    description:
      'Units sold beyond the capacity, in basis points of it, rounded down: 1000 is 10 %. Default: 0.',
  }),
  hold_ttl_seconds: holdTtlSchema.nullable().default(null).meta({
    description:
      'Reservations that do not say otherwise are holds of this many seconds. Default: null, they are confirmed at once.',
  }),
  max_per_user: maxPerUserSchema.nullable().default(null).meta({
    description:
      'Units that one user may hold, have confirmed and wait for, together. Default: null, no limit.',
  }),
  waitlist: z
    .boolean()
    .default(false)
    .meta({ description: 'Whether one can wait in line for units. Default: false.' }),
  sales_open_at: timeSchema
    .nullable()
    .default(null)
    .meta({ description: 'RFC 3339 with an offset: nothing is sold before. Default: null, sales are open.' }),
  sales_close_at: timeSchema.nullable().default(null).meta({
    description:
      'RFC 3339 with an offset: nothing is sold from then on; holds can still be confirmed. Default: null, never.',
  }),
  metadata: metadataSchema.optional().meta({
    description:
      'Whatever the client wants to keep with it: an object of at most 4 KiB of JSON, nested at most 8 levels deep.',
  }),
  idempotency_key: idempotencyKey,
})
export type CreateSlotRequest = z.infer<typeof createSlotRequestSchema>

export const updateSlotRequestSchema = z.strictObject({
  name: nameSchema.optional().meta({ description: 'For people: 1–200 printable characters.' }),
  capacity: capacitySchema.optional().meta({
    description: 'Units that there are; with the overbooking not below what is held and confirmed.',
  }),
  overbooking_bps: overbookingSchema.optional().meta({
    description: 'Units sold beyond the capacity, in basis points of it, rounded down: 1000 is 10 %.',
  }),
  status: z
    .enum(['open', 'closed'])
    .optional()
    .meta({ description: '`closed` sells nothing; what is held can still be confirmed.' }),
  idempotency_key: idempotencyKey,
})
export type UpdateSlotRequest = z.infer<typeof updateSlotRequestSchema>

export const slotParamsSchema = z.strictObject({ id: slotIdSchema.meta({ description: 'Of the slot.' }) })
export type SlotParams = z.infer<typeof slotParamsSchema>

export const reservationParamsSchema = z.strictObject({
  id: reservationIdSchema.meta({ description: 'Of the reservation.' }),
})
export type ReservationParams = z.infer<typeof reservationParamsSchema>

export const bookingParamsSchema = z.strictObject({
  id: bookingIdSchema.meta({ description: 'Of the booking.' }),
})
export type BookingParams = z.infer<typeof bookingParamsSchema>

export const userParamsSchema = z.strictObject({
  user_id: userIdSchema.meta({ description: 'Whose reservations.' }),
})
export type UserParams = z.infer<typeof userParamsSchema>

const integerText = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))

const booleanText = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .pipe(z.boolean())

const cursorText = z.string().min(1).max(512)

const pageQuery = {
  limit: integerText(1, limits.pageItemsMax).optional().meta({ description: 'Items per page. Default: 50.' }),
  cursor: cursorText.optional().meta({ description: 'The `next_cursor` of the page before.' }),
}

export const slotsQuerySchema = z.strictObject({
  from: timeSchema
    .optional()
    .meta({ description: 'Slots that start at or after this time, RFC 3339 with an offset.' }),
  to: timeSchema
    .optional()
    .meta({ description: 'Slots that start before this time, RFC 3339 with an offset.' }),
  available: booleanText
    .optional()
    .meta({ description: '`true`: only slots with units left; `false`: only those without.' }),
  ...pageQuery,
})
export type SlotsQuery = z.infer<typeof slotsQuerySchema>

export const slotQuerySchema = z.strictObject({
  min_version: integerText(0, Number.MAX_SAFE_INTEGER).optional().meta({
    description:
      'Waits up to a second for this version of the slot (read your own writes: the `slot_version` of a reservation), else 412.',
  }),
})
export type SlotQuery = z.infer<typeof slotQuerySchema>

/** Also of a booking. */
export const reservationQuerySchema = z.strictObject({
  cursor: cursorText
    .optional()
    .meta({ description: 'Of the 202: makes the answer exact while the command is not decided.' }),
  wait: integerText(1, limits.waitSecondsMax)
    .optional()
    .meta({ description: 'Wait up to so many seconds for the decision.' }),
})
export type ReservationQuery = z.infer<typeof reservationQuerySchema>

export const slotReservationsQuerySchema = z.strictObject({
  status: z.enum(reservationStatuses).optional().meta({ description: 'Only those that are so now.' }),
  ...pageQuery,
})
export type SlotReservationsQuery = z.infer<typeof slotReservationsQuerySchema>

export const userReservationsQuerySchema = z.strictObject(pageQuery)
export type UserReservationsQuery = z.infer<typeof userReservationsQuerySchema>
