import type { BatchEffects, DomainEvent, Header, PartitionId, Progress } from '@ironsys/engine'
import { DataError, FencedError, LogIdentityError } from '@ironsys/engine'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { checkDeployment, ensureTimePartitions, registerIdKey } from './deployment.ts'
import { createOutboxStore } from './outbox-store.ts'
import { createPartitionStore, type DomainTables } from './partition-store.ts'
import { createPool, type Pool } from './pool.ts'
import { queryAll, transact } from './transaction.ts'

type Effects = BatchEffects<DomainEvent, Header, string, object>

/** A domain of one table of names: the engine's part of the transaction is what is looked at here. */
const tables: DomainTables<DomainEvent, Header, string, object> = {
  prefetch: () => ({ name: 'nothing', text: `SELECT '[]'::json AS headers, '[]'::json AS rows`, values: [] }),
  read: () => ({ headers: new Map(), rows: new Map() }),
  save: ({ rows }) => [
    {
      name: 'names-insert',
      text: 'INSERT INTO names SELECT * FROM unnest($1::text[])',
      values: [[...rows.values()].map((change) => change.row)],
    },
  ],
  readOutcome: (json) => ({ json }),
}

const identity = { clusterId: 'cluster-a', partitionCount: 12 }
let database: TestDatabase
let pool: Pool
let partition = 0

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 4 })
  await pool.query('CREATE TABLE names (name text PRIMARY KEY CHECK (length(name) < 10))')
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

beforeEach(async () => {
  partition++
  await pool.query('TRUNCATE names')
})

const store = () => createPartitionStore(pool, tables, identity)
const idNow = (): PartitionId => ({ topic: 'things', partition })
const names = async () =>
  (await pool.query<{ name: string }>('SELECT name FROM names ORDER BY 1')).rows.map((row) => row.name)

function effects(from: Progress, rows: readonly string[], more: Partial<Effects> = {}): Effects {
  return {
    id: idNow(),
    from,
    to: {
      ...from,
      nextOffset: from.nextOffset + Math.max(1, rows.length),
      logTimeMs: 1_800_000_000_123,
      lastRecord: { digest: 'd', timeMs: 1_800_000_000_123 },
    },
    headers: new Map(),
    rows: new Map(rows.map((row) => [row, { row, created: true }])),
    ledger: [],
    remembered: [],
    deadLetters: [],
    segment: null,
    ...more,
  }
}

describe('the fence', () => {
  test('starts at 0 and moves with each commit, as one transaction', async () => {
    const from = await store().open(idNow())
    expect(from).toEqual({ nextOffset: 0, epoch: 1, logTimeMs: 0, lastRecord: null, eventSeq: 0 })
    const batch = effects(from, ['ann', 'bob'])
    await store().commit(batch)
    expect(await store().open(idNow())).toEqual(batch.to)
    expect(await names()).toEqual(['ann', 'bob'])
  })

  test('of two writers at the same place one commits, the other commits nothing', async () => {
    const from = await store().open(idNow())
    const results = await Promise.allSettled([
      store().commit(effects(from, ['ann'])),
      store().commit(effects(from, ['bob'])),
    ])
    const lost = results.filter((result) => result.status === 'rejected')
    expect(lost).toHaveLength(1)
    expect(lost[0]?.reason).toBeInstanceOf(FencedError)
    expect(await names()).toHaveLength(1)
  })

  test('comes before everything else: a fenced batch of bad data is fenced, not bisected', async () => {
    const from = await store().open(idNow())
    await store().commit(effects(from, ['ann']))
    await expect(store().commit(effects(from, ['a-name-that-is-too-long']))).rejects.toBeInstanceOf(
      FencedError,
    )
  })

  test('stops a writer of an older epoch', async () => {
    const from = await store().open(idNow())
    await pool.query(`UPDATE partition_progress SET epoch = nextval('epochs') WHERE partition = ${partition}`)
    await expect(store().commit(effects(from, ['ann']))).rejects.toBeInstanceOf(FencedError)
    expect(await names()).toEqual([])
  })

  test('is its own: a fenced connection is as good as new afterwards', async () => {
    const from = await store().open(idNow())
    await store().commit(effects(from, ['ann']))
    for (let i = 0; i < 8; i++) {
      await expect(store().commit(effects(from, ['bob']))).rejects.toBeInstanceOf(FencedError)
    }
    const now = await store().open(idNow())
    await store().commit(effects(now, ['cyd']))
    expect(await names()).toEqual(['ann', 'cyd'])
  })
})

