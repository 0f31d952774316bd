import { expect, test } from 'vitest'
import { readLocalConfig } from './config.ts'
import { addressesOf } from './stack.ts'

test('without anything in the environment the servers are our own', () => {
  const config = readLocalConfig({ DATABASE_URL: '' })
  expect(config.given).toEqual({ databaseUrl: null, redisUrl: null, kafkaBrokers: null })
  expect(addressesOf(config.ports, config)).toEqual({
    databaseUrl: 'postgres://ironsys:ironsys@127.0.0.1:15432/ironsys',
    redisUrl: 'redis://127.0.0.1:16379',
    kafkaBrokers: ['127.0.0.1:19092'],
  })
})

test('an address that is given wins over the port that is given', () => {
  const config = readLocalConfig({
    DATABASE_URL: 'postgresql://me@db.example:5432/sales',
    KAFKA_BROKERS: 'k1:9092,k2:9092',
    IRONSYS_POSTGRES_PORT: '1111',
    IRONSYS_REDIS_PORT: '2222',
  })
  expect(addressesOf(config.ports, config)).toEqual({
    databaseUrl: 'postgresql://me@db.example:5432/sales',
    redisUrl: 'redis://127.0.0.1:2222',
    kafkaBrokers: ['k1:9092', 'k2:9092'],
  })
})

test('everything that is wrong is named at once', () => {
  const environment = { DATABASE_URL: 'mysql://x', KAFKA_BROKERS: 'no-port', IRONSYS_SERVERS: 'podman' }
  expect(() => readLocalConfig(environment)).toThrow(/DATABASE_URL.*KAFKA_BROKERS.*IRONSYS_SERVERS/)
})
