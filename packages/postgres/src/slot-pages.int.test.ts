/** Pages of many slots: each reads its own rows and no others, whatever the filter, and slots that come do not move it. */
import { randomUUID } from 'node:crypto'
import { createReservationReads, type SlotPageFilter } from '@ironsys/reservations'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createPool, type Pool } from './pool.ts'
import { queryAll } from './transaction.ts'

const SLOTS = 30_000
/** Slots that start at the same time: pages end among them. */
const AT_ONCE = 10
const LIMIT = 50
/** A row, and a leaf of the index that has only this entry left. */
const BLOCKS_OF_ROW = 2
const BLOCKS_BESIDE_ROWS = 15

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 1 })
  await insertSlots(SLOTS)
  await pool.query('ANALYZE slots')
  // The sale was so fast that statistics still say that all have units left.
  await pool.query(`UPDATE slots SET confirmed = 11 WHERE name NOT LIKE '%50'`)
  await pool.query('VACUUM slots')
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

/** With one unit left. The first {@link AT_ONCE} start at midnight, the next ones in the next minute. */
function insertSlots(count: number) {
  return pool.query(
    `INSERT INTO slots (id, version, epoch, start_time, end_time, capacity, overbooking_bps, held, confirmed, status, name,
                        body_hash, created_at)
     SELECT gen_random_uuid(), 1, 1, at, at + interval '1 hour', 10, 1000, 0, 10,
            'open', 'slot ' || n, repeat('0', 32), at
       FROM generate_series(0, $1::int - 1) n,
            LATERAL (SELECT timestamptz '2026-06-01T00:00:00Z' + (n / $2::int) * interval '1 minute' AS at) t`,
    [count, AT_ONCE],
  )
}

const reads = createReservationReads(async (statement) => (await queryAll(pool, [statement]))[0] ?? [])

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Rows Removed by Filter'?: number | undefined
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: PlanNode[] | undefined
}
const planNode: z.ZodType<PlanNode> = z.object({
  'Node Type': z.string(),
  'Rows Removed by Filter': z.number().optional(),
  'Shared Hit Blocks': z.number(),
  'Shared Read Blocks': z.number(),
  get Plans() {
    return z.array(planNode).optional()
  },
})

/** What Postgres did for a page. */
async function workOf(filter: SlotPageFilter) {
  let plan: PlanNode | null = null
  const explaining = createReservationReads(async ({ text, values }) => {
    const explain = `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`
    const { rows } = await pool.query(explain, [...values])
    plan = planNode.parse(rows[0]['QUERY PLAN'][0].Plan)
    return []
  })
  await explaining.slots(filter)
  if (plan === null) throw new Error('nothing was explained')
  const nodes = nodesOf(plan)
  return {
    nodes: nodes.map((node) => node['Node Type']),
    removed: nodes.reduce((sum, node) => sum + (node['Rows Removed by Filter'] ?? 0), 0),
    blocks: (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0),
  }
}

function nodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

const minute = (n: number) => new Date(Date.parse('2026-06-01T00:00:00Z') + n * 60_000).toISOString()
/** Far behind its first slots. */
const deep = { startTime: minute(SLOTS / AT_ONCE - 100), id: randomUUID() }

const filters: readonly (readonly [string, Omit<SlotPageFilter, 'limit'>])[] = [
  ['the first page', {}],
  ['a page far behind', { after: deep }],
  ['one far behind the beginning of a long window', { from: minute(1), to: minute(1e6), after: deep }],
  [
    'a window that begins far behind the cursor',
    { from: deep.startTime, after: { ...deep, startTime: minute(1) } },
  ],
  ['the few that have units left', { available: true }],
  ['the few that have units left, far behind', { available: true, from: minute(1), after: deep }],
  ['the many that have none', { available: false, after: deep }],
  ['a narrow window', { from: minute(2000), to: minute(2003) }],
  ['the few of a narrow window', { available: true, from: minute(2000), to: minute(2003) }],
  ['an empty window', { available: false, from: minute(1e6), to: minute(2e6) }],
]

test.each(filters)('%s costs its own rows', async (_name, filter) => {
  const { nodes, removed, blocks } = await workOf({ ...filter, limit: LIMIT })
  expect(nodes.filter((node) => /Seq|Bitmap|Sort/.test(node))).toEqual([])
  expect(removed).toBe(0)
  expect(blocks).toBeLessThanOrEqual((LIMIT + 1) * BLOCKS_OF_ROW + BLOCKS_BESIDE_ROWS)
})

test('a filter that no slot fits costs nothing', async () => {
  await pool.query('BEGIN')
  await pool.query('DELETE FROM slots WHERE NOT has_units')
  await pool.query('COMMIT')
  await pool.query('VACUUM ANALYZE slots')
  expect(await reads.slots({ available: false, limit: LIMIT })).toEqual({ items: [], next: null })
  expect((await workOf({ available: false, limit: LIMIT })).blocks).toBeLessThanOrEqual(BLOCKS_BESIDE_ROWS)
})

test('reserving writes to no index, but for the unit that makes a slot change sides', async () => {
  const hotUpdates = async (): Promise<number> => {
    const { rows } = await pool.query(
      `SELECT pg_stat_get_xact_tuples_hot_updated('slots'::regclass)::int AS hot`,
    )
    return rows[0].hot
  }
  const update = async (set: string) => {
    await pool.query('BEGIN')
    const before = await hotUpdates()
    const { rowCount } = await pool.query(
      `UPDATE slots SET ${set} WHERE id IN (SELECT id FROM slots WHERE has_units ORDER BY id LIMIT 20)`,
    )
    const hot = (await hotUpdates()) - before
    await pool.query('ROLLBACK')
    return [rowCount, hot]
  }
  expect(await update('version = 2, confirmed = confirmed - 1')).toEqual([20, 20])
  expect(await update('version = 2, held = 1')).toEqual([20, 0])
})

test('all pages together are all slots, once and in order, while others come', async () => {
  await pool.query('TRUNCATE slots')
  await insertSlots(137)
  const expected = await pool.query('SELECT id FROM slots ORDER BY start_time, id')
  const seen: string[] = []
  for (let filter: SlotPageFilter | null = { limit: 7 }; filter !== null; ) {
    const { items, next }: Awaited<ReturnType<typeof reads.slots>> = await reads.slots(filter)
    seen.push(...items.map(({ document }) => document.id))
    // Before, at and behind where the page ended.
    await insertSlots(30)
    filter = next === null || seen.length > 2000 ? null : { limit: 7, after: next }
  }
  const initial = new Set(expected.rows.map((row) => row.id))
  expect(seen.filter((id) => initial.has(id))).toEqual(expected.rows.map((row) => row.id))
  expect(new Set(seen).size).toBe(seen.length)
})

test('the window and the cursor bound a page together, whichever is further on', async () => {
  await pool.query('TRUNCATE slots')
  await insertSlots(100)
  const minutes = async (filter: Omit<SlotPageFilter, 'limit'>) => {
    const { items } = await reads.slots({ limit: 200, ...filter })
    return [...new Set(items.map(({ document }) => document.start_time))]
  }
  const after = { startTime: minute(4), id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' }
  expect(await minutes({ from: minute(7), to: minute(9), after })).toEqual([minute(7), minute(8)])
  expect(await minutes({ from: minute(2), to: minute(6), after })).toEqual([minute(5)])
  expect(await minutes({ from: minute(4), to: minute(6), after })).toEqual([minute(5)])
})
