/** What is written to `reservations.commands`. Old records are read for as long as the topic keeps them. */
import { z } from 'zod'
import {
  bookingIdSchema,
  capacitySchema,
  commandIdSchema,
  holdTtlSchema,
  keepDaysSchema,
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

/** A worker halts a partition on a newer version than its own: a rolling deploy must not discard work. */
export const COMMAND_SCHEMA_VERSION = 2

/** What every command has. Version 1 knew no holds; its records are read as they are. */
export const commandEnvelope = {
  v: z.literal([1, COMMAND_SCHEMA_VERSION]),
  /** The command's id; what a create makes has this id. */
  id: commandIdSchema,
  /** Where a client waits for the decision: of `replyAddress`. */
  reply_to: z.string().max(64).optional(),
}

/** Present when the client sent an Idempotency-Key: the hash of the request it stands for. */
export const bodyHashSchema = z.string().regex(/^[0-9a-f]{32}$/)
const bodyHash = bodyHashSchema.optional()

/** Who asks, where that is known: what belongs to somebody else then reads as unknown. */
const caller = userIdSchema.optional()

const timeOrNull = timeSchema.nullable()

export const reserveCommandSchema = z.strictObject({
  ...commandEnvelope,
  id: reservationIdSchema,
  type: z.literal('reserve'),
  slot_id: slotIdSchema,
  user_id: userIdSchema,
  quantity: quantitySchema,
  /** Absent: a hold where the slot has a `hold_ttl_seconds`, else a confirmation. */
  mode: reservationModeSchema.optional(),
  hold_ttl_seconds: holdTtlSchema.optional(),
  join_waitlist: z.boolean().optional(),
  /** The hold of a booking: it has no end of its own, and only that booking confirms or cancels it. */
  booking_id: bookingIdSchema.optional(),
  metadata: metadataSchema.optional(),
  body_hash: bodyHash,
})

export const confirmCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('confirm'),
  reservation_id: reservationIdSchema,
  late: lateSchema.optional(),
  caller,
  booking_id: bookingIdSchema.optional(),
  body_hash: bodyHash,
})

export const cancelCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('cancel'),
  reservation_id: reservationIdSchema,
  caller,
  booking_id: bookingIdSchema.optional(),
})

export const createSlotCommandSchema = z.strictObject({
  ...commandEnvelope,
  id: slotIdSchema,
  type: z.literal('create_slot'),
  name: nameSchema,
  start_time: timeSchema,
  end_time: timeSchema,
  capacity: capacitySchema,
  overbooking_bps: overbookingSchema,
  hold_ttl_seconds: holdTtlSchema.nullable().default(null),
  max_per_user: maxPerUserSchema.nullable().default(null),
  waitlist: z.boolean().default(false),
  sales_open_at: timeOrNull,
  sales_close_at: timeOrNull,
  metadata: metadataSchema.optional(),
  /** Always present: the same id with another body is refused. */
  body_hash: bodyHashSchema,
})

export const updateSlotCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('update_slot'),
  slot_id: slotIdSchema,
  name: nameSchema.optional(),
  capacity: capacitySchema.optional(),
  overbooking_bps: overbookingSchema.optional(),
  status: z.enum(['open', 'closed']).optional(),
  body_hash: bodyHash,
})

/** Time has passed: what is due at the slot is done. The writer sends it to itself. */
export const wakeSlotCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('wake_slot'),
  slot_id: slotIdSchema,
})

/** Takes the person out of reservations: the id is replaced, metadata dropped, in state and ledger. */
export const erasePersonCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('erase_person'),
  slot_id: slotIdSchema,
  reservation_ids: z.array(reservationIdSchema).min(1).max(limits.erasedPerCommandMax),
  user_id: userIdSchema,
  pseudonym: userIdSchema,
})

/** Removes a slot that ended at least `keep_days` ago, with its reservations and its ledger. */
export const retireSlotCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('retire_slot'),
  slot_id: slotIdSchema,
  keep_days: keepDaysSchema,
})

export const reservationCommandSchema = z.discriminatedUnion('type', [
  reserveCommandSchema,
  confirmCommandSchema,
  cancelCommandSchema,
  createSlotCommandSchema,
  updateSlotCommandSchema,
  wakeSlotCommandSchema,
  erasePersonCommandSchema,
  retireSlotCommandSchema,
])

export type ReserveCommand = z.infer<typeof reserveCommandSchema>
export type ConfirmCommand = z.infer<typeof confirmCommandSchema>
export type CancelCommand = z.infer<typeof cancelCommandSchema>
export type CreateSlotCommand = z.infer<typeof createSlotCommandSchema>
export type UpdateSlotCommand = z.infer<typeof updateSlotCommandSchema>
export type ErasePersonCommand = z.infer<typeof erasePersonCommandSchema>
export type RetireSlotCommand = z.infer<typeof retireSlotCommandSchema>
export type ReservationCommand = z.infer<typeof reservationCommandSchema>
