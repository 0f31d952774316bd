/** What is said back: to HTTP clients, in replies and in snapshots. Times are RFC 3339, UTC, milliseconds. */
import { z } from 'zod'
import { bookingIdSchema, metadataSchema, reservationIdSchema, slotIdSchema } from './fields.ts'
import { timeText } from './times.ts'

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
  'not-confirmable',
  'hold-expired',
  'refund-required',
  'limit-exceeded',
  'part-of-booking',
  'booking-not-found',
  'booking-timed-out',
  'not-over-yet',
  'idempotency-key-reused',
] as const
export type RejectionCode = (typeof rejectionCodes)[number]

export const reservationStatuses = [
  'held',
  'confirmed',
  'waitlisted',
  'rejected',
  'cancelled',
  'expired',
] as const
export type ReservationStatus = (typeof reservationStatuses)[number]

/** `pending`: the slots are being asked. */
export const bookingStatuses = ['pending', 'held', 'confirmed', 'rejected', 'cancelled', 'expired'] as const
export type BookingStatus = (typeof bookingStatuses)[number]

/** Why a reservation or a booking became what it is, where that is no refusal. */
export const transitionReasons = [
  'by-request',
  'by-booking',
  'units-released',
  'late-confirmation',
  'hold-expired',
] as const
export type TransitionReason = (typeof transitionReasons)[number] | RejectionCode
/** `hold-expired` is in both lists. */
export const transitionReasonSchema = z.enum([...new Set([...transitionReasons, ...rejectionCodes])])

/** A slot as everyone may see it; also the snapshot that reads are served from. */
export const slotDocumentSchema = z.object({
  id: slotIdSchema.meta({ description: 'A UUID.' }),
  name: z.string().meta({ description: 'For people.' }),
  start_time: z.string().meta({ description: 'RFC 3339, UTC, milliseconds.' }),
  end_time: z.string().meta({ description: 'RFC 3339, UTC, milliseconds.' }),
  status: z.enum(['open', 'closed']).meta({ description: '`closed` sells nothing.' }),
  capacity: z.int().meta({ description: 'Units that there are.' }),
  reserved_count: z.int().meta({ description: 'Units held and confirmed.' }),
  held_count: z.int().meta({ description: 'Of these the units held.' }),
  waitlist_count: z.int().meta({ description: 'Reservations in line.' }),
  available: z.int().meta({
    description:
      'Units left: the capacity and its overbooking without what is reserved. Those in line have the first claim to them.',
  }),
  hold_ttl_seconds: z.int().nullable().meta({
    description:
      'Reservations that do not say otherwise are holds of this many seconds; null: they are confirmed at once.',
  }),
  max_per_user: z.int().nullable().meta({
    description: 'Units that one user may hold, have confirmed and wait for, together; null: no limit.',
  }),
  waitlist: z.boolean().meta({ description: 'Whether one can wait in line for units.' }),
  sales_open_at: z
    .string()
    .nullable()
    .meta({ description: 'RFC 3339, UTC, milliseconds. Nothing is sold before; null: sales are open.' }),
  sales_close_at: z
    .string()
    .nullable()
    .meta({ description: 'RFC 3339, UTC, milliseconds. Nothing is sold from then on; null: never.' }),
  metadata: metadataSchema.optional().meta({ description: 'As it was given.' }),
  version: z.int().meta({ description: 'Grows with every change of the slot.' }),
})
export type SlotDocument = z.infer<typeof slotDocumentSchema>

/** What something became, and when. */
export const transitionSchema = <S extends readonly [string, ...string[]]>(statuses: S) =>
  z.object({
    status: z.enum(statuses).meta({ description: 'What it became.' }),
    at: z.string().meta({ description: 'RFC 3339, UTC, milliseconds.' }),
    reason: transitionReasonSchema
      .optional()
      .meta({ description: 'Why, where the status alone does not say it.' }),
  })

