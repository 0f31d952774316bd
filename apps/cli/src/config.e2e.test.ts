/** Settings of a running system: changed by the command line and by HTTP, in force at every API process. */
import { createPool, type Pool } from '@ironsys/postgres'
import { type Client, createClient, startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { commandLineOf } from './command-line.fixture.ts'

const DEADLINE = { timeout: 20_000, interval: 10 }
const NO_SLOT = '/slots/00000000-0000-4000-8000-00000000dead'

interface Shown {
  readonly version: number
  readonly settings: Readonly<Record<string, unknown>>
  readonly ignored: unknown
}

let system: TestSystem
let apis: TestApp[]
let pool: Pool
let ironsys: ReturnType<typeof commandLineOf>

beforeAll(async () => {
  system = await startSystem()
  apis = await Promise.all([system.startApi(), system.startApi({ SLOW_REQUEST_MS: '777' })])
  pool = createPool(system.databaseUrl, { applicationName: 'test', maxConnections: 1 })
  ironsys = commandLineOf(system)
})

afterAll(async () => {
  await pool?.end()
  await system?.close()
})

const admin = (api: TestApp): Client => createClient(api.operationsUrl)
const shown = async (api: TestApp) => (await admin(api).call<Shown>('GET', '/admin/config')).body
const allAt = (version: number) =>
  vi.waitFor(async () => {
    for (const api of apis) expect((await shown(api)).version).toBe(version)
  }, DEADLINE)

test('a change by the command line is in force at every process, and one command takes it back', async () => {
  const set = await ironsys('config', 'set', 'rateIpPerSecond=0.01', 'rateIpBurst=4', '--note', 'a flood')
  expect(set.stdout).toContain('rateIpBurst      RATE_IP_BURST, else 2000 requests')
  expect(set).toMatchObject({ code: 0, stdout: expect.stringContaining('stored as version 1') })
  await allAt(1)
  const statuses = apis.map(() => new Set<number>())
  await vi.waitFor(async () => {
    for (const [index, api] of apis.entries()) {
      statuses[index]?.add((await createClient(api.url).call('GET', NO_SLOT)).status)
    }
    for (const seen of statuses) expect(seen).toContain(429)
  }, DEADLINE)

  const rolledBack = await ironsys('config', 'rollback')
  expect(rolledBack).toMatchObject({ code: 0, stdout: expect.stringContaining('stored as version 2') })
  await allAt(2)
  await vi.waitFor(async () => {
    for (const api of apis) expect((await createClient(api.url).call('GET', NO_SLOT)).status).toBe(404)
  }, DEADLINE)
  const { stdout } = await ironsys('config', 'history')
  expect(stdout).toMatch(/^version 2, .*\n +rateIpPerSecond .*\n(.*\n)*version 1, .*: a flood\n/)
})

test('the level of the log follows, and what is not stored is what each process was started with', async () => {
  const [first, second] = await Promise.all(apis.map(shown))
  expect([first?.settings.slowRequestMs, second?.settings.slowRequestMs]).toEqual([1000, 777])
  expect((await ironsys('config', 'set', 'logLevel=debug', 'slowRequestMs=778')).code).toBe(0)
  await vi.waitFor(async () => {
    for (const api of apis) {
      await createClient(api.url).call('GET', '/slots')
      expect((await shown(api)).settings.slowRequestMs).toBe(778)
      expect(api.log()).toMatch(/"level":"debug".*"route":"\/slots"/)
    }
  }, DEADLINE)
  expect((await ironsys('config', 'set', 'logLevel=default', 'slowRequestMs=default')).code).toBe(0)
  await vi.waitFor(async () => {
    const after = await Promise.all(apis.map(shown))
    expect(after.map(({ settings }) => settings.slowRequestMs)).toEqual([1000, 777])
  }, DEADLINE)
})

test('by HTTP it is in force where it was asked for before it is answered, and at the others soon', async () => {
  const [here, there] = apis
  if (here === undefined || there === undefined) throw new Error('two processes were started')
  // Each change comes right after the others' last look: it has the longest way.
  const laterMs: number[] = []
  for (let n = 1; n <= 10; n++) {
    const beganMs = performance.now()
    const { status, body } = await admin(here).call<Shown>('PUT', '/admin/config', {
      settings: { slowRequestMs: n },
    })
    expect([status, body.settings.slowRequestMs]).toEqual([200, n])
    expect((await shown(here)).settings.slowRequestMs).toBe(n)
    await allAt(body.version)
    laterMs.push(performance.now() - beganMs)
  }
  const [worst = 0, median = 0] = [Math.max(...laterMs), laterMs.sort((a, b) => a - b)[5]]
  process.stdout.write(
    `from PUT to in force at both processes: median ${median.toFixed(0)} ms, longest of 10 ${worst.toFixed(0)} ms\n`,
  )
})

test('a version of other software is ignored loudly, by the command line too, until it is rolled back', async () => {
  const before = await Promise.all(apis.map(shown))
  await pool.query(
    `INSERT INTO runtime_settings (settings, changed_by) VALUES ('{"somethingNew": 1}', 'newer')`,
  )
  await vi.waitFor(async () => {
    for (const api of apis)
      expect((await shown(api)).ignored).toMatchObject({ overrides: { somethingNew: 1 } })
  }, DEADLINE)
  expect((await Promise.all(apis.map(shown))).map(({ settings }) => settings)).toEqual(
    before.map(({ settings }) => settings),
  )
  for (const api of apis) {
    expect(api.log()).toMatch(/"level":"error".*"the newest settings cannot be read here and are ignored"/)
    const metrics = await fetch(`${api.operationsUrl}/metrics`)
    expect(await metrics.text()).toMatch(/^ironsys_settings_ignored_version [1-9]/m)
  }
  const refused = await ironsys('config', 'set', 'logOneOf=5')
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^ironsys: version \d+ is of other software/),
  })
  expect((await ironsys('config', 'rollback')).code).toBe(0)
  await vi.waitFor(async () => {
    for (const api of apis) expect((await shown(api)).ignored).toBeNull()
  }, DEADLINE)
})

test('nothing is stored by a dry run, nor where nothing changes', async () => {
  const { version } = await shown(apis[0] as TestApp)
  expect(await ironsys('config', 'set', 'logOneOf=5', '--dry-run')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/logOneOf .* → .* 5 requests\nnothing was stored\n$/),
  })
  expect((await ironsys('config', 'set', 'logOneOf=default')).stdout).toMatch(/^nothing changes: version/)
  const got = await ironsys('config', 'get', '--json')
  expect(JSON.parse(got.stdout)).toMatchObject({ version })
  expect(await ironsys('config', 'rollback', '999999')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^ironsys: there is no version 999999/),
  })
})
