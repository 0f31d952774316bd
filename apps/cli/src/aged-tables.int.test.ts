/** What goes by the calendar, on real Postgres: what is dropped, and what must never be. */
import type { LogSource } from '@ironsys/audit'
import { createPool, ensureTimePartitions, type Pool } from '@ironsys/postgres'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { agedLimits, countAged, removeAged } from './aged-tables.ts'

const DAY_MS = 24 * 3600 * 1000
const KEEP_DAYS = 30

let database: TestDatabase
let pool: Pool
const nowMs = Date.now()

beforeEach(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 2 })
  await ensureTimePartitions(pool)
})

afterEach(async () => {
  await pool.end()
  await database.drop()
})

/** A log whose partitions begin with records of these ages, days. */
function logOf(...ages: readonly number[]): LogSource {
  const bounds = new Map(ages.map((_age, partition) => [partition, { low: 3, high: 9 }]))
  return {
    describe: async () => null,
    bounds: async () => bounds,
    read: async (_topic, ranges, handle) => {
      for (const [partition, range] of ranges) {
        expect(range).toEqual({ from: 3, to: 4 })
        const timeMs = nowMs - (ages[partition] ?? 0) * DAY_MS
        await handle(partition, [{ offset: 3, timeMs, key: null, value: null }])
      }
    },
    close: async () => undefined,
  }
}

const daysAgo = (days: number) => new Date(nowMs - days * DAY_MS)
const text = (time: Date, length: number) => time.toISOString().replaceAll('-', '').slice(0, length)

/** The day that was so many days ago, as the worker would have made it. */
async function outcomeDay(days: number): Promise<string> {
  const name = `applied_commands_${text(daysAgo(days), 8)}`
  const day = (at: number) => daysAgo(at).toISOString().slice(0, 10)
  await pool.query(
    `CREATE TABLE ${name} PARTITION OF applied_commands FOR VALUES FROM ('${day(days)}Z') TO ('${day(days - 1)}Z')`,
  )
  await outcome(days)
  return name
}

const outcome = (days: number) =>
  pool.query(`INSERT INTO applied_commands VALUES (gen_random_uuid(), $1, '{"code":"ok"}')`, [daysAgo(days)])

async function ledgerMonth(first: string, next: string): Promise<string> {
  const name = `slot_ledger_${first.slice(0, 7).replace('-', '')}`
  await pool.query(
    `CREATE TABLE ${name} PARTITION OF slot_ledger FOR VALUES FROM ('${first}Z') TO ('${next}Z')`,
  )
  return name
}

const entry = (at: string) =>
  pool.query(
    `INSERT INTO slot_ledger (slot_id, version, at, held_delta, confirmed_delta, capacity, overbooking_bps, type, event)
     VALUES (gen_random_uuid(), 1, $1, 0, 0, 1, 0, 'slot_created', '{}')`,
    [at],
  )

const letter = async (days: number, resolvedDays: number | null) => {
  const { rows } = await pool.query<{ id: string }>(
    `INSERT INTO dead_letters (topic, partition, "offset", code, detail, at, status, resolved_at)
     VALUES ('t', 0, (SELECT count(*) FROM dead_letters), 'malformed', 'x', $1, $2, $3) RETURNING id`,
    [
      daysAgo(days),
      resolvedDays === null ? 'open' : 'discarded',
      resolvedDays === null ? null : daysAgo(resolvedDays),
    ],
  )
  return Number(rows[0]?.id)
}

const exists = async (table: string) =>
  (await pool.query('SELECT to_regclass($1) IS NOT NULL AS found', [table])).rows[0].found

const limitsOf = (log: LogSource) => agedLimits(pool, log, KEEP_DAYS)

