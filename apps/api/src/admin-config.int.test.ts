/** Runtime settings over HTTP, on a real Postgres. */
import { createPool, type Pool } from '@ironsys/postgres'
import { createSettingsStore, followSettings, type LiveSettings, type SettingsStore } from '@ironsys/settings'
import { createLogger } from '@ironsys/telemetry'
import { createTcpProxy, createTestDatabase, type TcpProxy, type TestDatabase } from '@ironsys/testing'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readConfig } from './config.ts'
import { createMemoryWorld } from './memory-world.ts'
import { buildOperations } from './operations.ts'
import { settingDefaults } from './runtime-settings.ts'

const config = readConfig({
  DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
  REDIS_URL: 'redis://127.0.0.1:1',
  KAFKA_BROKERS: '127.0.0.1:1',
  ID_KEY: 'a'.repeat(64),
  CURSOR_KEYS: `a:${'a'.repeat(64)}`,
  SLOW_REQUEST_MS: '777',
})

const world = createMemoryWorld()
const audited: Record<string, unknown>[] = []
let database: TestDatabase
let proxy: TcpProxy
let pool: Pool
let store: SettingsStore
let live: LiveSettings
let app: FastifyInstance

beforeAll(async () => {
  database = await createTestDatabase()
  const url = new URL(database.url)
  proxy = await createTcpProxy({ targetHost: url.hostname, targetPort: Number(url.port) })
  url.host = `${proxy.host}:${proxy.port}`
  const timeouts = { statementTimeoutMs: 5000, connectTimeoutMs: 1000 }
  pool = createPool(url.toString(), { applicationName: 'test', maxConnections: 3, ...timeouts })
  store = createSettingsStore(pool)
  const silent = () => undefined
  const observer = {
    looked: silent,
    changed: silent,
    ignored: silent,
    lost: silent,
    found: silent,
    failed: silent,
  }
  live = await followSettings({ store, observer, random: Math.random }, settingDefaults(config))
  const destination = { write: (line: string) => void audited.push(JSON.parse(line)) }
  const auditLog = createLogger({ name: 'admin-audit', level: 'info', destination })
  const deps = { ...world.deps, auditLog, deadLetters: () => null, settings: () => ({ live, store }) }
  app = buildOperations(deps, { instanceId: 'test' })
})
beforeEach(async () => {
  await pool.query('TRUNCATE runtime_settings RESTART IDENTITY')
  await live.refresh()
  audited.length = 0
})
afterAll(async () => {
  await app?.close()
  await live?.close()
  await pool?.end()
  await proxy?.close()
  await database?.drop()
  await world.app.close()
})

async function call(method: 'GET' | 'PUT' | 'POST', url: string, payload?: object, headers = {}) {
  const answer = await app.inject({ method, url, headers, ...(payload && { payload }) })
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() }
}
const put = (settings: object, more: object = {}, headers = {}) =>
  call('PUT', '/admin/config', { settings, ...more }, headers)
const get = () => call('GET', '/admin/config')

test('what is in force is shown whole, beside what is stored and what the environment gives', async () => {
  const { status, headers, body } = await get()
  expect([status, headers.etag, headers['cache-control']]).toEqual([200, '"0"', 'private, no-store'])
  expect(body).toEqual({
    version: 0,
    settings: settingDefaults(config),
    overrides: {},
    defaults: settingDefaults(config),
    changed_by: null,
    changed_at: null,
    note: null,
    ignored: null,
  })
  expect(body.settings.slowRequestMs).toBe(777)
})

test('a change answers the whole with its version, and is in force by then; null takes it back', async () => {
  const { status, headers, body } = await put({ slowRequestMs: 5, logLevel: 'warn' }, { note: 'a test' })
  expect([status, headers.etag]).toEqual([200, '"1"'])
  expect(body).toMatchObject({
    version: 1,
    overrides: { slowRequestMs: 5, logLevel: 'warn' },
    changed_by: expect.stringContaining('127.0.0.1'),
    note: 'a test',
  })
  expect(body.settings).toEqual({ ...settingDefaults(config), slowRequestMs: 5, logLevel: 'warn' })
  expect(live.now()).toEqual(body.settings)
  expect((await get()).body).toEqual(body)
  expect((await put({ slowRequestMs: null })).body.settings.slowRequestMs).toBe(777)
  expect((await put({})).headers.etag).toBe('"2"')
})

test('If-Match: of two who have read the same version one changes it, the other is told', async () => {
  await put({ slowRequestMs: 5 })
  const changes = await Promise.all([6, 7].map((ms) => put({ slowRequestMs: ms }, {}, { 'if-match': '"1"' })))
  expect(changes.map(({ status }) => status).sort()).toEqual([200, 412])
  expect(changes.find(({ status }) => status === 412)?.body).toMatchObject({
    code: 'config-changed',
    detail: 'The newest version is 2.',
  })
  expect((await put({ slowRequestMs: 8 }, {}, { 'if-match': '*' })).status).toBe(200)
  for (const tag of ['1', 'W/"1"', '"x"', '"1", "2"', '']) {
    expect((await put({ slowRequestMs: 9 }, {}, { 'if-match': tag })).body).toMatchObject({
      code: 'invalid-request',
      errors: [{ in: 'header', pointer: '/if-match' }],
    })
  }
})