describe('a batch that the database refuses', () => {
  test.each([
    ['a duplicate', ['ann', 'bob']],
    ['a violated check', ['a-name-that-is-too-long']],
    ['a NUL character', ['a\0b']],
  ])('for %s is a data error and leaves nothing', async (_what, rows) => {
    const from = await store().open(idNow())
    await store().commit(effects(from, ['ann']))
    const now = await store().open(idNow())
    await expect(store().commit(effects(now, rows))).rejects.toBeInstanceOf(DataError)
    expect(await names()).toEqual(['ann'])
    expect(await store().open(idNow())).toEqual(now)
  })
})

test('a server that goes away is neither fenced nor a data error', async () => {
  const nobody = createPool('postgres://ironsys:x@127.0.0.1:1/ironsys', {
    applicationName: 'test',
    maxConnections: 1,
  })
  const failure = await createPartitionStore(nobody, tables, identity)
    .commit(effects({ nextOffset: 0, epoch: 1, logTimeMs: 0, lastRecord: null, eventSeq: 0 }, ['ann']))
    .catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(Error)
  expect(failure).not.toBeInstanceOf(FencedError)
  expect(failure).not.toBeInstanceOf(DataError)
  await nobody.end()
})

test('a connection cut inside the transaction leaves the pool usable', async () => {
  const from = await store().open(idNow())
  const cut = transact(pool, [
    { name: 'cut', text: 'SELECT pg_terminate_backend(pg_backend_pid())', values: [] },
    { name: 'cut-insert', text: `INSERT INTO names VALUES ('ann')`, values: [] },
  ])
  await expect(cut).rejects.toThrow()
  await store().commit(effects(from, ['bob']))
  expect(await names()).toEqual(['bob'])
})

test('remembered outcomes, dead letters and the outbox are part of the transaction', async () => {
  const commandId = '11111111-1111-4111-8111-111111111111'
  const from = await store().open(idNow())
  const message = { topic: 'events', partition, key: 'k', value: '{"quote":"\\"","snow":"☃"}' }
  await store().commit(
    effects(from, [], {
      remembered: [{ commandId, atMs: 1_800_000_000_000, outcome: { code: 'ok' } }],
      deadLetters: [
        {
          offset: 0,
          atMs: 1,
          commandId,
          key: Buffer.from('k'),
          value: null,
          code: 'malformed',
          detail: 'a\0b',
        },
      ],
      segment: { firstSeq: 1, lastSeq: 1, messages: [message] },
    }),
  )
  const { remembered } = await store().prefetch({ keys: [], rowIds: [], commandIds: [commandId] })
  expect(remembered.get(commandId)).toEqual({ json: { code: 'ok' } })
  const [letters] = await queryAll(pool, [
    {
      name: 'letters',
      text: 'SELECT code, detail, key, value FROM dead_letters WHERE partition = $1',
      values: [partition],
    },
  ])
  expect(letters).toEqual([{ code: 'malformed', detail: 'a\\0b', key: Buffer.from('k'), value: null }])
  const outbox = createOutboxStore(pool)
  expect(await outbox.pendingSegments(idNow(), 0, 10)).toEqual([
    { firstSeq: 1, lastSeq: 1, messages: [message] },
  ])
  await outbox.removePublished(idNow(), 1)
  expect(await outbox.pendingSegments(idNow(), 0, 10)).toEqual([])
})

describe('the deployment', () => {
  const mine = { topic: 'things', clusterId: 'cluster-a', partitionCount: 12, idKeyFingerprint: 'f1' }

  test('is what the database was started with', async () => {
    await store().open(idNow())
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

  test('a writer refuses another log too', async () => {
    await store().open(idNow())
    const other = createPartitionStore(pool, tables, { clusterId: 'cluster-a', partitionCount: 6 })
    await expect(other.open(idNow())).rejects.toBeInstanceOf(LogIdentityError)
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
