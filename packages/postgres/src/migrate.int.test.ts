/** Migrations on a database that is in use. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { runner } from 'node-pg-migrate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrate } from './migrate.ts'
import { createPool, type Pool } from './pool.ts'

const folder = fileURLToPath(new URL('../../../db/migrations', import.meta.url))
const names = readdirSync(folder)
  .map((file) => file.replace(/\.sql$/, ''))
  .sort()
const since = (number: string): readonly string[] => names.filter((name) => name >= number)

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 2 })
  await undo('0003')
})

/** Takes back all migrations from this one on. */
async function undo(number: string): Promise<void> {
  await runner({
    databaseUrl: database.url,
    dir: folder,
    direction: 'down',
    migrationsTable: 'schema_migrations',
    count: since(number).length,
    log: () => undefined,
  })
}

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
  expect(migrated.flat()).toEqual(since('0003'))
  expect((await pool.query('SELECT resolved_at FROM dead_letters')).rows).toEqual([
    { resolved_at: expect.any(Date) },
  ])
  const checks = await pool.query(
    `SELECT conname FROM pg_constraint WHERE conrelid = 'dead_letters'::regclass AND NOT convalidated`,
  )
  expect(checks.rows).toEqual([])
})

test('reservations from before have the transitions that they went through; and back again', async () => {
  await migrate(database.url)
  await undo('0006')
  await pool.query(`
    INSERT INTO reservations (id, slot_id, slot_version, created_at, cancelled_at, quantity, user_id, status, reason)
    SELECT gen_random_uuid(), gen_random_uuid(), 1, '2026-06-01T12:00:00.123Z', cancelled_at::timestamptz, 1, 'ann', status, reason
      FROM (VALUES ('confirmed', NULL, NULL), ('rejected', NULL, 'sold-out'), ('cancelled', '2026-06-01T13:00:00.999Z', NULL))
        AS r (status, cancelled_at, reason)`)
  const before = await pool.query('SELECT * FROM reservations ORDER BY id')
  await migrate(database.url)
  const { rows } = await pool.query('SELECT status, transitions FROM reservations ORDER BY status')
  const createdMs = Date.parse('2026-06-01T12:00:00.123Z')
  expect(rows).toEqual([
    {
      status: 'cancelled',
      transitions: [
        ['confirmed', createdMs, null],
        ['cancelled', createdMs + 3_600_876, 'by-request'],
      ],
    },
    { status: 'confirmed', transitions: null },
    { status: 'rejected', transitions: null },
  ])
  await undo('0006')
  expect((await pool.query('SELECT * FROM reservations ORDER BY id')).rows).toEqual(before.rows)
  await migrate(database.url)
})
