/** What still holds a person's id after an erasure, and until when. It only reads. */
import { topicSettings, topics } from '@ironsys/contracts'
import type { Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { outcomeDays } from './aged-tables.ts'
import { queryRows } from './deployment.ts'

export interface LetterWithPerson {
  readonly id: number
  readonly status: 'open' | 'redriven' | 'discarded'
}

/** Answers to confirmations, kept in `applied_commands` to answer a repeat with the same. */
export interface OutcomesWithPerson {
  readonly rows: number
  /** From when on a retention run removes the last of them, RFC 3339; null where there is none. */
  readonly keptUntil: string | null
}

export interface Remains {
  /** Records of these topics name the person. */
  readonly topics: readonly string[]
  /** When the last of these records has been kept long enough, RFC 3339. */
  readonly logKeptUntil: string
  /** When the last of them is gone, where segments close after a week as is Kafka's standard, RFC 3339. */
  readonly logGoneBy: string
  readonly deadLetters: readonly LetterWithPerson[]
  readonly outcomes: OutcomesWithPerson
  /** Schemas that `replay --verify --keep` has left: copies of state. */
  readonly sideSchemas: readonly string[]
}

/** Kafka removes a segment when its newest record is old enough; one takes records for so long (`segment.ms`). */
const SEGMENT_MS = 7 * 24 * 3600 * 1000
/** Dead letters looked at by one statement. */
const PAGE_LETTERS = 1_000
/** Remembered outcomes looked at by one statement. */
const PAGE_OUTCOMES = 10_000
const DAY_MS = 24 * 3600 * 1000

/** `nowMs`, Unix ms: nothing names the person in what is written to the log from now on. */
export async function findRemains(pool: Pool, userId: string, nowMs: number): Promise<Remains> {
  const keptUntilMs = nowMs + Number(topicSettings['retention.ms'])
  return {
    topics: Object.values(topics),
    logKeptUntil: new Date(keptUntilMs).toISOString(),
    logGoneBy: new Date(keptUntilMs + SEGMENT_MS).toISOString(),
    deadLetters: await lettersWith(pool, userId),
    outcomes: await outcomesWith(pool, userId),
    sideSchemas: await sideSchemas(pool),
  }
}

const letterRow = z.object({
  id: z.coerce.number(),
  status: z.enum(['open', 'redriven', 'discarded']),
  found: z.boolean(),
})

/** Those in whose record the id stands as a JSON string. */
async function lettersWith(pool: Pool, userId: string): Promise<readonly LetterWithPerson[]> {
  const text = `
SELECT id, status, EXISTS (
         SELECT FROM unnest($3::text[]) AS name
          WHERE position(convert_to(name, 'UTF8') IN coalesce(value, '')) > 0 OR strpos(detail, name) > 0) AS found
  FROM dead_letters WHERE id > $1 ORDER BY id LIMIT $2`
  const names = jsonForms(userId)
  const letters: LetterWithPerson[] = []
  let after = 0
  for (;;) {
    const rows = (await queryRows(pool, 'remains-letters', text, [after, PAGE_LETTERS, names])).map((row) =>
      letterRow.parse(row),
    )
    letters.push(...rows.filter(({ found }) => found).map(({ id, status }) => ({ id, status })))
    after = rows.at(-1)?.id ?? after
    if (rows.length < PAGE_LETTERS) return letters
  }
}

/** How JSON may write it: as we do, and in ASCII alone as other producers might. */
export function jsonForms(text: string): readonly string[] {
  const own = JSON.stringify(text)
  const ascii = own.replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return [...new Set([own, ascii])]
}

const outcomeRow = z.object({
  id: z.string(),
  position: z.string(),
  at_ms: z.coerce.number(),
  found: z.boolean(),
})

/** Those whose reservation is the person's, with its metadata. They go by whole days (UTC). */
async function outcomesWith(pool: Pool, userId: string): Promise<OutcomesWithPerson> {
  const text = `
SELECT command_id AS id, at::text AS position, floor(extract(epoch FROM at) * 1000) AS at_ms,
       coalesce(outcome #>> '{reservation,user_id}' = $1, false) AS found
  FROM applied_commands WHERE (command_id, at) > ($2::uuid, $3::timestamptz) ORDER BY command_id, at LIMIT $4`
  let after = { id: '00000000-0000-0000-0000-000000000000', position: '-infinity' }
  let found = 0
  let latestMs = 0
  for (;;) {
    const values = [userId, after.id, after.position, PAGE_OUTCOMES]
    const page = (await queryRows(pool, 'remains-outcomes', text, values)).map((row) => outcomeRow.parse(row))
    for (const row of page) {
      if (!row.found) continue
      found++
      latestMs = Math.max(latestMs, row.at_ms)
    }
    after = page.at(-1) ?? after
    if (page.length === PAGE_OUTCOMES) continue
    const dayEndMs = (Math.floor(latestMs / DAY_MS) + 1) * DAY_MS
    const keptUntil = found === 0 ? null : new Date(dayEndMs + outcomeDays * DAY_MS).toISOString()
    return { rows: found, keptUntil }
  }
}

async function sideSchemas(pool: Pool): Promise<readonly string[]> {
  const text = `SELECT nspname AS name FROM pg_namespace WHERE nspname ~ '^replay_[0-9a-f]{8}$' ORDER BY 1`
  return (await queryRows(pool, 'remains-schemas', text)).map(
    (row) => z.object({ name: z.string() }).parse(row).name,
  )
}
