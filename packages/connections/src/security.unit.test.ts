import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { kafkaSecurity, securityEnvironment, securityFaults } from './security.ts'

const folder = mkdtempSync(join(tmpdir(), 'ironsys-ca-'))
const ca = join(folder, 'ca.pem')
const noCa = join(folder, 'c0ffee.txt')
writeFileSync(ca, rootCertificates[0] ?? '')
writeFileSync(noCa, 'c0ffee')
afterAll(() => rmSync(folder, { recursive: true }))

const schema = z.object({
  NODE_ENV: z.string().optional(),
  DATABASE_URL: z.string().optional(),
  REDIS_URL: z.string().optional(),
  KAFKA_BROKERS: z.array(z.string()).optional(),
  ...securityEnvironment,
})

function faultsOf(environment: Readonly<Record<string, unknown>>): readonly string[] {
  const parsed = schema.safeParse(environment)
  const faults = parsed.success ? securityFaults(parsed.data) : parsed.error.issues
  return faults.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

const scram = { KAFKA_SASL_MECHANISM: 'scram-sha-256', KAFKA_USERNAME: 'me', KAFKA_PASSWORD: 'c0ffee' }
const plain = { ...scram, KAFKA_SASL_MECHANISM: 'plain' }

test('nothing set is neither TLS nor a password; what is set is what kafkajs gets', () => {
  expect(kafkaSecurity(schema.parse({}))).toEqual({})
  expect(kafkaSecurity(schema.parse({ KAFKA_TLS: 'yes' }))).toEqual({ ssl: {} })
  const sasl = { mechanism: 'plain', username: 'me', password: 'c0ffee' }
  expect(kafkaSecurity(schema.parse({ ...plain, KAFKA_TLS: 'yes', KAFKA_CA_FILE: ca }))).toEqual({
    ssl: { ca: rootCertificates[0] },
    sasl,
  })
})

test('what is no URL is left to its own field', () => {
  expect(faultsOf({ DATABASE_URL: 'nonsense', REDIS_URL: 'nonsense,' })).toEqual([])
})

describe('what is refused, without a word of the values', () => {
  test.each<[name: string, environment: Record<string, unknown>, fault: string]>([
    [
      'an unreadable file',
      { KAFKA_CA_FILE: '/c0ffee' },
      'KAFKA_CA_FILE: names a file that cannot be read (ENOENT)',
    ],
    [
      'a file of something else',
      { REDIS_CA_FILE: noCa },
      'REDIS_CA_FILE: names a file without PEM certificates',
    ],
    [
      'the same in a URL',
      { DATABASE_URL: `postgres://h/d?sslrootcert=${noCa}` },
      'DATABASE_URL: sslrootcert names',
    ],
    ['an authority without TLS', { KAFKA_CA_FILE: ca }, 'KAFKA_CA_FILE: is for TLS'],
    [
      'Redis’ authority without TLS',
      { REDIS_CA_FILE: ca, REDIS_URL: 'redis://h' },
      'REDIS_CA_FILE: is for TLS',
    ],
    ['a mechanism alone', { KAFKA_SASL_MECHANISM: 'scram-sha-256' }, 'KAFKA_PASSWORD: is needed'],
    ['a password alone', { KAFKA_PASSWORD: 'c0ffee' }, 'KAFKA_PASSWORD: needs KAFKA_SASL_MECHANISM'],
    ['plain without TLS', { ...plain, KAFKA_BROKERS: ['127.0.0.1:9092'] }, 'KAFKA_SASL_MECHANISM: is plain'],
  ])('%s', (_name, environment, fault) => {
    const faults = faultsOf(environment)
    expect(faults).toContainEqual(expect.stringContaining(fault))
    expect(faults.join()).not.toContain('c0ffee')
  })
})

describe('production sends a password over a network', () => {
  const secure: Record<string, unknown>[] = [
    { DATABASE_URL: 'postgres://me:c0ffee@db/d?sslmode=verify-full' },
    { DATABASE_URL: 'postgres://me:c0ffee@127.0.0.1/d' },
    { DATABASE_URL: 'postgres://me:c0ffee@[::1]/d' },
    { DATABASE_URL: 'postgres://me@db/d' },
    { REDIS_URL: 'rediss://:c0ffee@cache' },
    { REDIS_URL: 'redis://cache' },
    { KAFKA_BROKERS: ['log:9092'], ...scram, KAFKA_TLS: 'yes' },
    { KAFKA_BROKERS: ['localhost:9092', '127.0.0.1:9093'], ...scram },
    { KAFKA_BROKERS: ['log:9092'] },
  ]
  test.each(secure)('gladly: %o', (environment) => {
    expect(faultsOf({ ...environment, NODE_ENV: 'production' })).toEqual([])
  })

  const open: Record<string, unknown>[] = [
    { DATABASE_URL: 'postgres://me:c0ffee@db/d' },
    { DATABASE_URL: 'postgres://me:c0ffee@db/d?sslmode=no-verify' },
    { DATABASE_URL: 'postgres://me:c0ffee@db/d?sslmode=verify-full&sslmode=disable' },
    { DATABASE_URL: 'postgres://me@127.0.0.1/d?password=c0ffee&host=db' },
    { REDIS_URL: 'redis://:c0ffee@cache' },
    { REDIS_URL: 'redis://:c0ffee@127.0.0.1,redis://cache' },
    { KAFKA_BROKERS: ['127.0.0.1:9092', 'log:9092'], ...scram },
    { KAFKA_BROKERS: ['127.0.0.1.example:9092'], ...scram },
  ]
  test.each(open)('only when told twice: %o', (environment) => {
    const faults = faultsOf({ ...environment, NODE_ENV: 'production' })
    expect(faults).toEqual([expect.stringContaining('ALLOW_PLAINTEXT_PASSWORDS=yes')])
    expect(faults.join()).not.toContain('c0ffee')
    expect(faultsOf({ ...environment, NODE_ENV: 'production', ALLOW_PLAINTEXT_PASSWORDS: 'yes' })).toEqual([])
    expect(faultsOf(environment)).toEqual([])
  })
})
