import { z } from 'zod'
import {
  bookingDocumentSchema,
  type CommandOutcome,
  rejectionCodes,
  reservationDocumentSchema,
  slotDocumentSchema,
} from './documents.ts'

const outcome = z.object({
  code: z.enum(['ok', ...rejectionCodes]),
  detail: z.string().optional(),
  reservation: reservationDocumentSchema.optional(),
  slot: slotDocumentSchema.optional(),
  booking: bookingDocumentSchema.optional(),
  body_hash: z.string().optional(),
})

/** A remembered or replied outcome, read back from JSON. Throws on anything else. */
export function readOutcome(json: unknown): CommandOutcome {
  const { code, detail, reservation, slot, booking, body_hash } = outcome.parse(json)
  return {
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(reservation === undefined ? {} : { reservation }),
    ...(slot === undefined ? {} : { slot }),
    ...(booking === undefined ? {} : { booking }),
    ...(body_hash === undefined ? {} : { body_hash }),
  }
}
