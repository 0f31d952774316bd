/**
 * The check `outcomes`: every command below the fence was decided, or lies in the dead letters (I2).
 *
 * Order of reading: the fence, the records below it, their outcomes; an outcome is never taken back. There is one
 * exception: what is long over is retired with all that belongs to it. A create whose key is not stored is therefore a
 * suspect first: the log behind it is searched for the command that retired the key, up to where the fence stands by
 * then ({@link file://./retired.ts}).
 */
import type { LogRecord } from '@ironsys/engine'
import { z } from 'zod'
import type { Query } from './consistent-read.ts'
import { sayer } from './partitions.ts'
import type { Protocol } from './report.ts'

/** What one command must have led to. A command may expect several things. */
export interface Expected {
  readonly offset: number
  /** A name that the domain's statement knows. */
  readonly kind: string
  /** What has the outcome. Null for a record that cannot be read. */
  readonly id: string | null
  /** What it belongs to, where that goes with all that belongs to it. */
  readonly key: string | null
  readonly atMs: number
  /** Whoever asks, or whoever is erased, where that is said. */
  readonly person?: string | undefined
  readonly bookingId?: string | undefined
  /** The create of what it is about is earlier in this batch of records. */
  readonly createdBefore?: boolean
  readonly keepMs?: number
  /** Said when it has not. */
  readonly missing: string
}

/** Commands of one topic and what becomes of them. */
export interface OutcomeRules {
  readonly topic: string
  /**
   * What the records of one batch must have led to, in the order of their offsets. What only a newer program can read is
   * told to `onNewer`.
   */
  expectedOf(records: readonly LogRecord[], onNewer: (detail: string) => void): readonly Expected[]
  /** SQL: whether `c`, a row of {@link lookUp}, lacks what is expected; NULL or false where nothing is wrong. */
  readonly isMissingSql: string
  /** SQL: whether a missing create may have been retired with its key: that is not stored. */
  readonly isGoneSql: string
  /** The key that a record asks to retire, or null. */
  retiredKeyOf(record: LogRecord): string | null
}

/** A create that has no outcome, and nothing that its key has is stored. */
export interface Suspect {
  readonly offset: number
  readonly key: string
  readonly missing: string
}

export const DAY_MS = 24 * 3600 * 1000

const missingRows = z.array(z.object({ n: z.int(), gone: z.boolean() }))

/** Looks up the outcomes of records of one partition. Answers what is judged when all is read. */
export async function checkOutcomes(
  query: Query,
  rules: OutcomeRules,
  partition: number,
  records: readonly LogRecord[],
  protocol: Protocol,
): Promise<readonly Suspect[]> {
  const expected = rules.expectedOf(records, (detail) =>
    protocol.skip('outcomes', `a command has a newer schema than this program: ${detail}`),
  )
  const rows = await query(lookUp(rules), [
    rules.topic,
    partition,
    JSON.stringify(expected.map((each, n) => ({ n, ...each, missing: undefined }))),
  ])
  protocol.count('outcomes', records.length)
  const say = sayer('outcomes', { topic: rules.topic, partition }, protocol)
  return missingRows.parse(rows).flatMap(({ n, gone }): readonly Suspect[] => {
    const each = expected[n]
    if (each === undefined) return []
    const { offset, key, missing } = each
    if (gone && key !== null) return [{ offset, key, missing }]
    say(`offset ${offset}: ${missing}`)
    return []
  })
}

function lookUp({ isMissingSql, isGoneSql }: OutcomeRules): string {
  return `
SELECT c.n, coalesce(${isGoneSql}, false) AS gone
  FROM json_to_recordset($3::json) AS c (n int, "offset" bigint, kind text, id uuid, key uuid, "atMs" bigint, person text,
         "bookingId" uuid, "createdBefore" boolean, "keepMs" bigint),
       LATERAL (SELECT timestamptz 'epoch' + c."atMs" * interval '1 ms' AS at) t
 WHERE NOT EXISTS (SELECT FROM dead_letters d WHERE d.topic = $1 AND d.partition = $2 AND d."offset" = c."offset")
   AND ${isMissingSql}
 ORDER BY c."offset", c.n`
}

/** When a row became what it is, by its column `transitions`; Unix milliseconds. */
export const lastChangeSql = `coalesce(CASE jsonb_typeof(r.transitions -> -1 -> 1) WHEN 'number'
       THEN (r.transitions -> -1 ->> 1)::numeric END, extract(epoch FROM r.created_at) * 1000)`
