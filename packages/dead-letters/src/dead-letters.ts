/**
 * Records that could not be applied, and what operators do about them.
 *
 * A letter is `open` until it is `redriven` (its record appended to the log again: a new attempt under the same id) or
 * `discarded`. Both are final; a redriven command that fails again is a new letter.
 *
 * Invariants:
 * 1. A redriven record is in the log before its letter says so. A crash in between leaves the letter open; redriving it
 *    again is harmless, since the writer refuses repeats by id (I3).
 * 2. Who resolves a letter holds its row from before the append to the commit: of two at once, one appends and the other
 *    is told `busy` or `not-open`. Only a database connection lost in that span (by an append that
 *    outlasts the pool's idle-in-transaction timeout, too) can lead to a second append.
 */
import type { CommandAppender } from '@ironsys/engine'
import { inTransaction, type Pool, queryAll, type RunStatement, type StatementValue } from '@ironsys/postgres'
import { z } from 'zod'
import {
  contentColumns,
  contentFromRow,
  type DeadLetter,
  type DeadLetterContent,
  type DeadLetterStatus,
  deadLetterColumns,
  deadLetterFromRow,
  textOf,
} from './dead-letter.ts'

export interface DeadLettersDeps {
  /** With write access; one connection is enough. */
  readonly pool: Pool
  /** Gives up as {@link redriveLimits} says. */
  readonly log: CommandAppender
  /** The partition that a record's key belongs to, by the record's topic; null when the record cannot be read. */
  readonly homePartition: (topic: string, value: Buffer) => number | null
}

export interface DeadLetterFilter {
  readonly status?: DeadLetterStatus | undefined
  readonly code?: DeadLetter['code'] | undefined
  readonly topic?: string | undefined
  readonly partition?: number | undefined
}

export interface DeadLetterPage {
  /** The newest first. */
  readonly items: readonly DeadLetter[]
  /** The `before` of the next page; null on the last one. */
  readonly next: number | null
}

export interface ShownDeadLetter extends DeadLetter, DeadLetterContent {
  /** All letters of the same command, the oldest first, at most {@link CHAIN_MAX}; empty when its id is not known. */
  readonly chain: readonly DeadLetter[]
}

/** Why a letter was left as it was. */
export type Unresolved =
  | { readonly result: 'not-found' }
  /** Somebody else resolves it at this moment. */
  | { readonly result: 'busy' }
  | { readonly result: 'not-open'; readonly status: DeadLetterStatus }

export type Redriven =
  | { readonly result: 'redriven'; readonly letter: DeadLetter; readonly value: Buffer }
  /** It has no value, or one that is not UTF-8: no writer will ever read it as a command. */
  | { readonly result: 'not-text' }
  | Unresolved

export type Discarded = { readonly result: 'discarded'; readonly letter: DeadLetter } | Unresolved

export interface OpenLetters {
  /** The oldest first: the order in which their records failed. At most as many as were asked for. */
  readonly ids: readonly number[]
  /** How many there are in all. */
  readonly total: number
}

/** What needs no log. */
export interface DeadLetterStore {
  /** At most `limit` of those below id `before`. */
  list(filter: DeadLetterFilter, limit: number, before?: number): Promise<DeadLetterPage>
  openIds(filter: Omit<DeadLetterFilter, 'status'>, limit: number): Promise<OpenLetters>
  show(id: number): Promise<ShownDeadLetter | null>
  /** Gives it up: its id goes on reading `failed`. */
  discard(id: number, by: string, reason: string): Promise<Discarded>
}

export interface DeadLetters extends DeadLetterStore {
  /**
   * Appends the record, as it was, to its topic again: to the partition that its key belongs to, or to its own when it
   * cannot be read.
   * Throws what the log throws (the letter stays open; after OutcomeUnknownError the record may be in the log), and
   * what the database throws.
   */
  redrive(id: number, by: string): Promise<Redriven>
}

export const CHAIN_MAX = 50

/**
 * How long the log may take for a redriven record, milliseconds: well below the database's idle-in-transaction timeout,
 * since the letter's row is held meanwhile (invariant 2).
 */
export const redriveLimits = { deadlineMs: 3_000, requestTimeoutMs: 1_500 } as const

export function createDeadLetters({ pool, log, homePartition }: DeadLettersDeps): DeadLetters {
  return {
    ...createDeadLetterStore(pool),
    redrive: (id, by) =>
      resolve<Redriven>(pool, id, async (letter, run) => {
        const { key, value } = await contentOf(run, id)
        const text = value === null ? null : textOf(value)
        if (value === null || text === null) return { result: 'not-text' }
        const partition = homePartition(letter.topic, value) ?? letter.partition
        // The key routes and nothing more: one that is missing or no text says nothing that would be lost.
        const appended = await log.append(
          { topic: letter.topic, partition },
          textOf(key ?? Buffer.of()) ?? '',
          text,
        )
        const [row] = await run({
          name: 'dead-letter-redriven',
          text: `UPDATE dead_letters SET status = 'redriven', resolved_at = clock_timestamp(), resolved_by = $2,
                   redriven_partition = $3, redriven_offset = $4 WHERE id = $1 RETURNING ${deadLetterColumns}`,
          values: [id, by, partition, appended.offset],
        })
        return { result: 'redriven', letter: deadLetterFromRow(row), value }
      }),
  }
}