/** A transition as the domains know it, with its time in Unix milliseconds, as the outside sees it. */
export function transitionDocument<S extends ReservationStatus | BookingStatus>({
  status,
  atMs,
  reason,
}: {
  readonly status: S
  readonly atMs: number
  readonly reason: TransitionReason | null
}) {
  return { status, at: timeText(atMs), ...(reason === null ? {} : { reason }) }
}

/** Fields of reservations and of bookings. */
const user = z.string().meta({ description: 'For whom; a pseudonym once the person was erased.' })
const rejectionReason = z
  .enum(rejectionCodes)
  .optional()
  .meta({ description: 'Why it was rejected: a code of the problems.' })
const askedAt = z
  .string()
  .meta({ description: 'When it was asked for, by the log. RFC 3339, UTC, milliseconds.' })
const holdEndsAt = z.string().optional().meta({
  description: 'While held: when the hold ends, unless it is confirmed before. RFC 3339, UTC, milliseconds.',
})

/** A decided reservation. */
export const reservationDocumentSchema = z.object({
  id: reservationIdSchema.meta({ description: 'A UUID.' }),
  slot_id: slotIdSchema.meta({ description: 'The slot whose units they are.' }),
  user_id: user,
  quantity: z.int().meta({ description: 'Units.' }),
  status: z.enum(reservationStatuses).meta({
    description:
      'What it is now: `held` and `confirmed` have their units, `waitlisted` is in line, `rejected` never had any, `cancelled` and `expired` have given them back.',
  }),
  reason: rejectionReason,
  created_at: askedAt,
  expires_at: holdEndsAt,
  booking_id: bookingIdSchema
    .optional()
    .meta({ description: 'It belongs to this booking, which alone confirms and cancels it.' }),
  waitlist_position: z
    .int()
    .min(1)
    .optional()
    .meta({ description: 'While waitlisted: its place in line, 1 for the next; beyond 100 an estimate.' }),
  waitlist_position_approximate: z
    .boolean()
    .optional()
    .meta({ description: 'True where the place is an estimate.' }),
  transitions: z
    .array(transitionSchema(reservationStatuses))
    .meta({ description: 'Every status it had, oldest first; of very many the latest.' }),
  slot_version: z.int().meta({
    description:
      "The slot's version at the decision: ask `GET /slots/{id}?min_version=` for it to read your own write.",
  }),
  metadata: metadataSchema.optional().meta({ description: 'As it was given.' }),
})
export type ReservationDocument = z.infer<typeof reservationDocumentSchema>

/** Several slots or none. */
export const bookingDocumentSchema = z.object({
  id: bookingIdSchema.meta({ description: 'A UUID.' }),
  user_id: user,
  status: z
    .enum(bookingStatuses)
    .meta({ description: 'What it is now; `pending`: the slots are being asked.' }),
  reason: rejectionReason,
  failed_slot_id: slotIdSchema
    .optional()
    .meta({ description: 'Of a rejected one: the slot that could not be had.' }),
  items: z
    .array(
      z.object({
        slot_id: slotIdSchema.meta({ description: 'The slot.' }),
        quantity: z.int().meta({ description: 'Units.' }),
        reservation_id: reservationIdSchema.meta({
          description: 'The reservation that has them, at its slot.',
        }),
      }),
    )
    .meta({ description: 'What is booked, one item per slot.' }),
  created_at: askedAt,
  expires_at: holdEndsAt,
  transitions: z
    .array(transitionSchema(bookingStatuses))
    .meta({ description: 'Every status it had, oldest first.' }),
})
export type BookingDocument = z.infer<typeof bookingDocumentSchema>

/** The answer to one command, as replies carry it and `applied_commands` remembers it. */
export interface CommandOutcome {
  readonly code: 'ok' | RejectionCode
  readonly detail?: string
  readonly reservation?: ReservationDocument
  readonly slot?: SlotDocument
  readonly booking?: BookingDocument
  /** Of the remembered request: the same key with another body is refused. */
  readonly body_hash?: string
}
