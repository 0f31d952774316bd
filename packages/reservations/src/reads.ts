/** What readers ask the store, one statement each. `run` is the caller's connection: nothing here knows Postgres. */
import {
  type AuditDocument,
  auditDocumentSchema,
  type CommandOutcome,
  idRangeOfKey,
  type ReservationDocument,
  type ReservationStatus,
  readOutcome,
  type SlotDocument,
  timeText,
} from '@ironsys/contracts'
import type { PartitionId } from '@ironsys/engine'
import type { Statement, StatementValue } from '@ironsys/sql'
import { z } from 'zod'
import { auditSql } from './audit-sql.ts'
import { reservationDocument, slotDocument } from './documents.ts'
import { reservationColumns, reservationFromRow, slotColumns, slotFromRow } from './rows.ts'
import { positionFromRow, positionSql, type WaitlistPosition } from './waitlist-position.ts'

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
  /** True: only slots with units left; false: only those without. */
  readonly available?: boolean
  readonly limit: number
  readonly after?: SlotPagePosition
}

/** A slot as it was when it was read. */
export interface SlotVersion {
  readonly epoch: number
  readonly version: number
  readonly document: SlotDocument
}

/** In the order of their ids. */
export interface SlotReservationsFilter {
  readonly slotId: string
  readonly status?: ReservationStatus
  readonly limit: number
  /** Only ids behind this one. */
  readonly after?: string
}

export interface UserReservationsFilter {
  readonly userId: string
  readonly limit: number
  readonly after?: UserPagePosition
}

/** Where a page ends, in the order of (created_at, id), the newest first. Times are RFC 3339. */
export interface UserPagePosition {
  readonly createdAt: string
  readonly id: string
}

/** With the hash of its request, where that had an idempotency key and nobody was erased from it. */
export interface StoredReservation {
  readonly document: ReservationDocument
  readonly bodyHash: string | null
}

export type ReservationReads = ReturnType<typeof createReservationReads>

