/** Rate limits on real processes: two instances, and Redis between them, or not. */
import { healthSchema } from '@ironsys/contracts'
import { createTcpProxy, startSystem, type TcpProxy, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const WAIT = { timeout: 20_000, interval: 50 }
const BURST = 40
/** Nothing comes back while a test runs. */
const limits = { RATE_IP_PER_SECOND: '0.001', RATE_IP_BURST: String(BURST), RATE_LOCAL_SHARE: '0.5' }

let system: TestSystem
let proxy: TcpProxy

beforeAll(async () => {
  system = await startSystem()
  const { hostname, port } = new URL(system.redisUrl)
  proxy = await createTcpProxy({ targetHost: hostname, targetPort: Number(port) })
})

afterAll(async () => {
  await system?.close()
  await proxy?.close()
})

/** `from`: what a proxy would say. */
async function passedOf(apps: readonly TestApp[], requests: number, from = ''): Promise<number> {
  const ask = async (app: TestApp) =>
    (await fetch(`${app.url}/nowhere`, { headers: { 'x-forwarded-for': from } })).status
  const answers = await Promise.all(
    Array.from({ length: requests }, (_, n) => apps[n % apps.length]).flatMap((app) =>
      app ? [ask(app)] : [],
    ),
  )
  expect(new Set([...answers, 404, 429])).toEqual(new Set([404, 429]))
  return answers.filter((status) => status === 404).length
}

const redisOf = async (app: TestApp) => {
  const answer = await fetch(`${app.operationsUrl}/health/ready`)
  return healthSchema.parse(await answer.json()).dependencies.redis
}
const isLocal = async (app: TestApp) =>
  /^ironsys_rate_limits_local 1$/m.test(await (await fetch(`${app.operationsUrl}/metrics`)).text())

test('two instances share one limit, and a claim of another address is no way around it', async () => {
  const pair = await Promise.all([system.startApi(limits), system.startApi(limits)])
  expect(await passedOf(pair, 100)).toBe(BURST)
  expect(await passedOf(pair, 10, '203.0.113.1')).toBe(0)
  const answer = await fetch(`${pair[0].url}/slots`)
  expect([answer.status, answer.headers.get('ratelimit-policy')]).toEqual([429, `"ip";q=${BURST};w=40000`])
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await answer.json()).toMatchObject({ code: 'rate-limited', status: 429 })
  const ready = await fetch(`${pair[0].url}/health/ready`)
  expect(ready.status).toBe(200)
  await Promise.all(pair.map((app) => app.end('SIGTERM')))
})

test('Redis hangs: a share of the limit, seen as degraded, logged once; then it is shared again', async () => {
  const redisUrl = `redis://${proxy.host}:${proxy.port}`
  const app = await system.startApi({ ...limits, TRUSTED_PROXIES: '127.0.0.1', REDIS_URL: redisUrl })
  expect(await passedOf([app], 100, '203.0.113.7')).toBe(BURST)
  expect(await isLocal(app)).toBe(false)
  proxy.stall()
  try {
    expect(await passedOf([app], 100, '203.0.113.8')).toBe(BURST / 2)
    expect(await passedOf([app], 10, '203.0.113.7')).toBe(0)
    expect(await isLocal(app)).toBe(true)
    expect(['degraded', 'down']).toContain(await redisOf(app))
  } finally {
    proxy.resume()
  }
  await vi.waitFor(async () => expect(await isLocal(app)).toBe(false), WAIT)
  await vi.waitFor(async () => expect(await redisOf(app)).toBe('up'), WAIT)
  // Tokens that Redis granted when nobody waited for them any more are lost.
  expect(await passedOf([app], 100, '203.0.113.9')).toBe(BURST)
  expect(app.log().match(/rate limits are local/g)).toHaveLength(1)
  expect(app.log().match(/rate limits are shared again/g)).toHaveLength(1)
  await app.end('SIGTERM')
})
