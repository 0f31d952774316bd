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
