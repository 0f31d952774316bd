/**
 * The check `outcomes`: every command below the fence was decided, or lies in the dead letters (I2).
 *
 * Order of reading: the fence, the records below it, their outcomes; an outcome is never taken back.
 *
 * A cancel leaves no trace of its own. Its reservation may not be `confirmed` if it was made before: before the
 * cancel's log time, or earlier in the same batch of records. One that was made in the same millisecond in another
 * batch is not judged.
 */
import { topics } from '@ironsys/contracts'
import type { LogRecord } from '@ironsys/engine'
import type { StatementValue } from '@ironsys/postgres'
import { reservationDecider } from '@ironsys/reservations'
import { z } from 'zod'
import type { Query } from './consistent-read.ts'
import { sayer } from './partitions.ts'
import type { Protocol } from './report.ts'

interface Expected {
  readonly offset: number
  /** What has the outcome: the reservation of a reserve or cancel, the slot, the command itself. */
  readonly id: string | null
  readonly kind: 'reserve' | 'cancel' | 'create_slot' | 'update_slot' | 'unreadable'
  readonly timeMs: number
  /** The reserve of a cancel's reservation is earlier in this batch. */
  readonly reservedBefore: boolean
}

const missingSql = `
SELECT c."offset"::text AS "offset"
  FROM unnest($3::bigint[], $4::uuid[], $5::text[], $6::timestamptz[], $7::boolean[]) AS c ("offset", id, kind, at, reserved_before)
 WHERE NOT EXISTS (SELECT FROM dead_letters d WHERE d.topic = $1 AND d.partition = $2 AND d."offset" = c."offset")
   AND CASE c.kind
         WHEN 'reserve' THEN NOT EXISTS (SELECT FROM reservations r WHERE r.id = c.id)
         WHEN 'create_slot' THEN NOT EXISTS (SELECT FROM slots s WHERE s.id = c.id)
         WHEN 'update_slot' THEN NOT EXISTS (SELECT FROM applied_commands a WHERE a.command_id = c.id)
         WHEN 'cancel' THEN EXISTS (
           SELECT FROM reservations r WHERE r.id = c.id AND r.status = 'confirmed'
              AND (r.created_at < c.at OR (c.reserved_before AND r.created_at = c.at)))
         ELSE true END
 ORDER BY c."offset"`

const missingRows = z.array(z.object({ offset: z.coerce.number() }))

/** Looks up the outcomes of records of one partition, in the order of their offsets. */
export async function checkOutcomes(
  query: Query,
  partition: number,
  records: readonly LogRecord[],
  protocol: Protocol,
): Promise<void> {
  const expected = expectedOf(records, protocol)
  const column = (value: (each: Expected) => StatementValue): StatementValue => {
    const values = expected.map(value)
    return `{${values.map((each) => each ?? 'NULL').join()}}`
  }
  const rows = await query(missingSql, [
    topics.reservationCommands,
    partition,
    column(({ offset }) => offset),
    column(({ id }) => id),
    column(({ kind }) => kind),
    column(({ timeMs }) => new Date(timeMs).toISOString()),
    column(({ reservedBefore }) => String(reservedBefore)),
  ])
  protocol.count('outcomes', expected.length)
  const say = sayer('outcomes', partition, protocol)
  const byOffset = new Map(expected.map((each) => [each.offset, each]))
  for (const { offset } of missingRows.parse(rows)) {
    const missing = byOffset.get(offset)
    if (missing !== undefined) say(`offset ${offset}: ${described(missing)}`)
  }
}

function expectedOf(records: readonly LogRecord[], protocol: Protocol): readonly Expected[] {
  const reserved = new Set<string>()
  return records.flatMap((record) => expectationOf(record, reserved, protocol) ?? [])
}

/** Null for a record that only a newer program can read. */
function expectationOf(record: LogRecord, reserved: Set<string>, protocol: Protocol): Expected | null {
  const command = reservationDecider.parse(record.value)
  const at = { offset: record.offset, timeMs: record.timeMs, reservedBefore: false }
  if ('unreadable' in command) {
    if (command.unreadable === 'malformed') return { ...at, id: command.commandId, kind: 'unreadable' }
    protocol.skip('outcomes', `a command has a newer schema than this program: ${command.detail}`)
    return null
  }
  switch (command.type) {
    case 'reserve':
      reserved.add(command.id)
      return { ...at, id: command.id, kind: command.type }
    case 'cancel': {
      const id = command.reservation_id
      return { ...at, id, kind: command.type, reservedBefore: reserved.has(id) }
    }
    case 'create_slot':
    case 'update_slot':
      return { ...at, id: command.id, kind: command.type }
  }
}

function described({ kind, id }: Expected): string {
  switch (kind) {
    case 'reserve':
      return `reservation ${id} was accepted, but has no outcome: no reservation, no dead letter`
    case 'create_slot':
      return `slot ${id} was accepted, but has no outcome: no slot, no dead letter`
    case 'update_slot':
      return `change ${id} of a slot was accepted, but has no outcome: neither remembered nor a dead letter`
    case 'cancel':
      return `reservation ${id} was cancelled, but is confirmed`
    case 'unreadable':
      return 'the record cannot be read, but is no dead letter'
  }
}
