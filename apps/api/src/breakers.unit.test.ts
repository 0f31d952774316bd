import { type ApiMetrics, createMetrics } from '@ironsys/telemetry'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { breakerDefaults, breakerSettings } from './breaker-config.ts'
import { type Breakers, openBreakers } from './breakers.ts'
import { readConfig } from './config.ts'
import { isOutage } from './store.ts'

const environment = {
  DATABASE_URL: 'postgres://ironsys@127.0.0.1/ironsys',
  REDIS_URL: 'redis://127.0.0.1',
  KAFKA_BROKERS: '127.0.0.1:9092',
  ID_KEY: 'a'.repeat(64),
  CURSOR_KEYS: `a:${'a'.repeat(64)}`,
}

let metrics: ApiMetrics
let lines: string[]
let breakers: Breakers

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  })
  metrics = createMetrics('api')
  lines = []
  const say = (level: string) => (fields: object) => void lines.push(`${level} ${JSON.stringify(fields)}`)
  const logger = { debug: say('debug'), info: say('info'), warn: say('warn') }
  breakers = openBreakers({ metrics, logger }, breakerDefaults)
})

afterEach(() => {
  breakers.close()
  vi.useRealTimers()
})

const failing = (error: Error) => async () => {
  await expect(breakers.postgres.call(() => Promise.reject(error))).rejects.toBe(error)
  await vi.advanceTimersByTimeAsync(300)
}

async function samples(): Promise<string[]> {
  const text = await metrics.metricsText()
  return text.split('\n').filter((line) => /^ironsys_breaker_.*postgres.* [1-9]/.test(line))
}

test('an outage is a gauge, counted changes, one warning, one line when it is over, and every refusal counted', async () => {
  const closed: string[] = []
  breakers.onClosed((name) => void closed.push(name))
  const fail = failing(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))
  for (let i = 0; i < 3; i++) await fail()
  const refusal = await breakers.postgres.call(async () => 1).catch((error: unknown) => error)
  expect(isOutage(refusal)).toBe(true)
  expect(await samples()).toEqual([
    'ironsys_breaker_state{dependency="postgres"} 2',
    'ironsys_breaker_changes_total{dependency="postgres",to="open"} 1',
    'ironsys_breaker_refused_total{dependency="postgres",why="open"} 1',
  ])
  await vi.advanceTimersByTimeAsync(breakerDefaults.postgres.openMs)
  expect(await samples()).toContain('ironsys_breaker_state{dependency="postgres"} 1')
  await fail()
  await vi.advanceTimersByTimeAsync(breakerDefaults.postgres.openMs)
  await breakers.postgres.call(async () => 1)
  expect(lines.filter((line) => !line.startsWith('debug'))).toEqual([
    'warn {"dependency":"postgres","from":"closed","to":"open"}',
    'info {"dependency":"postgres","from":"half-open","to":"closed"}',
  ])
  expect(closed).toEqual(['postgres'])
})

test.each([
  ['an SQL data error', Object.assign(new Error('division by zero'), { code: '22012' })],
  ['a bug of ours', new TypeError('x is undefined')],
  ['all connections busy', new Error('timeout exceeded when trying to connect')],
])('%s is no outage of the database', async (_what, error) => {
  const fail = failing(error)
  for (let i = 0; i < 100; i++) await fail()
  expect(breakers.postgres.state()).toBe('closed')
})

test('a statement that was given up, or a server that shuts down, is one', async () => {
  for (const error of [new Error('Query read timeout'), Object.assign(new Error('bye'), { code: '57P01' })]) {
    for (let i = 0; i < 4; i++)
      await breakers.postgres.call(() => Promise.reject(error)).catch(() => undefined)
    await vi.advanceTimersByTimeAsync(600)
  }
  expect(breakers.postgres.state()).toBe('open')
})

test('other thresholds at runtime: all or, where one is out of bounds, none', async () => {
  const { postgres } = breakerDefaults
  const wrong = {
    ...breakerDefaults,
    kafka: { ...breakerDefaults.kafka, capacity: 1 },
    redis: { ...postgres, openMs: 0 },
  }
  expect(() => breakers.configure(wrong)).toThrow('openMs')
  const under = [breakers.kafka.call(async () => 1), breakers.kafka.call(async () => 2)]
  expect(await Promise.all(under)).toEqual([1, 2])
  breakers.configure({ ...breakerDefaults, kafka: { ...breakerDefaults.kafka, capacity: 1 } })
  const [first, second] = [breakers.kafka.call(async () => 1), breakers.kafka.call(async () => 2)]
  await expect(second).rejects.toMatchObject({ why: 'full' })
  expect(await first).toBe(1)
})

test('the environment: defaults, what is for all and what is for one', () => {
  expect(breakerSettings(readConfig(environment))).toEqual(breakerDefaults)
  const settings = breakerSettings(
    readConfig({ ...environment, BREAKER_OPEN_MS: '7000', BREAKER_REDIS_SILENT_MS: '9' }),
  )
  expect([settings.kafka.openMs, settings.redis.openMs]).toEqual([7000, 7000])
  expect([settings.kafka.silentMs, settings.redis.silentMs]).toEqual([500, 9])
  expect(() => readConfig({ ...environment, BREAKER_ERROR_PERCENT: '100' })).toThrow('BREAKER_ERROR_PERCENT')
})