/** `pool` has write access; one connection is enough. */
export function createDeadLetterStore(pool: Pool): DeadLetterStore {
  const query = async (name: string, text: string, values: readonly StatementValue[]) =>
    (await queryAll(pool, [{ name, text, values }]))[0] ?? []
  return {
    list: async (filter, limit, before) => {
      const { shape, where, values } = conditions({ ...filter, before }, limit + 1)
      const text = `SELECT ${deadLetterColumns} FROM dead_letters ${where} ORDER BY id DESC LIMIT $1`
      const letters = (await query(`dead-letters${shape}`, text, values)).map(deadLetterFromRow)
      const items = letters.slice(0, limit)
      return { items, next: letters.length > limit ? (items.at(-1)?.id ?? null) : null }
    },
    openIds: async (filter, limit) => {
      const { shape, where, values } = conditions({ ...filter, status: 'open' }, limit)
      const text = `SELECT id, count(*) OVER () AS total FROM dead_letters ${where} ORDER BY id LIMIT $1`
      const rows = (await query(`dead-letter-ids${shape}`, text, values)).map((row) => openRow.parse(row))
      return { ids: rows.map(({ id }) => id), total: rows[0]?.total ?? 0 }
    },
    show: async (id) => {
      const text = `SELECT ${deadLetterColumns}, ${contentColumns} FROM dead_letters WHERE id = $1`
      const [row] = await query('dead-letter', text, [id])
      if (row === undefined) return null
      const letter = deadLetterFromRow(row)
      const chain = await query(
        'dead-letter-chain',
        `SELECT ${deadLetterColumns} FROM dead_letters WHERE command_id = $1 ORDER BY id LIMIT ${CHAIN_MAX}`,
        [letter.command_id],
      )
      return { ...letter, ...contentFromRow(row), chain: chain.map(deadLetterFromRow) }
    },
    discard: (id, by, reason) =>
      resolve<Discarded>(pool, id, async (_letter, run) => {
        const [row] = await run({
          name: 'dead-letter-discarded',
          text: `UPDATE dead_letters SET status = 'discarded', resolved_at = clock_timestamp(), resolved_by = $2,
                   resolution = $3 WHERE id = $1 RETURNING ${deadLetterColumns}`,
          values: [id, by, reason],
        })
        return { result: 'discarded', letter: deadLetterFromRow(row) }
      }),
  }
}

const openRow = z.object({ id: z.coerce.number(), total: z.coerce.number() })
const contentRow = z.object({ key: z.instanceof(Buffer).nullable(), value: z.instanceof(Buffer).nullable() })

/** Does `work` while the open letter's row is held; what it did is committed when this resolves. */
function resolve<T>(
  pool: Pool,
  id: number,
  work: (letter: DeadLetter, run: RunStatement) => Promise<T>,
): Promise<T | Unresolved> {
  return inTransaction(pool, async (run): Promise<T | Unresolved> => {
    const [known] = await run({
      name: 'dead-letter-known',
      text: 'SELECT id FROM dead_letters WHERE id = $1',
      values: [id],
    })
    if (known === undefined) return { result: 'not-found' }
    const [row] = await run({
      name: 'dead-letter-hold',
      text: `SELECT ${deadLetterColumns} FROM dead_letters WHERE id = $1 FOR UPDATE SKIP LOCKED`,
      values: [id],
    })
    if (row === undefined) return { result: 'busy' }
    const letter = deadLetterFromRow(row)
    return letter.status === 'open' ? work(letter, run) : { result: 'not-open', status: letter.status }
  })
}

async function contentOf(run: RunStatement, id: number) {
  const [row] = await run({
    name: 'dead-letter-content',
    text: 'SELECT key, value FROM dead_letters WHERE id = $1',
    values: [id],
  })
  return contentRow.parse(row)
}

/** `shape` tells statements of different conditions apart; `limit` is their first value. */
function conditions(filter: DeadLetterFilter & { readonly before?: number | undefined }, limit: number) {
  const { status, code, topic, partition, before } = filter
  const given = [
    ['status =', status],
    ['code =', code],
    ['topic =', topic],
    ['partition =', partition],
    ['id <', before],
  ] as const
  const values: StatementValue[] = [limit]
  const parts = given.flatMap(([test, value]) =>
    value === undefined ? [] : [`${test} $${values.push(value)}`],
  )
  const where = parts.length === 0 ? '' : `WHERE ${parts.join(' AND ')}`
  return { shape: parts.map((part) => `-${part}`).join(''), where, values }
}
