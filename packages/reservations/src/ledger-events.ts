/** The events of the ledger as they are stored: what takes a version, with what older programs did not write yet. */
import { bookingIdSchema, reservationIdSchema, type SlotId, slotIdSchema } from '@ironsys/contracts'
import { z } from 'zod'
import {
  cancelReasons,
  type LateConfirmationRefused,
  type ReservationEvent,
  type ReservationRejected,
  type SlotRetired,
} from './state.ts'

/** A rejection and a late refusal change nothing about the slot; of a slot that is retired no ledger is left. */
export type LedgerEvent = Exclude<
  ReservationEvent,
  ReservationRejected | LateConfirmationRefused | SlotRetired
>

const MAX_DATE_MS = 8.64e15

/** Unix milliseconds that a Date can hold. */
const timeMs = z.int().min(-MAX_DATE_MS).max(MAX_DATE_MS)
const durationMs = z.int().positive()
const metadata = z.record(z.string(), z.unknown()).nullable()
const bodyHash = z.string().regex(/^[0-9a-f]{32}$/)

const slotCreated = z.strictObject({
  type: z.literal('slot_created'),
  rowId: z.null(),
  slot: z.strictObject({
    id: slotIdSchema,
    name: z.string(),
    startMs: timeMs,
    endMs: timeMs,
    capacityUnits: z.int(),
    overbookingBps: z.int(),
    // Three that version 1 of the commands did not know.
    holdTtlMs: durationMs.nullable().default(null),
    maxPerUser: z.int().positive().nullable().default(null),
    hasWaitlist: z.boolean().default(false),
    salesOpenMs: timeMs.nullable(),
    salesCloseMs: timeMs.nullable(),
    metadata,
    bodyHash,
  }),
})

const slotUpdated = z.strictObject({
  type: z.literal('slot_updated'),
  rowId: z.null(),
  name: z.string(),
  status: z.enum(['open', 'closed']),
  capacityUnits: z.int(),
  overbookingBps: z.int(),
})

/** The first decision about a reservation. */
const decided = {
  rowId: reservationIdSchema,
  slotId: slotIdSchema,
  userId: z.string(),
  quantity: z.int().positive(),
  metadata,
  bodyHash: bodyHash.nullable(),
  holdTtlMs: durationMs.nullable(),
  bookingId: bookingIdSchema.nullable(),
  isCounted: z.boolean(),
}

/** A later one. */
const changed = { rowId: reservationIdSchema, quantity: z.int().positive() }

const ledgerEvent = z.discriminatedUnion('type', [
  slotCreated,
  slotUpdated,
  z.strictObject({
    ...decided,
    type: z.literal('reservation_confirmed'),
    // Three that version 1 of the commands did not know.
    holdTtlMs: decided.holdTtlMs.default(null),
    bookingId: decided.bookingId.default(null),
    isCounted: decided.isCounted.default(false),
  }),
  z.strictObject({
    ...decided,
    type: z.literal('reservation_held'),
    expiresMs: timeMs,
    slotEndMs: timeMs.nullable(),
  }),
  z.strictObject({ ...decided, type: z.literal('reservation_waitlisted') }),
  z.strictObject({ ...changed, type: z.literal('hold_confirmed') }),
  z.strictObject({ ...changed, type: z.literal('hold_expired') }),
  z.strictObject({
    ...changed,
    type: z.literal('reservation_cancelled'),
    // Once there was nothing else to cancel, and nobody else to ask for it.
    from: z.enum(['held', 'confirmed', 'waitlisted']).default('confirmed'),
    reason: z.enum(cancelReasons).default('by-request'),
  }),
  z.strictObject({ ...changed, type: z.literal('waiter_promoted'), expiresMs: timeMs }),
  z.strictObject({ ...changed, type: z.literal('expired_reconfirmed') }),
  z.strictObject({ ...changed, type: z.literal('expired_requeued') }),
  z.strictObject({
    ...changed,
    type: z.literal('hold_overdue'),
    bookingId: bookingIdSchema,
    expiresMs: timeMs,
  }),
  z.strictObject({
    type: z.literal('reservation_erased'),
    rowId: reservationIdSchema,
    pseudonym: z.string(),
  }),
])

/** The event of a ledger entry, or what keeps it from being one. */
export function readLedgerEvent(
  json: unknown,
): { readonly event: LedgerEvent } | { readonly unreadable: string } {
  const parsed = ledgerEvent.safeParse(json)
  if (parsed.success) return { event: parsed.data }
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
  return { unreadable: `${where}${issue?.message ?? 'invalid'}` }
}

/** The slot that the event itself names; null where it names none. */
export function slotIdOfEvent(event: LedgerEvent): SlotId | null {
  switch (event.type) {
    case 'slot_created':
      return event.slot.id
    case 'reservation_confirmed':
    case 'reservation_held':
    case 'reservation_waitlisted':
      return event.slotId
    case 'slot_updated':
    case 'hold_confirmed':
    case 'hold_expired':
    case 'reservation_cancelled':
    case 'waiter_promoted':
    case 'expired_reconfirmed':
    case 'expired_requeued':
    case 'hold_overdue':
    case 'reservation_erased':
      return null
  }
}
