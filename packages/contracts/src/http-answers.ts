/** What HTTP clients get, beside the documents. */
import { z } from 'zod'
import { bookingDocumentSchema, reservationDocumentSchema, slotDocumentSchema } from './documents.ts'
import { bookingIdSchema, reservationIdSchema, slotIdSchema } from './fields.ts'

/** How many commands lie before this one, and an estimate of when it is decided; null while neither is known. */
export const queueSchema = z.object({
  position: z
    .int()
    .min(0)
    .nullable()
    .meta({ description: 'Commands that lie before this one; null while that is not known.' }),
  eta_ms: z.int().min(0).nullable().meta({
    description: 'An estimate of when it is decided, milliseconds from now; null while there is none.',
  }),
})
export type Queue = z.infer<typeof queueSchema>

const accepted = {
  status: z.literal('pending').meta({ description: 'Durable in the log, and not decided yet.' }),
  created_at: z
    .string()
    .meta({ description: 'The time the log gave the command. RFC 3339, UTC, milliseconds.' }),
  message: z.string().meta({ description: 'For people.' }),
  queue: queueSchema.meta({ description: 'Where the command stands.' }),
  cursor: z.string().meta({
    description: 'The place of the command, sealed: give it to the GET of this id, for an exact answer.',
  }),
}

export const acceptedReservationSchema = z.object({
  id: reservationIdSchema.meta({ description: 'Of the reservation to be.' }),
  slot_id: slotIdSchema.meta({ description: 'As it was asked.' }),
  user_id: z.string().meta({ description: 'As it was asked.' }),
  quantity: z.int().meta({ description: 'Units, as it was asked.' }),
  ...accepted,
})
export type AcceptedReservation = z.infer<typeof acceptedReservationSchema>

export const acceptedBookingSchema = z.object({
  id: bookingIdSchema.meta({ description: 'Of the booking to be.' }),
  user_id: z.string().meta({ description: 'As it was asked.' }),
  items: bookingDocumentSchema.shape.items.meta({ description: 'As it was asked, one item per slot.' }),
  ...accepted,
})
export type AcceptedBooking = z.infer<typeof acceptedBookingSchema>

/** A command about something whose content is not in the request: a slot, a cancellation. */
export const acceptedCommandSchema = z.object({
  id: z.string().meta({ description: 'What the command is about.' }),
  ...accepted,
})
export type AcceptedCommand = z.infer<typeof acceptedCommandSchema>

export const problemSchema = z.object({
  type: z.string().meta({ description: '`/problems/` and the code.' }),
  title: z.string().meta({ description: 'The problem in general, for people.' }),
  status: z.int().meta({ description: 'The status of the answer.' }),
  detail: z.string().optional().meta({ description: 'This case of it, and what to do, for people.' }),
  instance: z.string().optional().meta({ description: 'The path of the request.' }),
  code: z.string().meta({ description: 'One of the closed list of docs/errors.md, for programs.' }),
  request_id: z
    .string()
    .optional()
    .meta({ description: 'Of this request: report it, and it is found in the logs.' }),
  id: z.string().optional().meta({ description: 'What the problem is about, where it has an id.' }),
  failed_slot_id: slotIdSchema
    .optional()
    .meta({ description: 'Of a booking: the slot that could not be had.' }),
  idempotency_key: z.string().optional().meta({
    description:
      'With `outcome-unknown`: repeat the request with this key, and it takes effect at most once.',
  }),
  errors: z
    .array(
      z.object({
        in: z.enum(['body', 'path', 'query', 'header']).meta({ description: 'The part of the request.' }),
        pointer: z.string().meta({ description: 'A JSON pointer (RFC 6901) into it.' }),
        detail: z.string().meta({ description: 'What is wrong there.' }),
      }),
    )
    .optional()
    .meta({ description: 'Where the request is wrong.' }),
})
export type ProblemDocument = z.infer<typeof problemSchema>

