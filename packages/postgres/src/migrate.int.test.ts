/** Migrations on a database that is in use. */
import { fileURLToPath } from 'node:url'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { runner } from 'node-pg-migrate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrate } from './migrate.ts'
import { createPool, type Pool } from './pool.ts'

const SINCE_0003 = ['0003_dead_letter_resolution', '0004_dead_letter_checks', '0005_short_partition_locks']

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 2 })
  await runner({
    databaseUrl: database.url,
    dir: fileURLToPath(new URL('../../../db/migrations', import.meta.url)),
    direction: 'down',
    migrationsTable: 'schema_migrations',
    count: SINCE_0003.length,
    log: () => undefined,
  })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

test('a table that stays in use is told and left as it was; later it is migrated, old rows with it', async () => {
  await pool.query(`INSERT INTO dead_letters (topic, partition, "offset", code, detail, at, status)
                    VALUES ('things', 0, 1, 'malformed', 'why', now(), 'discarded')`)
  const reader = await pool.connect()
  try {
    await reader.query('BEGIN')
    await reader.query('SELECT count(*) FROM dead_letters')
    await expect(migrate(database.url, { lockTimeoutMs: 100 })).rejects.toThrow(/stayed in use.*try again/)
    expect((await reader.query('SELECT * FROM dead_letters')).rows[0]).not.toHaveProperty('resolved_at')
  } finally {
    await reader.query('ROLLBACK')
    reader.release()
  }
  // Two at once: one waits for the other, longer than it would for a table.
  const migrated = await Promise.all([migrate(database.url), migrate(database.url, { lockTimeoutMs: 1 })])
  expect(migrated.flat()).toEqual(SINCE_0003)
  expect((await pool.query('SELECT resolved_at FROM dead_letters')).rows).toEqual([
    { resolved_at: expect.any(Date) },
  ])
  const checks = await pool.query(
    `SELECT conname FROM pg_constraint WHERE conrelid = 'dead_letters'::regclass AND NOT convalidated`,
  )
  expect(checks.rows).toEqual([])
})
