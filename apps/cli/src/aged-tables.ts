/**
 * Removes what belongs to nobody's state and is only kept for a time: remembered outcomes and empty months of the ledger
 * as whole partitions, resolved dead letters row by row.
 *
 * Invariants:
 * 1. An outcome and a dead letter are kept at least as long as the record in the log that they are the answer to.
 * 2. Of the ledger, which is a slot's for as long as the slot is there, only months without any row are removed.
 * 3. A partition is dropped under a lock that is waited for {@link LOCK_TIMEOUT_MS} at most, since writers queue behind it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { LogSource } from '@ironsys/audit'
import { commandTopics, limits, topicSettings } from '@ironsys/contracts'
import { inTransaction, isServerError, type Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { queryRows } from './deployment.ts'

export interface AgedLimits {
  /** Outcomes remembered before this are in nobody's way, Unix ms. */
  readonly outcomesBeforeMs: number
  /** Of dead letters: resolved before this, Unix ms. */
  readonly lettersBeforeMs: number
  /** The oldest record that the log still has, Unix ms. */
  readonly oldestRecordMs: number
  /** Months of the ledger that end before this may go, Unix ms. */
  readonly ledgerBeforeMs: number
}

export interface AgedTables {
  /** Partitions of `applied_commands`, by name. */
  readonly outcomePartitions: readonly string[]
  /** Rows of its default partition. */
  readonly strayOutcomes: number
  readonly deadLetters: number
  /** Partitions of `slot_ledger` without a row. */
  readonly ledgerPartitions: readonly string[]
}

export interface Removed extends AgedTables {
  /** Partitions that were in use all the time: the next run finds them again. */
  readonly inUse: readonly string[]
}

const DAY_MS = 24 * 3600 * 1000
const ROWS_AT_ONCE = 1_000
const LOCK_TIMEOUT_MS = 200
const DROP_TRIES = 5
const DROP_PAUSE_MS = 500
/** SQLSTATE of a lock, and of a statement, that took too long. */
const TOO_LONG = ['55P03', '57014']
/** SQLSTATE of a table that another run has dropped meanwhile. */
const GONE = '42P01'

/** How long outcomes are remembered, days: above the commands' own time in the log. */
export const outcomeDays = Math.max(
  limits.keepDaysMin,
  Math.ceil(Number(topicSettings['retention.ms'] ?? 0) / DAY_MS) + 1,
)

/** By the database's clock. Throws LogUnavailableError. */
export async function agedLimits(pool: Pool, log: LogSource, keepDays: number): Promise<AgedLimits> {
  const [now] = await queryRows(
    pool,
    'aged-now',
    'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now_ms',
  )
  const nowMs = Math.floor(z.object({ now_ms: z.coerce.number() }).parse(now).now_ms)
  const oldestRecordMs = await oldestRecord(log, nowMs)
  const daysAgo = (days: number) => nowMs - days * DAY_MS
  return {
    // Kafka removes whole segments of the log, so that a record may stay for longer than it has to.
    outcomesBeforeMs: Math.min(daysAgo(outcomeDays), oldestRecordMs),
    lettersBeforeMs: daysAgo(keepDays),
    oldestRecordMs,
    ledgerBeforeMs: daysAgo(keepDays),
  }
}

/** What {@link removeAged} would remove. */
export async function countAged(pool: Pool, limitsOf: AgedLimits): Promise<AgedTables> {
  const count = async (name: string, from: string, times: readonly number[]) => {
    const [row] = await queryRows(pool, name, `SELECT count(*) FROM ${from}`, times.map(timeText))
    return z.object({ count: z.coerce.number() }).parse(row).count
  }
  return {
    outcomePartitions: await partitionsBefore(pool, 'applied_commands', limitsOf.outcomesBeforeMs),
    strayOutcomes: await count('aged-strays', strayOutcomes, [limitsOf.outcomesBeforeMs]),
    deadLetters: await count('aged-letters', agedLetters, [
      limitsOf.lettersBeforeMs,
      limitsOf.oldestRecordMs,
    ]),
    ledgerPartitions: await emptyMonths(pool, limitsOf.ledgerBeforeMs),
  }
}

