/** What is written to `reservations.commands`. Old records are read for as long as the topic keeps them. */
import { z } from 'zod'
import {
  capacitySchema,
  commandIdSchema,
  metadataSchema,
  nameSchema,
  overbookingSchema,
  quantitySchema,
  reservationIdSchema,
  slotIdSchema,
  timeSchema,
  userIdSchema,
} from './fields.ts'

/** A worker halts a partition on a newer version than its own: a rolling deploy must not discard work. */
export const COMMAND_SCHEMA_VERSION = 1

const envelope = {
  v: z.literal(COMMAND_SCHEMA_VERSION),
  /** The command's id; what a create makes has this id. */
  id: commandIdSchema,
  /** Where a client waits for the decision: of `replyAddress`. */
  reply_to: z.string().max(64).optional(),
}

/** Present when the client sent an Idempotency-Key: the hash of the request it stands for. */
const bodyHash = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .optional()

const timeOrNull = timeSchema.nullable()

export const reserveCommandSchema = z.strictObject({
  ...envelope,
  id: reservationIdSchema,
  type: z.literal('reserve'),
  slot_id: slotIdSchema,
  user_id: userIdSchema,
  quantity: quantitySchema,
  metadata: metadataSchema.optional(),
  body_hash: bodyHash,
})

export const cancelCommandSchema = z.strictObject({
  ...envelope,
  type: z.literal('cancel'),
  reservation_id: reservationIdSchema,
})

export const createSlotCommandSchema = z.strictObject({
  ...envelope,
  id: slotIdSchema,
  type: z.literal('create_slot'),
  name: nameSchema,
  start_time: timeSchema,
  end_time: timeSchema,
  capacity: capacitySchema,
  overbooking_bps: overbookingSchema,
  sales_open_at: timeOrNull,
  sales_close_at: timeOrNull,
  metadata: metadataSchema.optional(),
  /** Always present: the same id with another body is refused. */
  body_hash: z.string().regex(/^[0-9a-f]{32}$/),
})

export const updateSlotCommandSchema = z.strictObject({
  ...envelope,
  type: z.literal('update_slot'),
  slot_id: slotIdSchema,
  name: nameSchema.optional(),
  capacity: capacitySchema.optional(),
  overbooking_bps: overbookingSchema.optional(),
  status: z.enum(['open', 'closed']).optional(),
  body_hash: bodyHash,
})

export const reservationCommandSchema = z.discriminatedUnion('type', [
  reserveCommandSchema,
  cancelCommandSchema,
  createSlotCommandSchema,
  updateSlotCommandSchema,
])

export type ReserveCommand = z.infer<typeof reserveCommandSchema>
export type CancelCommand = z.infer<typeof cancelCommandSchema>
export type CreateSlotCommand = z.infer<typeof createSlotCommandSchema>
export type UpdateSlotCommand = z.infer<typeof updateSlotCommandSchema>
export type ReservationCommand = z.infer<typeof reservationCommandSchema>
