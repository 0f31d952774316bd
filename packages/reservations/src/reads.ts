/** What readers ask the store, one statement each. `run` is the caller's connection: nothing here knows Postgres. */
import {
  type AuditDocument,
  auditDocumentSchema,
  type CommandOutcome,
  idRangeOfKey,
  type ReservationDocument,
  type SlotDocument,
  topics,
} from '@ironsys/contracts'
import { z } from 'zod'
import { reservationDocument, slotDocument } from './documents.ts'
import { readOutcome } from './outcomes.ts'
import { reservationColumns, reservationFromRow, slotColumns, slotFromRow } from './rows.ts'
import type { Statement, StatementValue } from './statement.ts'

export type RunStatement = (statement: Statement) => Promise<readonly Readonly<Record<string, unknown>>[]>

/** Where a page ends, in the order of (start_time, id). Times are RFC 3339. */
export interface SlotPagePosition {
  readonly startTime: string
  readonly id: string
}

export interface SlotPageFilter {
  /** Starts at or after. */
  readonly from?: string
  /** Starts before. */
  readonly to?: string
  readonly available?: boolean
  readonly limit: number
  readonly after?: SlotPagePosition
}

export type ReservationReads = ReturnType<typeof createReservationReads>

export function createReservationReads(run: RunStatement) {
  return {
    slot: async (id: string): Promise<{ epoch: number; version: number; document: SlotDocument } | null> => {
      const [row] = await run({ name: 'slot', text: slotSql, values: [id] })
      if (row === undefined) return null
      const { slot, epoch } = slotFromRow(row.slot)
      return { epoch, version: slot.version, document: slotDocument(slot) }
    },
    slots: async (filter: SlotPageFilter) => {
      const rows = await run(slotsStatement(filter))
      const items = rows.slice(0, filter.limit).map((row) => slotDocument(slotFromRow(row.slot).slot))
      const last = items.at(-1)
      const more = rows.length > filter.limit && last !== undefined
      return { items, next: more ? { startTime: last.start_time, id: last.id } : null }
    },
    reservation: async (id: string): Promise<ReservationDocument | null> => {
      const [row] = await run({ name: 'reservation', text: reservationSql, values: [id] })
      return row === undefined ? null : reservationDocument(reservationFromRow(row.reservation))
    },
    rememberedOutcome: async (commandId: string): Promise<CommandOutcome | null> => {
      const text = 'SELECT outcome FROM applied_commands WHERE command_id = $1'
      const [row] = await run({ name: 'outcome', text, values: [commandId] })
      return row === undefined ? null : readOutcome(row.outcome)
    },
    failed: async (commandId: string): Promise<boolean> => {
      const text = `SELECT 1 FROM dead_letters WHERE command_id = $1 AND status <> 'redriven' LIMIT 1`
      return (await run({ name: 'failed', text, values: [commandId] })).length > 0
    },
    progress: async (partition: number): Promise<{ nextOffset: number } | null> => {
      const text = 'SELECT next_offset FROM partition_progress WHERE topic = $1 AND partition = $2'
      const [row] = await run({ name: 'progress', text, values: [topics.reservationCommands, partition] })
      return row === undefined ? null : { nextOffset: z.coerce.number().parse(row.next_offset) }
    },
    audit: async (slotId: string): Promise<AuditDocument | null> => {
      const { first, last } = idRangeOfKey(slotId)
      const [row] = await run({ name: 'slot-audit', text: auditSql, values: [slotId, first, last] })
      return row === undefined ? null : auditDocumentSchema.parse(row.audit)
    },
    ping: async (): Promise<void> => {
      await run({ name: 'ping', text: 'SELECT 1', values: [] })
    },
  }
}

const slotSql = `SELECT row_to_json(s) AS slot FROM (SELECT ${slotColumns} FROM slots WHERE id = $1) s`
const reservationSql = `SELECT row_to_json(r) AS reservation FROM (SELECT ${reservationColumns} FROM reservations WHERE id = $1) r`

function slotsStatement({ from, to, available, limit, after }: SlotPageFilter): Statement {
  const values: StatementValue[] = [limit + 1]
  const bind = (value: string): string => `$${values.push(value)}`
  const free = 'held + confirmed < limit_units(capacity, overbooking_bps)'
  const conditions = [
    ...(from === undefined ? [] : [`start_time >= ${bind(from)}`]),
    ...(to === undefined ? [] : [`start_time < ${bind(to)}`]),
    ...(available === undefined ? [] : [available ? free : `NOT (${free})`]),
    ...(after === undefined ? [] : [`(start_time, id) > (${bind(after.startTime)}, ${bind(after.id)})`]),
  ]
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const shape = [from !== undefined, to !== undefined, available, after !== undefined].join('-')
  const columns = slotColumns
  return {
    name: `slots-${shape}`,
    text: `SELECT row_to_json(s) AS slot FROM (
             SELECT ${columns} FROM slots ${where} ORDER BY slots.start_time, slots.id LIMIT $1) s`,
    values,
  }
}

/**
 * Everything from the ledger; `balanced` says that it is gapless, never out of bounds at any version, and that state
 * and reservations agree with it. One statement: one snapshot of the database.
 */
const auditSql = `
WITH entries AS (
  SELECT version, capacity, overbooking_bps,
         sum(held_delta) OVER w AS held, sum(confirmed_delta) OVER w AS confirmed
    FROM slot_ledger WHERE slot_id = $1 WINDOW w AS (ORDER BY version)
), sums AS (
  SELECT count(*) AS events, max(version) AS version, count(DISTINCT version) AS versions,
         bool_and(held >= 0 AND confirmed >= 0 AND held + confirmed <= limit_units(capacity, overbooking_bps)) AS bounded
    FROM entries
), taken AS (
  SELECT coalesce(sum(quantity), 0) AS confirmed
    FROM reservations WHERE id BETWEEN $2 AND $3 AND slot_id = $1 AND status = 'confirmed'
)
SELECT json_build_object(
  'capacity', e.capacity, 'held', e.held, 'confirmed', e.confirmed,
  'available', limit_units(e.capacity, e.overbooking_bps) - e.held - e.confirmed,
  'version', e.version, 'ledger_events', sums.events,
  'balanced', sums.bounded AND sums.events = sums.version AND sums.versions = sums.version
    AND s.version = e.version AND s.held = e.held AND s.confirmed = e.confirmed AND s.capacity = e.capacity
    AND s.overbooking_bps = e.overbooking_bps AND taken.confirmed = e.confirmed) AS audit
  FROM sums JOIN entries e ON e.version = sums.version JOIN slots s ON s.id = $1 CROSS JOIN taken`
