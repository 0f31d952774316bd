/** What connections are told, and which of them are used again. */
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createPool, type Pool } from './pool.ts'
import { inTransaction, queryAll, transact } from './transaction.ts'

let database: TestDatabase
const pools: Pool[] = []

beforeAll(async () => {
  database = await createTestDatabase()
})
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.end()
})
afterAll(() => database.drop())

function track(pool: Pool): Pool {
  pools.push(pool)
  return pool
}

const one = { applicationName: 'test', maxConnections: 1 }

describe('a pool', () => {
  const settings = ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'default_transaction_read_only']
  test.each([
    ['of a reader', { readOnly: true }, ['on', 'on', 'on', 'on']],
    ['of a writer', { keyLookupsOnly: true }, ['off', 'off', 'off', 'off']],
    ['of anybody else', {}, ['on', 'on', 'on', 'off']],
  ])('%s tells Postgres how to plan and what to refuse', async (_whose, options, expected) => {
    const pool = track(createPool(database.url, { ...one, ...options }))
    const text = `SELECT current_setting(name) AS value FROM unnest($1::text[]) WITH ORDINALITY AS s (name, n) ORDER BY n`
    const { rows } = await pool.query<{ value: string }>(text, [settings])
    expect(rows.map(({ value }) => value)).toEqual(expected)
  })
})

describe('a connection', () => {
  const statement = (name: string, text: string) => ({ name, text, values: [] })

  /** The server's id of the pool's one connection. */
  const serverPid = async (pool: Pool) => {
    const [rows] = await queryAll(pool, [statement('pid', 'SELECT pg_backend_pid() AS pid')])
    return rows?.[0]?.pid
  }

  test('whose statement the server refused is used again', async () => {
    const pool = track(createPool(database.url, one))
    const before = await serverPid(pool)
    await expect(transact(pool, [statement('division', 'SELECT 1 / 0')])).rejects.toThrow('division by zero')
    expect(await serverPid(pool)).toBe(before)
  })

  test('that was cut inside a transaction is not, and nothing of the transaction stays', async () => {
    const pool = track(createPool(database.url, one))
    const before = await serverPid(pool)
    await pool.query('CREATE TABLE names (name text)')
    const cut = transact(pool, [
      statement('insert-ann', `INSERT INTO names VALUES ('ann')`),
      statement('cut', 'SELECT pg_terminate_backend(pg_backend_pid())'),
      statement('insert-bob', `INSERT INTO names VALUES ('bob')`),
    ])
    await expect(cut).rejects.toThrow()
    expect(await serverPid(pool)).not.toBe(before)
    await transact(pool, [statement('insert-cyd', `INSERT INTO names VALUES ('cyd')`)])
    expect((await pool.query('SELECT name FROM names')).rows).toEqual([{ name: 'cyd' }])
  })

  test('says so when its transaction did not commit, though nobody minded the error in it', async () => {
    const pool = track(createPool(database.url, one))
    const before = await serverPid(pool)
    const careless = inTransaction(pool, async (run) => {
      await run(statement('insert', `INSERT INTO deployment (id_key_fingerprint) VALUES ('lost')`))
      await run(statement('division', 'SELECT 1 / 0')).catch(() => undefined)
      return 'done'
    })
    await expect(careless).rejects.toThrow('rolled back')
    expect((await pool.query('SELECT * FROM deployment')).rows).toEqual([])
    expect(await serverPid(pool)).toBe(before)
  })

  test('that owes an answer is not: nobody may wait behind it', async () => {
    // As createPool's, but it takes less than 20 s to lose patience.
    const impatient = { connectionString: database.url, max: 1, pipeline: true, query_timeout: 300 }
    const pool = track(new pg.Pool(impatient))
    pool.on('error', () => undefined)
    pool.on('connect', (client) => client.on('error', () => undefined))
    const before = await serverPid(pool)
    await expect(transact(pool, [statement('sleep', 'SELECT pg_sleep(60)')])).rejects.toThrow('timeout')
    expect(await serverPid(pool)).not.toBe(before)
  })
})