export const reserveBatchAnswerSchema = z.object({
  items: z
    .array(
      z.union([
        z.object({
          id: reservationIdSchema.meta({ description: 'Of the reservation to be.' }),
          status: accepted.status,
          cursor: accepted.cursor,
        }),
        z.object({ error: problemSchema.meta({ description: 'Why this item was refused.' }) }),
      ]),
    )
    .meta({ description: 'One answer per item, in order.' }),
})
export type ReserveBatchAnswer = z.infer<typeof reserveBatchAnswerSchema>

export const slotSnapshotSchema = slotDocumentSchema.extend({
  from_cache: z.boolean().meta({ description: 'Whether it was served without asking the store.' }),
  stale: z.boolean().meta({ description: 'Whether it may be old because the store could not be asked.' }),
})

export const slotPageSchema = z.object({
  items: z.array(slotDocumentSchema).meta({
    description:
      'Slots by start time; may be fewer than `limit`, even none, on any page: those that just stopped fitting the filter are left out.',
  }),
  next_cursor: z.string().nullable().meta({ description: 'For the next page; null on the last one.' }),
  stale: z
    .boolean()
    .meta({ description: 'Whether it may be old because the store could not be asked; `Age` says how old.' }),
})

export const reservationPageSchema = z.object({
  items: z.array(reservationDocumentSchema).meta({ description: 'Reservations.' }),
  next_cursor: z.string().nullable().meta({ description: 'For the next page; null on the last one.' }),
})

/** Recomputed from the ledger, never from counters. */
export const auditDocumentSchema = z.object({
  capacity: z.int().meta({ description: 'Units that there are.' }),
  held: z.int().meta({ description: 'Units held.' }),
  confirmed: z.int().meta({ description: 'Units confirmed.' }),
  available: z.int().meta({ description: 'Units left.' }),
  version: z.int().meta({ description: 'The version of the slot that was audited.' }),
  ledger_events: z.int().meta({ description: 'Events that were added up.' }),
  balanced: z.boolean().meta({ description: 'Whether the ledger and the slot say the same.' }),
})
export type AuditDocument = z.infer<typeof auditDocumentSchema>

/** Not decided yet, or (`failed`) never to be decided as it stands: the command is among the dead letters. */
export const undecidedReservationSchema = z.object({
  id: reservationIdSchema.meta({ description: 'What was asked for.' }),
  status: z.enum(['pending', 'failed']).meta({
    description:
      '`pending`: not decided yet; `failed`: never to be decided as it stands, an operator has to look.',
  }),
  queue: queueSchema.optional().meta({ description: 'Where its command stands.' }),
})

const openChange = queueSchema
  .optional()
  .meta({ description: 'While a change to it is not decided: where that stands.' })

export const reservationAnswerSchema = z.union([
  reservationDocumentSchema.extend({ queue: openChange }),
  undecidedReservationSchema,
])

export const undecidedBookingSchema = z.object({
  id: bookingIdSchema.meta({ description: 'What was asked for.' }),
  status: z.enum(['pending', 'failed']).meta({
    description:
      '`pending`: not decided yet; `failed`: never to be decided as it stands, an operator has to look.',
  }),
  queue: queueSchema.optional().meta({ description: 'Where its command stands.' }),
})

export const bookingAnswerSchema = z.union([
  bookingDocumentSchema.extend({ queue: openChange }),
  undecidedBookingSchema,
])

const dependencyState = z.enum(['up', 'degraded', 'down']).meta({ description: 'Whether it answers.' })

export const healthSchema = z.object({
  status: dependencyState.meta({
    description:
      '`down`: neither reads nor writes can be answered, or it is shutting down; `degraded`: something is missing.',
  }),
  reads: dependencyState.meta({ description: 'Whether reads can be answered now.' }),
  writes: dependencyState.meta({ description: 'Whether commands can be accepted now.' }),
  dependencies: z
    .object({ postgres: dependencyState, redis: dependencyState, kafka: dependencyState })
    .meta({ description: 'The last known state of each.' }),
})
export type HealthDocument = z.infer<typeof healthSchema>
