/** The environment's TLS and credentials, on real servers: whom a client trusts, who it says it is, and what it says when refused. */
import { randomUUID } from 'node:crypto'
import { connectRedisAt, connectSubscription, redisAddress, redisReady } from '@ironsys/cache'
import { createCommandProducer, createLogAdmin, silentLogger } from '@ironsys/kafka'
import { createPool } from '@ironsys/postgres'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { password, type SecureServers, startSecureServers, user } from './secure-servers.fixture.ts'
import { kafkaSecurity, securityEnvironment } from './security.ts'

const DEADLINE_MS = 20_000
const secret = encodeURIComponent(password)

let servers: SecureServers

beforeAll(async () => {
  servers = await startSecureServers()
}, 120_000)
afterAll(() => servers?.close())

function read(environment: Readonly<Record<string, string>>) {
  return z.object(securityEnvironment).parse(environment)
}

/** Certificates are for 127.0.0.1; `localhost` is the same machine under another name. */
const hosts = { right: '127.0.0.1', other: 'localhost' }

describe('Postgres', () => {
  const connect = async ({ host = hosts.right, ca = servers.certificates.caFile, pass = 'ironsys' } = {}) => {
    const address = `postgres://ironsys:${pass}@${host}:${servers.postgresPort}/ironsys`
    const url = `${address}?sslmode=verify-full&sslrootcert=${encodeURIComponent(ca)}`
    const pool = createPool(url, { applicationName: 'test', maxConnections: 1 })
    try {
      const { rows } = await pool.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
      return rows
    } finally {
      await pool.end()
    }
  }

  test('is reached over TLS where the authority, the name and the password are right', async () => {
    expect(await connect()).toEqual([{ ssl: true }])
  })

  test('is refused with a reason otherwise', async () => {
    await expect(connect({ ca: servers.certificates.strangerFile })).rejects.toThrow(/certificate/)
    await expect(connect({ host: hosts.other })).rejects.toThrow(/altnames/)
    const refused = connect({ pass: 'c0ffee' })
    await expect(refused).rejects.toThrow('password authentication failed for user "ironsys"')
    await expect(refused).rejects.not.toThrow('c0ffee')
  })
})

describe('Redis', () => {
  const logged: string[] = []
  const opened: { disconnect(): void }[] = []
  afterEach(() => {
    for (const redis of opened.splice(0)) redis.disconnect()
  })
  const note = (fields: object, message: string) => {
    const reason = 'err' in fields && fields.err instanceof Error ? fields.err.message : ''
    logged.push(`${message}: ${reason}`)
  }
  const logger = { info: note, warn: note }

  const connect = (
    make: typeof connectRedisAt | typeof connectSubscription,
    { host = hosts.right, ca = servers.certificates.caFile, pass = secret } = {},
  ) => {
    logged.length = 0
    const { REDIS_CA_FILE } = read({ REDIS_CA_FILE: ca })
    const address = redisAddress(
      `rediss://${user}:${pass}@${host}:${servers.redisPort}`,
      false,
      REDIS_CA_FILE,
    )
    const redis = make(address, { name: 'test', logger, commandTimeoutMs: 5000 })
    opened.push(redis)
    return redis
  }

  test.each([
    ['commands', connectRedisAt],
    ['subscriptions', connectSubscription],
  ])(
    'is reached over TLS for %s where the authority, the name and the password are right',
    async (_for, make) => {
      const redis = connect(make)
      expect(await redisReady(redis, DEADLINE_MS)).toBe(true)
      expect(await redis.acl('WHOAMI')).toBe(user)
    },
  )

  const reasons: readonly (readonly [string, () => Parameters<typeof connect>[1], RegExp])[] = [
    ['authority', () => ({ ca: servers.certificates.strangerFile }), /certificate/],
    ['name', () => ({ host: hosts.other }), /altnames/],
    ['password', () => ({ pass: 'c0ffee' }), /WRONGPASS/],
  ]
  test.each(reasons)('is refused with a reason where the %s is wrong', async (_what, wrong, reason) => {
    const redis = connect(connectRedisAt, wrong())
    await vi.waitFor(() => expect(logged[0]).toMatch(reason), { timeout: DEADLINE_MS })
    expect(redis.status).not.toBe('ready')
    expect(logged.join()).not.toContain('c0ffee')
  })
})

describe('Kafka', () => {
  const settings = ({
    host = hosts.right,
    ca = servers.certificates.caFile,
    pass = password,
    mechanism = 'scram-sha-512',
  } = {}) => ({
    brokers: [`${host}:${servers.kafkaPort}`],
    clientId: 'test',
    logger: silentLogger,
    security: kafkaSecurity(
      read({
        KAFKA_TLS: 'yes',
        KAFKA_CA_FILE: ca,
        KAFKA_SASL_MECHANISM: mechanism,
        KAFKA_USERNAME: user,
        KAFKA_PASSWORD: pass,
      }),
    ),
  })

  test.each(['scram-sha-256', 'scram-sha-512', 'plain'])(
    'is written and read over TLS with %s where the authority, the name and the password are right',
    async (mechanism) => {
      const topic = `test-${randomUUID()}`
      const admin = createLogAdmin(settings({ mechanism }))
      const producer = createCommandProducer(settings({ mechanism }))
      try {
        await admin.ensureTopics([
          { topic, partitions: 1, settings: { 'message.timestamp.type': 'LogAppendTime' } },
        ])
        await producer.append({ topic, partition: 0 }, 'key', '{}')
        expect((await admin.offsets(topic)).get(0)).toMatchObject({ high: 1 })
      } finally {
        await producer.close()
        await admin.close()
      }
    },
  )

  const reasons: readonly (readonly [string, () => Parameters<typeof settings>[0], RegExp])[] = [
    ['authority', () => ({ ca: servers.certificates.strangerFile }), /certificate/],
    ['name', () => ({ host: hosts.other }), /altnames/],
    ['password', () => ({ pass: 'c0ffee' }), /[Aa]uthentication failed/],
    ['password', () => ({ pass: 'c0ffee', mechanism: 'plain' }), /[Aa]uthentication failed/],
  ]
  test.each(reasons)('is refused with a reason where the %s is wrong', async (_what, wrong, reason) => {
    const admin = createLogAdmin(settings(wrong()))
    try {
      const refused = admin.describe('anything')
      await expect(refused).rejects.toThrow(reason)
      await expect(refused).rejects.not.toThrow('c0ffee')
    } finally {
      await admin.close()
    }
  })
})
