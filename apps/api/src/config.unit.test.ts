import { expect, test } from 'vitest'
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

test('a kid may not come twice', () => {
  const key = `a:${'a'.repeat(64)}`
  expect(() => readConfig({ ...good, CURSOR_KEYS: `${key},${key}` })).toThrow('names the same kid twice')
})