/** Safe to run again, and twice at once. */
export async function removeAged(pool: Pool, limitsOf: AgedLimits): Promise<Removed> {
  const { outcomesBeforeMs, lettersBeforeMs, oldestRecordMs, ledgerBeforeMs } = limitsOf
  const inUse: string[] = []
  const drop = async (names: readonly string[], parent: string) => {
    const dropped: string[] = []
    for (const name of names) ((await dropPartition(pool, parent, name)) ? dropped : inUse).push(name)
    return dropped
  }
  return {
    outcomePartitions: await drop(
      await partitionsBefore(pool, 'applied_commands', outcomesBeforeMs),
      'applied_commands',
    ),
    strayOutcomes: await removeRows(pool, 'applied_commands_default', strayOutcomes, [outcomesBeforeMs]),
    deadLetters: await removeRows(pool, 'dead_letters', agedLetters, [lettersBeforeMs, oldestRecordMs]),
    ledgerPartitions: await drop(await emptyMonths(pool, ledgerBeforeMs), 'slot_ledger'),
    inUse,
  }
}

const strayOutcomes = 'applied_commands_default WHERE at < $1'
const agedLetters = `dead_letters WHERE status <> 'open' AND resolved_at < $1 AND at < $2`

/** Of all partitions; now where the log is empty. */
async function oldestRecord(log: LogSource, nowMs: number): Promise<number> {
  let oldestMs = nowMs
  for (const topic of commandTopics) {
    const bounds = await log.bounds(topic)
    const firsts = [...bounds].map(([partition, { low, high }]) => {
      return [partition, { from: low, to: Math.min(high, low + 1) }] as const
    })
    await log.read(topic, new Map(firsts), async (_partition, records) => {
      for (const { timeMs } of records) oldestMs = Math.min(oldestMs, timeMs)
    })
  }
  return oldestMs
}

const nameRow = z.object({ name: z.string() })

/** Those that end at `beforeMs` or earlier, the oldest first. The default partition has no end. */
async function partitionsBefore(pool: Pool, parent: string, beforeMs: number): Promise<readonly string[]> {
  const text = `
SELECT name FROM (
  SELECT child.oid::regclass::text AS name,
         (regexp_match(pg_get_expr(child.relpartbound, child.oid), $re$TO \\('([^']+)'\\)$re$))[1]::timestamptz AS upto
    FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = $1::regclass) p
 WHERE upto <= $2::timestamptz ORDER BY upto`
  const rows = await queryRows(pool, 'aged-partitions', text, [parent, timeText(beforeMs)])
  return rows.map((row) => nameRow.parse(row).name)
}

async function emptyMonths(pool: Pool, beforeMs: number): Promise<readonly string[]> {
  const empty: string[] = []
  for (const name of await partitionsBefore(pool, 'slot_ledger', beforeMs)) {
    try {
      const [row] = await queryRows(pool, `aged-${name}`, hasRowText(name))
      if (!hasRow.parse(row).found) empty.push(name)
    } catch (error) {
      if (!isServerError(error) || error.code !== GONE) throw error
    }
  }
  return empty
}

const hasRow = z.object({ found: z.boolean() })

/** `name` is a quoted identifier already. */
function hasRowText(name: string): string {
  return `SELECT EXISTS (SELECT FROM ${name}) AS found`
}

/** True when it is gone; of the ledger only where it is empty still. False where it is in use. */
async function dropPartition(pool: Pool, parent: string, name: string): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      return await inTransaction(pool, async (run) => {
        // Without a name, since none of it is run twice.
        const locally = (text: string) => run({ name: '', text, values: [] })
        await locally(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`)
        await locally(`SET LOCAL statement_timeout = ${LOCK_TIMEOUT_MS * 2}`)
        await locally(`LOCK TABLE ONLY ${parent} IN ACCESS EXCLUSIVE MODE`)
        if (parent === 'slot_ledger' && hasRow.parse((await locally(hasRowText(name)))[0]).found) return false
        await locally(`DROP TABLE ${name}`)
        return true
      })
    } catch (error) {
      if (!isServerError(error)) throw error
      if (error.code === GONE) return true
      if (!TOO_LONG.includes(error.code)) throw error
      if (tries === DROP_TRIES) return false
    }
    await delay(DROP_PAUSE_MS)
  }
}

/** In several transactions: none holds many rows. Answers how many went. */
async function removeRows(
  pool: Pool,
  table: string,
  where: string,
  timesMs: readonly number[],
): Promise<number> {
  const text = `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${where} LIMIT ${ROWS_AT_ONCE})) RETURNING 1`
  let removed = 0
  for (;;) {
    const rows = await queryRows(pool, `aged-remove-${table}`, text, timesMs.map(timeText))
    removed += rows.length
    if (rows.length < ROWS_AT_ONCE) return removed
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}
