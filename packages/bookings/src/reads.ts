/** What readers ask the store, one statement each. `run` is the caller's connection: nothing here knows Postgres. */
import { type BookingDocument, type BookingId, bookingIdSchema } from '@ironsys/contracts'
import type { Statement } from '@ironsys/sql'
import { bookingDocument } from './documents.ts'
import { bookingColumns, bookingFromRow } from './rows.ts'

export type RunStatement = (statement: Statement) => Promise<readonly Readonly<Record<string, unknown>>[]>

export type BookingReads = ReturnType<typeof createBookingReads>

export function createBookingReads(run: RunStatement) {
  return {
    /** `bodyHash` is of the request that it was made by; null without an idempotency key. */
    booking: async (
      id: string,
    ): Promise<{ readonly document: BookingDocument; readonly bodyHash: string | null } | null> => {
      const text = `SELECT row_to_json(h) AS booking FROM (SELECT ${bookingColumns} FROM bookings b WHERE b.id = $1) h`
      const [row] = await run({ name: 'booking', text, values: [id] })
      if (row === undefined) return null
      const booking = bookingFromRow(row.booking)
      return { document: bookingDocument(booking), bodyHash: booking.bodyHash }
    },
    /** Ids of a user's bookings in their order, at most `limit` of those behind `after`. For erasure. */
    bookingsOfUser: async (
      userId: string,
      limit: number,
      after: string = FIRST_ID,
    ): Promise<readonly BookingId[]> => {
      const text = 'SELECT id FROM bookings WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3'
      const rows = await run({ name: 'bookings-of-user', text, values: [userId, after, limit] })
      return rows.map((row) => bookingIdSchema.parse(row.id))
    },
  }
}

/** No booking has it, and none lies before it. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000'
