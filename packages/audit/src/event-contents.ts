/**
 * Of the check `events`: what an event of reservations says was decided, against the ledger. An event leaves after its
 * commit, so that the ledger, read later, has it. Not judged are events that took no version, and those of a slot that was
 * retired since, or of another before it under the same id.
 */
import type { LogRecord } from '@ironsys/engine'
import { z } from 'zod'
import type { Query } from './consistent-read.ts'

const envelope = z.object({
  seq: z.int(),
  type: z.string(),
  slot_id: z.uuid(),
  version: z.int(),
  at: z.iso.datetime(),
  reservation_id: z.uuid().optional(),
})

/** Take no version, or (an erasure) not always. */
const versionless = [
  'reservation_rejected',
  'late_confirmation_refused',
  'reservation_erased',
  'slot_retired',
]

const differentSql = `
SELECT e."offset", e.seq, e.type, e.version, e.slot_id, l.type AS ledger_type
  FROM json_to_recordset($1::json) AS e ("offset" bigint, seq bigint, type text, version bigint, slot_id uuid, reservation_id uuid,
         at timestamptz)
  JOIN slots s ON s.id = e.slot_id AND s.created_at <= e.at
  LEFT JOIN LATERAL (SELECT * FROM slot_ledger WHERE slot_id = e.slot_id AND version = e.version LIMIT 1) l ON true
 WHERE l.type IS DISTINCT FROM e.type OR l.reservation_id IS DISTINCT FROM e.reservation_id OR l.at <> e.at
 ORDER BY e."offset"`

const differentRows = z.array(
  z.object({
    ...{ offset: z.coerce.number(), seq: z.coerce.number(), type: z.string(), version: z.coerce.number() },
    ...{ slot_id: z.string(), ledger_type: z.string().nullable() },
  }),
)

/** What is wrong with the contents of records of one partition of `reservations.events`, in the order of their offsets. */
export async function contentFaults(query: Query, records: readonly LogRecord[]): Promise<readonly string[]> {
  const events = records.flatMap(({ offset, value }) => {
    const event = envelope.safeParse(jsonOf(value))
    // One that cannot be read is named for its sequence.
    return event.success && !versionless.includes(event.data.type) ? [{ offset, ...event.data }] : []
  })
  if (events.length === 0) return []
  return differentRows.parse(await query(differentSql, [JSON.stringify(events)])).map((row) => {
    const { offset, seq, type, version, slot_id, ledger_type } = row
    const entry = ledger_type === null ? 'no entry' : `another ${ledger_type}`
    return `offset ${offset} of the events topic: event ${seq} is ${type}, version ${version} of slot ${slot_id}: the ledger has ${entry} there`
  })
}

function jsonOf(value: Buffer | null): unknown {
  try {
    return JSON.parse(String(value))
  } catch {
    return null
  }
}
