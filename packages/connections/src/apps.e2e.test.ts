/** The API and a worker as processes, with nothing but TLS and passwords between them and their servers. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { topicSettings, topics } from '@ironsys/contracts'
import { createLogAdmin, silentLogger } from '@ironsys/kafka'
import { type Addresses, checkout, run, testFolder } from '@ironsys/local'
import { migrate } from '@ironsys/postgres'
import {
  appEnvironment,
  createClient,
  endApp,
  type LaunchedApp,
  launchApp,
  waitAppReady,
} from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { password, type SecureServers, startSecureServers, user } from './secure-servers.fixture.ts'
import { kafkaSecurity, securityEnvironment } from './security.ts'

const PARTITIONS = 2
const DEADLINE_MS = 40_000

const secrets = new RegExp(`c0ffee|ironsys:ironsys|${password}|${encodeURIComponent(password)}`)

const started: LaunchedApp[] = []
let servers: SecureServers
let environment: Readonly<Record<string, string>>

beforeAll(async () => {
  servers = await startSecureServers()
  const { certificates, postgresPort, redisPort, kafkaPort } = servers
  const ca = certificates.caFile
  const addresses: Addresses = {
    databaseUrl: `postgres://ironsys:ironsys@127.0.0.1:${postgresPort}/ironsys?sslmode=verify-full&sslrootcert=${ca}`,
    redisUrl: `rediss://${user}:${encodeURIComponent(password)}@127.0.0.1:${redisPort}`,
    kafkaBrokers: [`127.0.0.1:${kafkaPort}`],
  }
  const security = {
    REDIS_CA_FILE: ca,
    KAFKA_TLS: 'yes',
    KAFKA_CA_FILE: ca,
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    KAFKA_USERNAME: user,
    KAFKA_PASSWORD: password,
  }
  environment = { ...appEnvironment(addresses, PARTITIONS), ...security, LOG_LEVEL: 'debug' }
  await migrate(addresses.databaseUrl)
  const admin = createLogAdmin({
    brokers: addresses.kafkaBrokers,
    clientId: 'test',
    logger: silentLogger,
    security: kafkaSecurity(z.object(securityEnvironment).parse(security)),
  })
  const plans = Object.values(topics).map((topic) => ({
    topic,
    partitions: PARTITIONS,
    settings: topicSettings,
  }))
  await admin.ensureTopics(plans).finally(() => admin.close())
}, 120_000)

afterAll(async () => {
  for (const { running } of started) if (!running.hasExited()) await endApp(running)
  await servers?.close()
}, 60_000)

async function start(
  app: 'api' | 'worker',
  more: Readonly<Record<string, string>> = {},
): Promise<LaunchedApp> {
  const name = `${app}-${started.length}`
  const launched = await launchApp({
    app,
    name,
    folder: testFolder(process.pid),
    environment: { ...environment, ...more },
  })
  started.push(launched)
  return launched
}

test('a slot is made, decided, read and audited, and no log says a password', async () => {
  const [api, worker] = await Promise.all([start('api'), start('worker')])
  await Promise.all([waitAppReady(api), waitAppReady(worker)])
  const client = createClient(api.url)
  expect((await client.reserve(await client.createSlot(1))).status).toBe(201)
  for (const args of [['topics'], ['lag', '--once'], ['audit', '--log', '10']]) {
    expect(await commandLine(args)).toEqual({ args, code: 0, output: expect.any(String) })
  }
  for (const { running } of [api, worker]) expect(readFileSync(running.logPath, 'utf8')).not.toMatch(secrets)
}, 120_000)

test('the command line says why a password is refused, and not what it is', async () => {
  const { code, output } = await commandLine(['topics'], { KAFKA_PASSWORD: 'c0ffee' })
  expect(output).toMatch(/^ironsys: .*authentication failed/i)
  expect(code).toBe(1)
  expect(output).not.toMatch(secrets)
}, 60_000)

async function commandLine(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const main = join(checkout, 'apps', 'cli', 'src', 'main.ts')
  const env = { PATH: '/usr/bin:/bin', ...environment, ...more }
  const { code, output } = await run(process.execPath, [main, ...args], { env })
  return { args, code, output }
}

test.each([
  [
    'DATABASE_URL',
    () => (environment.DATABASE_URL ?? '').replace(':ironsys@', ':c0ffee@'),
    /password authentication failed/,
  ],
  ['REDIS_URL', () => (environment.REDIS_URL ?? '').replace(/:[^:@]*@/, ':c0ffee@'), /WRONGPASS/],
  ['KAFKA_PASSWORD', () => 'c0ffee', /[Aa]uthentication failed/],
])(
  'the API says why %s is refused, and not what it is',
  async (name, wrong, reason) => {
    const { running } = await start('api', { [name]: wrong() })
    const log = () => readFileSync(running.logPath, 'utf8')
    await vi.waitFor(() => expect(log()).toMatch(reason), { timeout: DEADLINE_MS, interval: 100 })
    await endApp(running)
    expect(log()).not.toMatch(secrets)
  },
  60_000,
)
