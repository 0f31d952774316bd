/** Processes that follow the same table in a real Postgres, which freezes and is cut off. */
import { createPool, type Pool } from '@ironsys/postgres'
import { createTcpProxy, createTestDatabase, type TcpProxy, type TestDatabase } from '@ironsys/testing'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import {
  followSettings,
  type LiveSettings,
  type SettingsObserver,
  STORE_TIMEOUT_MS,
} from './live-settings.ts'
import { createSettingsStore, type SettingsStore } from './settings-store.ts'
import { type Settings, settingNames, settingOf, settingsSchema } from './settings-table.ts'

const DEADLINE = { timeout: 20_000, interval: 20 }
const request = { by: 'ann', note: null, ifVersion: null }
const defaults: Settings = settingsSchema.parse(
  Object.fromEntries(settingNames.map((name) => [name, settingOf(name).standard])),
)

let database: TestDatabase
let operator: Pool
let store: SettingsStore
let closers: (() => Promise<unknown>)[]

beforeAll(async () => {
  database = await createTestDatabase()
  operator = createPool(database.url, { applicationName: 'test', maxConnections: 2 })
  store = createSettingsStore(operator)
})
beforeEach(async () => {
  closers = []
  await operator.query('TRUNCATE runtime_settings RESTART IDENTITY')
})
afterEach(async () => {
  for (const close of closers.reverse()) await close()
})
afterAll(async () => {
  await operator?.end()
  await database?.drop()
})

interface Instance {
  readonly live: LiveSettings
  readonly told: string[]
}

/** As a process does it, with a pool of its own. */
async function start(url = database.url): Promise<Instance> {
  const told: string[] = []
  const observer: SettingsObserver = {
    looked: () => undefined,
    changed: (to) => void told.push(`changed ${to?.version}`),
    ignored: (version) => void told.push(`ignored ${version?.version ?? 'none'}`),
    lost: () => void told.push('lost'),
    found: () => void told.push('found'),
    failed: (error) => void told.push(`failed ${error}`),
  }
  const pool = createPool(url, {
    applicationName: 'test-settings',
    maxConnections: 2,
    statementTimeoutMs: STORE_TIMEOUT_MS,
    connectTimeoutMs: STORE_TIMEOUT_MS,
  })
  closers.push(() => pool.end())
  const deps = { store: createSettingsStore(pool), observer, random: Math.random }
  const live = await followSettings(deps, defaults)
  closers.push(() => live.close())
  return { live, told }
}

async function startBehindProxy(): Promise<Instance & { readonly proxy: TcpProxy }> {
  const { hostname, port } = new URL(database.url)
  const proxy = await createTcpProxy({ targetHost: hostname, targetPort: Number(port) })
  closers.push(() => proxy.close())
  const url = new URL(database.url)
  url.host = `${proxy.host}:${proxy.port}`
  return { ...(await start(url.toString())), proxy }
}

const slowMs = ({ live }: Instance) => live.now().slowRequestMs
const bothAt = (instances: readonly Instance[], ms: number) =>
  vi.waitFor(() => expect(instances.map(slowMs)).toEqual(instances.map(() => ms)), DEADLINE)

test('two instances take a change over, and its roll-back', async () => {
  const instances = [await start(), await start()]
  await store.change({ slowRequestMs: 5 }, request)
  await bothAt(instances, 5)
  await store.rollBack(null, request)
  await bothAt(instances, defaults.slowRequestMs)
})

test('a row of other software is ignored by those who run and by those who start; a good one ends that', async () => {
  await store.change({ slowRequestMs: 5 }, request)
  const early = await start()
  await operator.query(
    `INSERT INTO runtime_settings (settings, changed_by) VALUES ('{"slowRequestMs": 6, "somethingNew": 1}', 'x')`,
  )
  await vi.waitFor(() => expect(early.told).toContain('ignored 2'), DEADLINE)
  const late = await start()
  expect([slowMs(early), slowMs(late), late.live.ignored()?.version]).toEqual([5, 5, 2])
  await store.rollBack(null, request)
  await vi.waitFor(
    () => expect([early, late].map(({ live }) => live.version()?.version)).toEqual([3, 3]),
    DEADLINE,
  )
})

test('a Postgres that freezes takes nothing away, and is followed again when it answers', async () => {
  const frozen = await startBehindProxy()
  const other = await start()
  await store.change({ slowRequestMs: 5 }, request)
  await bothAt([frozen, other], 5)
  frozen.proxy.stall()
  await store.change({ slowRequestMs: 6 }, request)
  await bothAt([other], 6)
  await vi.waitFor(() => expect(frozen.told).toContain('lost'), DEADLINE)
  expect(slowMs(frozen)).toBe(5)
  frozen.proxy.resume()
  await bothAt([frozen, other], 6)
  await vi.waitFor(() => expect(frozen.told.at(-1)).toBe('found'), DEADLINE)
})

test('so does one that cuts connections', async () => {
  const cut = await startBehindProxy()
  await store.change({ slowRequestMs: 5 }, request)
  await bothAt([cut], 5)
  for (let n = 6; n < 9; n++) {
    cut.proxy.cutAll()
    await store.change({ slowRequestMs: n }, request)
    await bothAt([cut], n)
  }
})
