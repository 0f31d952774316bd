/** Versions in Postgres: what is stored, who loses of two, what is rolled back, what is kept. */
import { createPool, type Pool } from '@ironsys/postgres'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SettingsPatch } from './overrides.ts'
import { createSettingsStore, type SettingsStore, VERSIONS_KEPT } from './settings-store.ts'

const CONNECTIONS = 6

let database: TestDatabase
let pool: Pool
let store: SettingsStore

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: CONNECTIONS })
  // Open before they are used at once: who has to connect first comes too late to race.
  const opened = await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.connect()))
  for (const client of opened) client.release()
  store = createSettingsStore(pool)
})
beforeEach(() => pool.query('TRUNCATE runtime_settings RESTART IDENTITY'))
afterAll(async () => {
  await pool?.end()
  await database?.drop()
})

const request = (ifVersion: number | null = null, note: string | null = null) => ({
  by: 'ann',
  note,
  ifVersion,
})
const change = (patch: SettingsPatch, ifVersion: number | null = null) =>
  store.change(patch, request(ifVersion))
const rollBack = (version: number | null, ifVersion: number | null = null) =>
  store.rollBack(version, request(ifVersion))
const storeRaw = (settings: object) =>
  pool.query(`INSERT INTO runtime_settings (settings, changed_by) VALUES ($1, 'newer software')`, [settings])
const numbers = async () => (await store.history(VERSIONS_KEPT)).map(({ version }) => version)

test('a change is a new version with who, when and why; what it does not name stays', async () => {
  expect(await store.newest()).toBeNull()
  await change({ slowRequestMs: 10, logLevel: 'warn' })
  const changed = await store.change(
    { slowRequestMs: 20, rateIpPerSecond: 0.5 },
    request(1, 'too much noise'),
  )
  const to = {
    version: 2,
    overrides: { slowRequestMs: 20, logLevel: 'warn', rateIpPerSecond: 0.5 },
    changedBy: 'ann',
    changedAt: expect.stringMatching(/^20.*\.\d{3}Z$/),
    note: 'too much noise',
  }
  expect(changed).toMatchObject({ result: 'changed', from: { version: 1 }, to })
  expect(await store.newest()).toEqual(to)
})

test('what changes nothing stores nothing', async () => {
  expect(await change({ logLevel: null })).toEqual({ result: 'unchanged', at: null })
  await change({ slowRequestMs: 10 })
  expect(await change({ slowRequestMs: 10 })).toMatchObject({ result: 'unchanged', at: { version: 1 } })
  expect(await numbers()).toEqual([1])
})

test('what is out of bounds stores nothing and leaves no lock', async () => {
  await expect(change({ slowRequestMs: -1 })).rejects.toThrow('slowRequestMs')
  expect(await change({ slowRequestMs: 1 })).toMatchObject({ result: 'changed' })
})

describe('of many at once', () => {
  test('who names a version that is not the newest changes nothing: exactly one passes', async () => {
    await change({ slowRequestMs: 1 })
    const results = await Promise.all(
      Array.from({ length: CONNECTIONS }, (_, i) => change({ slowRequestMs: 100 + i }, 1)),
    )
    const passed = results.filter(({ result }) => result === 'changed')
    expect(passed).toHaveLength(1)
    expect(results.filter(({ result }) => result === 'conflict')).toEqual(
      Array.from({ length: CONNECTIONS - 1 }, () => ({ result: 'conflict', newest: 2 })),
    )
    expect(await numbers()).toEqual([2, 1])
  })

  test('who names none is laid over what the others stored: nobody is lost', async () => {
    await Promise.all([
      change({ slowRequestMs: 1 }),
      change({ logOneOf: 2 }),
      change({ cacheFreshMs: 30 }),
      change({ rateIpBurst: 4 }),
      change({ breakerVolume: 5 }),
    ])
    expect(await store.newest()).toMatchObject({
      version: 5,
      overrides: { slowRequestMs: 1, logOneOf: 2, cacheFreshMs: 30, rateIpBurst: 4, breakerVolume: 5 },
    })
  })
})

describe('rolled back', () => {
  test('is to the version before; again, it is what was rolled back', async () => {
    await change({ slowRequestMs: 1 })
    await change({ slowRequestMs: 2, logLevel: 'warn' })
    expect(await rollBack(null)).toMatchObject({
      result: 'changed',
      from: { version: 2 },
      to: { version: 3, overrides: { slowRequestMs: 1 } },
    })
    expect(await rollBack(null)).toMatchObject({ to: { overrides: { slowRequestMs: 2, logLevel: 'warn' } } })
  })

  test('is to any version that is kept, and to 0: nothing stored', async () => {
    await change({ slowRequestMs: 1 })
    await change({ slowRequestMs: 2 })
    await change({ slowRequestMs: 3 })
    expect(await rollBack(1)).toMatchObject({ to: { version: 4, overrides: { slowRequestMs: 1 } } })
    expect(await rollBack(0)).toMatchObject({ to: { version: 5, overrides: {} } })
    expect(await rollBack(0)).toMatchObject({ result: 'unchanged' })
    expect(await rollBack(6)).toEqual({ result: 'no-such-version' })
    expect(await rollBack(1, 4)).toEqual({ result: 'conflict', newest: 5 })
  })

  test('the first version is to nothing stored; without any there is nothing to roll back', async () => {
    expect(await rollBack(null)).toEqual({ result: 'no-such-version' })
    await change({ slowRequestMs: 1 })
    expect(await rollBack(null)).toMatchObject({ to: { overrides: {} } })
  })
})

test('of what only other software can read no part can be changed: it is rolled back, or left', async () => {
  await change({ slowRequestMs: 1 })
  await storeRaw({ slowRequestMs: 2, somethingNew: true })
  expect(await change({ logOneOf: 1 })).toMatchObject({
    result: 'unreadable',
    version: { version: 2, stored: { slowRequestMs: 2, somethingNew: true } },
  })
  expect(await store.newestReadable()).toMatchObject({ version: 1 })
  expect(await rollBack(2)).toMatchObject({ result: 'unreadable' })
  expect(await rollBack(null)).toMatchObject({
    result: 'changed',
    from: null,
    to: { version: 3, overrides: { slowRequestMs: 1 } },
  })
  expect(await change({ logOneOf: 1 })).toMatchObject({ result: 'changed' })
})

test('pages of the history are the newest first, and the last thousand are kept', async () => {
  await pool.query(`INSERT INTO runtime_settings (settings, changed_by)
    SELECT jsonb_build_object('slowRequestMs', n), 'bob' FROM generate_series(1, ${VERSIONS_KEPT + 5}) AS n`)
  await change({ slowRequestMs: 0 })
  const kept = await numbers()
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([VERSIONS_KEPT, VERSIONS_KEPT + 6, 7])
  const page = await store.history(2, 100)
  expect(page.map(({ version }) => version)).toEqual([99, 98])
})
