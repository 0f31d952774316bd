/** Which writers a retention run asks, on real Postgres; the writers are the test's. */
import { mintId } from '@ironsys/contracts'
import { createPool, type Pool } from '@ironsys/postgres'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Retired, retireOver } from './retention.ts'
import type { Writers } from './writers.ts'

const [small, large, equal] = [1, 2, 3].map((n) => `aaaaaaaa-1111-4111-8111-00000000000${n}`)
const reservationsOf = new Map([
  [small, 1],
  [large, 4],
  [equal, 3],
])

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 1 })
})

afterAll(async () => {
  await pool?.end()
  await database?.drop()
})

/** A slot that is long over, which refused so many. */
async function store(slotId: string, rejected: number): Promise<void> {
  await pool.query(
    `INSERT INTO slots (id, version, epoch, name, status, capacity, overbooking_bps, held, confirmed, start_time, end_time,
                        body_hash, created_at)
     VALUES ($1, 1, 1, '', 'open', 0, 0, 0, 0, '2020-01-01Z', '2020-01-02Z', '', '2020-01-01Z')`,
    [slotId],
  )
  await pool.query(
    `INSERT INTO reservations (id, slot_id, slot_version, created_at, quantity, user_id, status, reason)
     SELECT id, $2, 1, '2020-01-01Z', 1, 'ann', 'rejected', 'sold-out' FROM unnest($1::uuid[]) AS id`,
    [Array.from({ length: rejected }, (_, n) => mintId(slotId, n)), slotId],
  )
}

/** Does what it is asked to. */
const asked: string[] = []
const writers: Writers = {
  decide: async (_topic, asks) => {
    const ids = asks.map(({ key }) => key)
    asked.push(...ids)
    await pool.query('DELETE FROM slots WHERE id = ANY ($1::uuid[])', [ids])
  },
  settle: async () => undefined,
}

test('a slot with more reservations than a writer removes at once is not asked for, and named', async () => {
  for (const [slotId = '', count] of reservationsOf) await store(slotId, count)
  const retire = async (reservationsMax: number): Promise<Retired> =>
    retireOver({ pool, writers, reservationsMax }, 'slots', 90, () => undefined)
  expect(await retire(3)).toEqual({ over: 3, removed: 2, left: [], tooLarge: [large] })
  expect(asked.sort()).toEqual([small, equal])
  // What operators are told to do.
  await pool.query(`DELETE FROM reservations WHERE slot_id = $1 AND status = 'rejected'`, [large])
  expect(await retire(3)).toEqual({ over: 1, removed: 1, left: [], tooLarge: [] })
})
