/** What a database belongs to, and what is made in it as time goes on. */
import { LogIdentityError } from '@ironsys/engine'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkDeployment, ensureTimePartitions, registerIdKey } from './deployment.ts'
import { createPool, type Pool } from './pool.ts'
import { queryAll } from './transaction.ts'

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 4 })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

describe('the deployment', () => {
  const mine = { topic: 'things', clusterId: 'cluster-a', partitionCount: 12, idKeyFingerprint: 'f1' }

  beforeAll(async () => {
    await pool.query(
      `INSERT INTO partition_progress (topic, partition, cluster_id, partition_count) VALUES ('things', 0, 'cluster-a', 12)`,
    )
  })

  test('is what the database was started with', async () => {
    await registerIdKey(pool, 'f1')
    await registerIdKey(pool, 'f2')
    await expect(checkDeployment(pool, mine)).resolves.toBeUndefined()
    await expect(checkDeployment(pool, { ...mine, idKeyFingerprint: null })).resolves.toBeUndefined()
  })

  test.each([
    ['another cluster', { clusterId: 'cluster-b' }, 'cluster-b'],
    ['another partition count', { partitionCount: 24 }, '24'],
    ['another id key', { idKeyFingerprint: 'f2' }, 'ID_KEY'],
  ])('refuses %s', async (_what, change, named) => {
    const failure = await checkDeployment(pool, { ...mine, ...change }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(LogIdentityError)
    expect(String(failure)).toContain(named)
  })
})

test('time partitions are made once, by as many as ask', async () => {
  await Promise.all([ensureTimePartitions(pool), ensureTimePartitions(pool), ensureTimePartitions(pool)])
  const [rows] = await queryAll(pool, [
    {
      name: 'partitions',
      text: `SELECT inhparent::regclass::text AS parent, count(*)::int AS count FROM pg_inherits
             WHERE inhparent IN ('slot_ledger'::regclass, 'applied_commands'::regclass) GROUP BY 1 ORDER BY 1`,
      values: [],
    },
  ])
  expect(rows).toEqual([
    { parent: 'applied_commands', count: 9 },
    { parent: 'slot_ledger', count: 4 },
  ])
})

test('partitions of a table that somebody reads for long are made later, and keep no worker from starting', async () => {
  const made = async () => {
    const text = `SELECT count(*)::int AS count FROM pg_inherits
                   WHERE inhparent IN ('slot_ledger'::regclass, 'applied_commands'::regclass)`
    return (await pool.query<{ count: number }>(text)).rows[0]?.count
  }
  await ensureTimePartitions(pool)
  const all = (await made()) ?? 0
  const last = async (table: string) => {
    const text = `SELECT max(inhrelid::regclass::text COLLATE "C") AS name FROM pg_inherits
                   WHERE inhparent = $1::regclass AND inhrelid::regclass::text NOT LIKE '%default'`
    return (await pool.query<{ name: string }>(text, [table])).rows[0]?.name
  }
  await pool.query(`DROP TABLE ${await last('slot_ledger')}, ${await last('applied_commands')}`)
  const reader = await pool.connect()
  try {
    await reader.query('BEGIN')
    await reader.query('SELECT count(*) FROM slot_ledger')
    await ensureTimePartitions(pool)
    // Of the table that nobody reads it is made at once.
    expect(await made()).toBe(all - 1)
  } finally {
    await reader.query('ROLLBACK')
    reader.release()
  }
  await ensureTimePartitions(pool)
  expect(await made()).toBe(all)
})
