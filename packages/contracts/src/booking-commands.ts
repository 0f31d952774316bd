/** What is written to `bookings.commands`: what clients ask, and what the slots' writers answer. */
import { z } from 'zod'
import { bodyHashSchema, commandEnvelope } from './commands.ts'
import { rejectionCodes } from './documents.ts'
import {
  bookingIdSchema,
  holdTtlSchema,
  keepDaysSchema,
  limits,
  quantitySchema,
  reservationIdSchema,
  reservationModeSchema,
  slotIdSchema,
  timeSchema,
  userIdSchema,
} from './fields.ts'

const caller = userIdSchema.optional()

export const bookCommandSchema = z.strictObject({
  ...commandEnvelope,
  id: bookingIdSchema,
  type: z.literal('book'),
  user_id: userIdSchema,
  /** One per slot: the edge has summed what was asked for the same slot. */
  items: z
    .array(
      z.strictObject({
        slot_id: slotIdSchema,
        reservation_id: reservationIdSchema,
        quantity: quantitySchema,
      }),
    )
    .min(1)
    .max(limits.bookingItemsMax),
  mode: reservationModeSchema,
  /** Of a booking with `mode: hold`. */
  hold_ttl_seconds: holdTtlSchema.optional(),
  body_hash: bodyHashSchema.optional(),
})

export const confirmBookingCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('confirm_booking'),
  booking_id: bookingIdSchema,
  caller,
})

export const cancelBookingCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('cancel_booking'),
  booking_id: bookingIdSchema,
  caller,
})

/** A slot's writer has decided a booking's reservation. */
export const itemDecidedCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('item_decided'),
  booking_id: bookingIdSchema,
  reservation_id: reservationIdSchema,
  code: z.enum(['held', ...rejectionCodes]),
  /** When the slot is over; null where there is no such slot. */
  slot_end_time: timeSchema.nullable(),
})

/** A slot's writer holds units for a booking that has not said for long what becomes of them. */
export const holdOverdueCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('hold_overdue'),
  booking_id: bookingIdSchema,
  reservation_id: reservationIdSchema,
})

/** Time has passed: the booking's deadline is looked at. The writer sends it to itself. */
export const wakeBookingCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('wake_booking'),
  booking_id: bookingIdSchema,
})

export const eraseBookerCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('erase_booker'),
  booking_id: bookingIdSchema,
  user_id: userIdSchema,
  pseudonym: userIdSchema,
})

/** Removes a booking whose slots all ended at least `keep_days` ago. */
export const retireBookingCommandSchema = z.strictObject({
  ...commandEnvelope,
  type: z.literal('retire_booking'),
  booking_id: bookingIdSchema,
  keep_days: keepDaysSchema,
})

export const bookingCommandSchema = z.discriminatedUnion('type', [
  bookCommandSchema,
  confirmBookingCommandSchema,
  cancelBookingCommandSchema,
  itemDecidedCommandSchema,
  holdOverdueCommandSchema,
  wakeBookingCommandSchema,
  eraseBookerCommandSchema,
  retireBookingCommandSchema,
])

export type BookCommand = z.infer<typeof bookCommandSchema>
export type ConfirmBookingCommand = z.infer<typeof confirmBookingCommandSchema>
export type CancelBookingCommand = z.infer<typeof cancelBookingCommandSchema>
export type ItemDecidedCommand = z.infer<typeof itemDecidedCommandSchema>
export type HoldOverdueCommand = z.infer<typeof holdOverdueCommandSchema>
export type EraseBookerCommand = z.infer<typeof eraseBookerCommandSchema>
export type RetireBookingCommand = z.infer<typeof retireBookingCommandSchema>
export type BookingCommand = z.infer<typeof bookingCommandSchema>
