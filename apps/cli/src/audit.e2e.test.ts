/** `./ironsys audit` as an operator runs it: exit codes, what is said where, and a repair on a running system. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { checkout } from '@ironsys/local'
import { createPool, type Pool } from '@ironsys/postgres'
import { type Client, createClient, startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

let system: TestSystem
let worker: TestApp
let client: Client
let pool: Pool
let slotId: string

beforeAll(async () => {
  system = await startSystem()
  const apps = await Promise.all([system.startApi(), system.startWorker()])
  worker = apps[1]
  client = createClient(apps[0].url)
  pool = createPool(system.databaseUrl, { applicationName: 'test', maxConnections: 1 })
  slotId = await client.createSlot(10)
  for (const quantity of [1, 2, 3]) await client.reserve(slotId, { quantity })
})

afterAll(async () => {
  await pool?.end()
  await system?.close()
})

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function audit(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const env = {
    PATH: '/usr/bin:/bin',
    DATABASE_URL: system.databaseUrl,
    REDIS_URL: system.redisUrl,
    KAFKA_BROKERS: system.kafkaBrokers.join(),
    ...environment,
  }
  const main = join(checkout, 'apps', 'cli', 'src', 'main.ts')
  const running = promisify(execFile)(process.execPath, [main, 'audit', ...args], { env, cwd: checkout })
  running.child.stdin?.end()
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Ended) => error,
  )
}

const confirmed = (units: number) =>
  pool.query('UPDATE slots SET confirmed = $1 WHERE id = $2', [units, slotId])

test('a healthy system is clean, in a table and as JSON', async () => {
  const [text, json] = await Promise.all([audit([]), audit(['--json'])])
  expect(text).toMatchObject({ code: 0 })
  expect(text.stdout).toMatch(/^check +checked +findings/)
  expect(text.stdout).toMatch(/^ledger-entries +4 entries +0 /m)
  expect(text.stdout).toMatch(/^outcomes +4 commands +0 /m)
  expect(text.stdout).toMatch(/^clean: nothing found/m)
  expect(json).toMatchObject({ code: 0 })
  expect(JSON.parse(json.stdout)).toMatchObject({
    clean: true,
    complete: true,
    findings: [],
    findings_total: 0,
  })
})

test('one ledger row changed by hand is named, with what to do, and the exit code is 1', async () => {
  const change = (units: number) =>
    pool.query('UPDATE slot_ledger SET confirmed_delta = $1 WHERE slot_id = $2 AND version = 3', [
      units,
      slotId,
    ])
  await change(1)
  const { code, stdout } = await audit(['--slot', slotId, '--only', 'ledger-entries'])
  await change(2)
  expect(code).toBe(1)
  expect(stdout).toContain(
    `FOUND  ledger-entries: slot ${slotId}, version 3: confirmed_delta is 1, its event makes 2  → cannot be derived`,
  )
  expect(stdout).not.toContain('outcomes')
})

test('a repair shows what it changes, needs a yes, and the system goes on with what was repaired', async () => {
  await confirmed(1)
  const asked = await audit(['--repair'])
  expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') })
  expect(asked.stdout).toContain(`slot ${slotId}:\n  slot confirmed: 1 → 6`)
  expect((await pool.query('SELECT confirmed FROM slots WHERE id = $1', [slotId])).rows).toEqual([
    { confirmed: 1 },
  ])

  const done = await audit(['--repair', '--yes'])
  expect(done).toMatchObject({ code: 0 })
  expect(done.stdout).toMatch(/repaired in epoch \d+, snapshot written/)
  expect(done.stdout).toMatch(/clean: nothing found/)
  await vi.waitFor(async () => {
    const { body, headers } = await client.call('GET', `/slots/${slotId}`)
    expect(body).toMatchObject({ reserved_count: 6, version: 4 })
    expect(headers.get('etag')).not.toBe('W/"1.4"')
  }, 10_000)
  expect(await client.reserve(slotId, { quantity: 4 })).toMatchObject({
    status: 201,
    body: { slot_version: 5 },
  })
  expect(await client.reserve(slotId)).toMatchObject({ status: 409 })
  expect(await client.audit(slotId)).toMatchObject({ confirmed: 10, balanced: true })
  const { code, stdout } = await audit(['--json'])
  expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, clean: true })
})

test('a writer that has read the wrong state is made to read it again', async () => {
  const other = await client.createSlot(3)
  await client.reserve(other, { quantity: 3 })
  await worker.end('SIGTERM')
  await pool.query('UPDATE slots SET confirmed = 2 WHERE id = $1', [other])
  worker = await system.startWorker()
  const patch = (body: object) => client.call('PATCH', `/slots/${other}`, body, { prefer: 'wait=20' })
  expect(await patch({ name: 'Read wrong' })).toMatchObject({ status: 200, body: { available: 1 } })
  expect((await audit(['--slot', other, '--repair', '--yes', '--json'])).code).toBe(0)
  expect(await patch({ name: 'Read again' })).toMatchObject({ status: 200, body: { available: 0 } })
  expect(await client.audit(other)).toMatchObject({ confirmed: 3, balanced: true })
})

test('what cannot be checked is said, and the exit code is 3', async () => {
  const without = await audit(['--json'], { REDIS_URL: 'redis://127.0.0.1:1' })
  expect(without.code).toBe(3)
  expect(JSON.parse(without.stdout)).toMatchObject({ clean: false, complete: false, findings_total: 0 })
  const unknown = await audit(['--slot', crypto.randomUUID()])
  expect(unknown).toMatchObject({ code: 3, stdout: expect.stringContaining('there is no slot') })
})

test('what is clean has nothing to repair', async () => {
  expect(await audit(['--repair'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('\nnothing to repair'),
  })
})

test('a negative number of records is refused in plain words', async () => {
  expect(await audit(['--log', '-1'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--log: -1 is not a whole number from 1'),
  })
})

test.each([
  ['--only', 'everything'],
  ['--slot', 'first'],
  ['--log', 'some'],
  ['--log', '0'],
  ['--yes'],
  ['--repair', '--json'],
  ['--slot', '8b7f2a10-5f54-4c1a-9d3e-0a1b2c3d4e5f', '--only', 'partitions'],
])('%s %s is wrong usage', async (...args) => {
  expect(await audit(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('usage:') })
})
