import { checkSnapshotCacheOptions, snapshotCacheDefaults } from '@ironsys/cache'
import { expect, test } from 'vitest'
import { cacheEnvironment, snapshotCacheOptions } from './cache-config.ts'
import { readConfig } from './config.ts'

const good = {
  DATABASE_URL: 'postgres://ironsys:ironsys@127.0.0.1:15432/ironsys',
  REDIS_URL: 'redis://127.0.0.1:16379',
  KAFKA_BROKERS: '127.0.0.1:19092,127.0.0.1:19093',
  ID_KEY: 'a'.repeat(64),
  CURSOR_KEYS: `b:${'b'.repeat(64)},a:${'a'.repeat(64)}`,
}

test('defaults, and what is parsed', () => {
  const config = readConfig(good)
  expect(config).toMatchObject({
    PORT: 8000,
    OPS_PORT: 9100,
    PARTITIONS: 12,
    AUTH_MODE: 'none',
    LOG_LEVEL: 'info',
  })
  expect(config.KAFKA_BROKERS).toHaveLength(2)
  expect(config.cursorKeys.map(({ kid }) => kid)).toEqual(['b', 'a'])
})

test('everything that is wrong is listed, without secrets', () => {
  const secret = 'c0ffee'
  const lines = [
    'DATABASE_URL: is not set',
    'REDIS_URL: is not set',
    'KAFKA_BROKERS: is not set',
    'PORT: ',
    'ID_KEY: must be 64 hex',
    'CURSOR_KEYS: must be kid',
  ]
  for (const line of lines) {
    expect(() => readConfig({ PORT: '99999', ID_KEY: secret, CURSOR_KEYS: `a:${secret}` })).toThrow(line)
  }
  expect(() => readConfig({ ...good, ID_KEY: secret })).not.toThrow(secret)
})

test('production refuses to run without authentication unless told twice', () => {
  expect(() => readConfig({ ...good, NODE_ENV: 'production' })).toThrow('ALLOW_NO_AUTH=yes')
  expect(readConfig({ ...good, NODE_ENV: 'production', ALLOW_NO_AUTH: 'yes' }).NODE_ENV).toBe('production')
})

test('authentication takes one source of keys, an issuer and an audience; nothing secret is repeated', () => {
  const jwt = { ...good, AUTH_MODE: 'jwt', JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'ironsys' }
  const [JWKS_URL, JWT_SHARED_KEY] = ['https://id.example/keys', 'c0ffee'.repeat(6)]
  expect(readConfig({ ...jwt, JWKS_URL, NODE_ENV: 'production' })).toMatchObject({
    JWKS_URL,
    JWT_SHARED_KEY: '',
  })
  expect(readConfig({ ...jwt, JWT_SHARED_KEY })).toMatchObject({ JWT_SHARED_KEY })
  const wrong: readonly (readonly [Record<string, string>, string])[] = [
    [jwt, 'JWKS_URL: or JWT_SHARED_KEY is needed'],
    [{ ...jwt, JWKS_URL, JWT_SHARED_KEY }, 'and not both'],
    [{ ...jwt, JWT_SHARED_KEY: 'c0ffee' }, 'JWT_SHARED_KEY: must have at least 32 bytes'],
    [{ ...jwt, JWKS_URL, JWT_ISSUER: '' }, 'JWT_ISSUER: is needed'],
    [{ ...jwt, JWKS_URL, JWT_AUDIENCE: '' }, 'JWT_AUDIENCE: is needed'],
    [{ ...jwt, JWKS_URL: 'http://id.example', NODE_ENV: 'production' }, 'JWKS_URL: must be https'],
    [{ ...jwt, JWKS_URL: 'file:///keys' }, 'JWKS_URL: '],
  ]
  for (const [environment, line] of wrong) {
    expect(() => readConfig(environment)).toThrow(line)
    expect(() => readConfig(environment)).not.toThrow('c0ffee')
  }
})

test('other sites are named exactly', () => {
  const CORS_ORIGINS = 'https://shop.example,http://localhost:3000'
  expect(readConfig({ ...good, CORS_ORIGINS }).CORS_ORIGINS).toEqual(new Set(CORS_ORIGINS.split(',')))
  expect(readConfig(good).CORS_ORIGINS).toEqual(new Set())
  for (const bad of [
    '*',
    'shop.example',
    'https://shop.example/',
    'https://*.example',
    'null',
    'ftp://x',
    'HTTPS://shop.example',
  ])
    expect(() => readConfig({ ...good, CORS_ORIGINS: bad }), bad).toThrow('CORS_ORIGINS: must be')
})

test('a kid may not come twice', () => {
  const key = `a:${'a'.repeat(64)}`
  expect(() => readConfig({ ...good, CURSOR_KEYS: `${key},${key}` })).toThrow('names the same kid twice')
})

test('a Redis cluster is named by some of its nodes, one server by one URL', () => {
  const nodes = 'redis://a:6379,rediss://user:secret@b'
  const [one, two] = nodes.split(',')
  expect(readConfig(good).redis).toEqual({ urls: [good.REDIS_URL], cluster: false })
  expect(readConfig({ ...good, REDIS_CLUSTER: 'yes' }).redis).toEqual({
    urls: [good.REDIS_URL],
    cluster: true,
  })
  const clustered = readConfig({ ...good, REDIS_URL: nodes, REDIS_CLUSTER: 'yes' })
  expect(clustered.redis).toEqual({ urls: [one, two], cluster: true })
  expect(() => readConfig({ ...good, REDIS_URL: nodes })).toThrow('REDIS_URL: names several nodes')
  for (const bad of ['', 'a:6379', 'http://a', `${one},`, `${one}, `]) {
    expect(() => readConfig({ ...good, REDIS_URL: bad, REDIS_CLUSTER: 'yes' })).toThrow('REDIS_URL: must be')
  }
})

test("the cache's windows and bounds can be set, within reason", () => {
  expect(snapshotCacheOptions(readConfig(good))).toEqual(snapshotCacheDefaults)
  const set = {
    CACHE_FRESH_MS: '50',
    CACHE_STALE_IF_ERROR_MS: '0',
    CACHE_ENTRIES: '7',
    CACHE_BYTES: '1000000',
  }
  expect(snapshotCacheOptions(readConfig({ ...good, ...set }))).toEqual({
    ...snapshotCacheDefaults,
    freshMs: 50,
    staleIfErrorMs: 0,
    maxEntries: 7,
    maxBytes: 1_000_000,
  })
  for (const name of Object.keys(cacheEnvironment)) {
    for (const bad of ['-1', '1.5', 'soon', '1e15']) {
      expect(() => readConfig({ ...good, [name]: bad }), `${name}=${bad}`).toThrow(`${name}: `)
    }
  }
  const [smallest, largest] = [
    { CACHE_FRESH_MS: '10', CACHE_SHARED_FRESH_MS: '100', CACHE_LOADS: '1', CACHE_NEGATIVES: '1' },
    { CACHE_FRESH_MS: '60000', CACHE_SHARED_FRESH_MS: '300000', CACHE_STALE_IF_ERROR_MS: '86400000' },
  ]
  for (const extreme of [smallest, largest]) {
    checkSnapshotCacheOptions(snapshotCacheOptions(readConfig({ ...good, ...extreme })))
  }
})