describe('outcomes', () => {
  test('go by whole days, eight days after the last of them, and today and tomorrow stay', async () => {
    const [gone, first] = [await outcomeDay(11), await outcomeDay(10)]
    const kept = await outcomeDay(8)
    const limits = await limitsOf(logOf(0.5))
    expect((await countAged(pool, limits)).outcomePartitions).toEqual([gone, first])
    expect(await exists(gone)).toBe(true)
    expect(await removeAged(pool, limits)).toMatchObject({ outcomePartitions: [gone, first], inUse: [] })
    expect([await exists(gone), await exists(kept)]).toEqual([false, true])
    // It can still be written to.
    await outcome(0)
    expect((await countAged(pool, limits)).outcomePartitions).toEqual([])
  })

  test('stay as long as the log has a record of their time', async () => {
    const older = await outcomeDay(14)
    await outcomeDay(11)
    expect((await removeAged(pool, await limitsOf(logOf(1, 12.5, 3)))).outcomePartitions).toEqual([older])
  })

  test('that came before their day was made go one by one', async () => {
    for (const days of [20, 12, 9.5, 7, 1]) await outcome(days)
    const limits = await limitsOf(logOf())
    expect((await countAged(pool, limits)).strayOutcomes).toBe(3)
    expect((await removeAged(pool, limits)).strayOutcomes).toBe(3)
    expect((await pool.query('SELECT 1 FROM applied_commands')).rows).toHaveLength(2)
  })
})

test('dead letters go when they were resolved long ago and their record has left the log', async () => {
  const open = await letter(400, null)
  const late = await letter(400, 29)
  const gone = await letter(400, 31)
  const logged = await letter(35, 31)
  const limits = await limitsOf(logOf(36))
  expect((await countAged(pool, limits)).deadLetters).toBe(1)
  expect((await removeAged(pool, limits)).deadLetters).toBe(1)
  const left = async () =>
    (await pool.query('SELECT id FROM dead_letters ORDER BY id')).rows.map(({ id }) => Number(id))
  expect(await left()).toEqual([open, late, logged])
  expect(gone).toBeLessThan(logged)
  expect((await removeAged(pool, await limitsOf(logOf(1)))).deadLetters).toBe(1)
  expect(await left()).toEqual([open, late])
})

test('more dead letters than go at once all go', async () => {
  await pool.query(
    `INSERT INTO dead_letters (topic, partition, "offset", code, detail, at, status, resolved_at)
     SELECT 't', 0, i, 'malformed', 'x', $1, 'redriven', $1 FROM generate_series(1, 2000) i`,
    [daysAgo(100)],
  )
  expect((await removeAged(pool, await limitsOf(logOf(1)))).deadLetters).toBe(2000)
})

describe('months of the ledger', () => {
  test('go when they are old and hold no entry', async () => {
    const empty = await ledgerMonth('2020-01-01', '2020-02-01')
    const used = await ledgerMonth('2020-02-01', '2020-03-01')
    await entry('2020-02-15Z')
    // Before any month that was made: in the default partition, which stays.
    await entry('2019-01-01Z')
    const limits = await limitsOf(logOf(1))
    expect((await countAged(pool, limits)).ledgerPartitions).toEqual([empty])
    expect((await removeAged(pool, limits)).ledgerPartitions).toEqual([empty])
    expect([await exists(empty), await exists(used)]).toEqual([false, true])
    expect((await pool.query('SELECT 1 FROM slot_ledger')).rows).toHaveLength(2)
    const coming = await pool.query(`SELECT 1 FROM pg_inherits WHERE inhparent = 'slot_ledger'::regclass`)
    expect(coming.rows).toHaveLength(5)
  })

  test('that somebody reads for long are left, and go with the next run', async () => {
    const empty = await ledgerMonth('2020-01-01', '2020-02-01')
    const limits = await limitsOf(logOf(1))
    const reader = new pg.Client({ connectionString: database.url })
    await reader.connect()
    try {
      await reader.query('BEGIN; SELECT count(*) FROM slot_ledger')
      expect(await removeAged(pool, limits)).toMatchObject({ ledgerPartitions: [], inUse: [empty] })
      await reader.query('COMMIT')
    } finally {
      await reader.end()
    }
    expect(await removeAged(pool, limits)).toMatchObject({ ledgerPartitions: [empty], inUse: [] })
  })
})

test('two runs at once remove the same things once', async () => {
  await outcomeDay(12)
  await ledgerMonth('2020-01-01', '2020-02-01')
  const limits = await limitsOf(logOf(1))
  const runs = await Promise.all([removeAged(pool, limits), removeAged(pool, limits)])
  for (const run of runs) expect(run.inUse).toEqual([])
  expect(await countAged(pool, limits)).toMatchObject({ outcomePartitions: [], ledgerPartitions: [] })
})