export function createReservationReads(run: RunStatement) {
  return {
    slot: async (id: string): Promise<SlotVersion | null> => {
      const [row] = await run({ name: 'slot', text: slotSql, values: [id] })
      return row === undefined ? null : slotVersion(row.slot)
    },
    slots: async (filter: SlotPageFilter) => {
      const rows = await run(slotsStatement(filter))
      const items = rows.slice(0, filter.limit).map((row) => slotVersion(row.slot))
      const last = items.at(-1)?.document
      const more = rows.length > filter.limit && last !== undefined
      return { items, next: more ? { startTime: last.start_time, id: last.id } : null }
    },
    reservation: async (id: string): Promise<StoredReservation | null> => {
      const [row] = await run({ name: 'reservation', text: reservationSql, values: [id] })
      if (row === undefined) return null
      const reservation = reservationFromRow(row.reservation)
      return { document: reservationDocument(reservation), bodyHash: reservation.bodyHash }
    },
    /** Null for one that does not wait. */
    waitlistPosition: async (id: string): Promise<WaitlistPosition | null> => {
      const [row] = await run({ name: 'waitlist-position', text: positionSql, values: [id] })
      return row === undefined ? null : positionFromRow(row)
    },
    /** Null where there is no such slot. */
    reservationsOfSlot: async (filter: SlotReservationsFilter) => {
      const [row] = await run(slotReservationsStatement(filter))
      const { known, reservations } = slotReservations.parse(row)
      if (!known) return null
      const items = reservations.slice(0, filter.limit).map(documentFromRow)
      return { items, next: reservations.length > filter.limit ? (items.at(-1)?.id ?? null) : null }
    },
    reservationsOfUser: async (filter: UserReservationsFilter) => {
      const rows = await run(userReservationsStatement(filter))
      const found = rows.slice(0, filter.limit).map((row) => reservationFromRow(row.reservation))
      const last = found.at(-1)
      const more = rows.length > filter.limit && last !== undefined
      return {
        items: found.map(reservationDocument),
        next: more ? { createdAt: timeText(last.createdMs), id: last.id } : null,
      }
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
    progress: async ({ topic, partition }: PartitionId): Promise<{ nextOffset: number } | null> => {
      const text = 'SELECT next_offset FROM partition_progress WHERE topic = $1 AND partition = $2'
      const [row] = await run({ name: 'progress', text, values: [topic, partition] })
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

function slotVersion(json: unknown): SlotVersion {
  const { slot, epoch } = slotFromRow(json)
  return { epoch, version: slot.version, document: slotDocument(slot) }
}

/**
 * Reads the rows of its page and no others: one index has the order, another one the order among those with and without
 * units left. A filtered page names `has_units` in its order, so that the first index does not have it: it would be walked
 * while the statistics do not know yet that nearly all is sold.
 */
function slotsStatement(filter: SlotPageFilter): Statement {
  const { to, available, limit } = filter
  const { from, after } = lowerBound(filter)
  const values: StatementValue[] = [limit + 1]
  const bind = (value: string): string => `$${values.push(value)}`
  const conditions = [
    ...(from === undefined ? [] : [`start_time >= ${bind(from)}`]),
    ...(to === undefined ? [] : [`start_time < ${bind(to)}`]),
    ...(available === undefined ? [] : [available ? 'has_units' : 'NOT has_units']),
    ...(after === undefined ? [] : [`(start_time, id) > (${bind(after.startTime)}, ${bind(after.id)})`]),
  ]
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const shape = [from !== undefined, to !== undefined, available, after !== undefined].join('-')
  const order = `${available === undefined ? '' : 'slots.has_units, '}slots.start_time, slots.id`
  return {
    name: `slots-${shape}`,
    text: `SELECT row_to_json(s) AS slot FROM (
             SELECT ${slotColumns} FROM slots ${where} ORDER BY ${order} LIMIT $1) s`,
    values,
  }
}

/** Of the two the one that is further on: with both, Postgres starts at the cursor and walks to the window. */
function lowerBound({ from, after }: SlotPageFilter): Pick<SlotPageFilter, 'from' | 'after'> {
  if (from === undefined || after === undefined) return { ...(from && { from }), ...(after && { after }) }
  return Date.parse(after.startTime) < Date.parse(from) ? { from } : { after }
}

/** A slot's reservations are neighbours in the primary key. */
function slotReservationsStatement({ slotId, status, limit, after }: SlotReservationsFilter): Statement {
  const { first, last } = idRangeOfKey(slotId)
  const from = after === undefined ? 'id >= $2' : 'id > $2'
  const ofStatus = status === undefined ? '' : 'AND status = $5'
  return {
    name: `slot-reservations-${after !== undefined}-${status !== undefined}`,
    text: `SELECT EXISTS (SELECT FROM slots WHERE id = $1) AS known, coalesce((SELECT json_agg(r) FROM (
             SELECT ${reservationColumns} FROM reservations
              WHERE ${from} AND id <= $3 AND slot_id = $1 ${ofStatus} ORDER BY id LIMIT $4) r), '[]') AS reservations`,
    values: [slotId, after ?? first, last, limit + 1, ...(status === undefined ? [] : [status])],
  }
}

const slotReservations = z.object({ known: z.boolean(), reservations: z.array(z.unknown()) })

function documentFromRow(json: unknown): ReservationDocument {
  return reservationDocument(reservationFromRow(json))
}

function userReservationsStatement({ userId, limit, after }: UserReservationsFilter): Statement {
  const before = after === undefined ? '' : 'AND (reservations.created_at, id) < ($3, $4)'
  return {
    name: `user-reservations-${after !== undefined}`,
    text: `SELECT row_to_json(r) AS reservation FROM (
             SELECT ${reservationColumns} FROM reservations WHERE user_id = $1 ${before}
              ORDER BY reservations.created_at DESC, id DESC LIMIT $2) r`,
    values: [userId, limit + 1, ...(after === undefined ? [] : [after.createdAt, after.id])],
  }
}