test.each<[object, string]>([
  [{ settings: { nothing: 1 } }, '/settings/nothing'],
  [{ settings: { slowRequestMs: -1 } }, '/settings/slowRequestMs'],
  [{ settings: { slowRequestMs: 1.5 } }, '/settings/slowRequestMs'],
  [{ settings: { slowRequestMs: '5' } }, '/settings/slowRequestMs'],
  [{ settings: { rateIpPerSecond: 0.0001 } }, '/settings/rateIpPerSecond'],
  [{ settings: { logLevel: 'loud' } }, '/settings/logLevel'],
  [{ settings: { traceRatio: 2 } }, '/settings/traceRatio'],
  [{ settings: {}, more: 1 }, '/more'],
  [{ settings: [] }, '/settings'],
  [{ settings: {}, note: '' }, '/note'],
  [{ settings: {}, note: 'a\u0000b' }, '/note'],
  [{ settings: {}, note: '\ud800' }, '/note'],
  [{ settings: {}, note: 'x'.repeat(501) }, '/note'],
  [{}, '/settings'],
])('%j is refused, with a pointer, and nothing is stored', async (body, pointer) => {
  const answer = await call('PUT', '/admin/config', body)
  expect(answer.status).toBe(422)
  expect(answer.body).toMatchObject({ code: 'invalid-request', errors: [{ in: 'body', pointer }] })
  expect(await store.newest()).toBeNull()
})

test('several faults are named at once', async () => {
  const { body } = await put({ slowRequestMs: -1, logLevel: 'loud', nothing: 1 })
  expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
    '/settings/logLevel',
    '/settings/nothing',
    '/settings/slowRequestMs',
  ])
})

describe('the history', () => {
  test('has every version, the newest first, in pages', async () => {
    for (const ms of [1, 2, 3]) await put({ slowRequestMs: ms })
    const first = await call('GET', '/admin/config/history?limit=2')
    expect(first.body.items).toMatchObject([
      { version: 3, overrides: { slowRequestMs: 3 }, unreadable: null },
      { version: 2 },
    ])
    const second = await call('GET', `/admin/config/history?limit=2&cursor=${first.body.next_cursor}`)
    expect(second.body).toMatchObject({ items: [{ version: 1 }], next_cursor: null })
    expect((await call('GET', '/admin/config/history?limit=0')).status).toBe(422)
  })
})

describe('a roll-back', () => {
  test('is to the version before, with no body at all, or to the one that is named', async () => {
    for (const ms of [1, 2]) await put({ slowRequestMs: ms })
    expect((await call('POST', '/admin/config/rollback')).body).toMatchObject({
      version: 3,
      overrides: { slowRequestMs: 1 },
    })
    expect(live.now().slowRequestMs).toBe(1)
    const named = await call(
      'POST',
      '/admin/config/rollback',
      { version: 2, note: 'back' },
      { 'if-match': '"3"' },
    )
    expect(named.body).toMatchObject({ version: 4, overrides: { slowRequestMs: 2 }, note: 'back' })
    expect((await call('POST', '/admin/config/rollback', { version: 0 })).body.overrides).toEqual({})
  })

  test('to what is not there, or past what somebody stored meanwhile, is refused', async () => {
    const roll = (body?: object, headers = {}) => call('POST', '/admin/config/rollback', body, headers)
    expect(await roll()).toMatchObject({ status: 404, body: { code: 'config-version-not-found' } })
    await put({ slowRequestMs: 1 })
    expect(await roll({ version: 9 })).toMatchObject({ status: 404 })
    expect(await roll({}, { 'if-match': '"0"' })).toMatchObject({ status: 412 })
    expect(await roll({ version: -1 })).toMatchObject({ status: 422 })
  })
})

test('what only other software can read is shown as ignored, refused as the ground of a change, and rolled back', async () => {
  await put({ slowRequestMs: 5 })
  await pool.query(
    `INSERT INTO runtime_settings (settings, changed_by) VALUES ('{"somethingNew": 1}', 'newer')`,
  )
  await live.refresh()
  expect((await get()).body).toMatchObject({
    version: 1,
    settings: { slowRequestMs: 5 },
    ignored: {
      version: 2,
      overrides: { somethingNew: 1 },
      unreadable: expect.stringContaining('somethingNew'),
    },
  })
  expect(await put({ logOneOf: 1 })).toMatchObject({ status: 409, body: { code: 'config-unreadable' } })
  expect((await call('POST', '/admin/config/rollback')).body).toMatchObject({ version: 3, ignored: null })
})

test('what is done is audited with what it changed; what is refused as well', async () => {
  const { headers } = await put({ slowRequestMs: 5 }, { note: 'noise' })
  await put({ slowRequestMs: -1 })
  await get()
  expect(audited).toMatchObject([
    {
      name: 'admin-audit',
      request_id: headers['x-request-id'],
      version: 1,
      note: 'noise',
      changes: ['slowRequestMs: default → 5'],
    },
    { request_id: headers['x-request-id'], action: 'PUT /admin/config', status: 200, outcome: 'ok' },
    { action: 'PUT /admin/config', status: 422, outcome: 'invalid-request' },
  ])
})

test('while Postgres is away what is in force is shown all the same, and a change is refused as unavailable', async () => {
  await put({ slowRequestMs: 5 })
  proxy.stall()
  try {
    expect((await get()).body.settings.slowRequestMs).toBe(5)
    // Nothing is known of it: the connection is cut while it is on its way.
    const refused = put({ slowRequestMs: 6 })
    await expect.poll(() => proxy.connections(), { timeout: 10_000 }).toBeGreaterThan(0)
    proxy.cutAll()
    expect(await refused).toMatchObject({ status: 503, body: { code: 'config-unavailable' } })
  } finally {
    proxy.resume()
  }
  await expect.poll(async () => (await put({ slowRequestMs: 7 })).status, { timeout: 15_000 }).toBe(200)
})
