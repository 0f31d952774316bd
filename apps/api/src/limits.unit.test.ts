/** Rate limits over HTTP, on what is in memory: who is counted, what it costs, and what is answered. */
import { request } from 'node:http'
import type { Authenticator, Caller } from '@ironsys/access'
import { createMemoryTokens } from '@ironsys/rate-limiter'
import { afterEach, expect, test } from 'vitest'
import { SLOT, slotBody } from './memory-client.ts'
import { createMemoryWorld, type MemoryOptions, type MemoryWorld } from './memory-world.ts'

const worlds: MemoryWorld[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.app.close()
})

function start(options: MemoryOptions): MemoryWorld {
  const world = createMemoryWorld(options)
  world.eager = true
  worlds.push(world)
  return world
}

/** It comes back so slowly that no test sees it. */
const only = (burst: number) => ({ ratePerSecond: 0.01, burst })

interface Asked {
  readonly from?: string
  readonly headers?: Record<string, string>
  readonly payload?: object
}

async function ask(world: MemoryWorld, method: 'GET' | 'POST' | 'DELETE', url: string, asked: Asked = {}) {
  const { from = '192.0.2.1', headers = {}, payload } = asked
  const answer = await world.app.inject({
    method,
    url,
    remoteAddress: from,
    headers,
    ...(payload && { payload }),
  })
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: answer.body === '' ? null : answer.json(),
  }
}

const statuses = async (times: number, one: () => Promise<{ readonly status: number }>) => {
  const seen: number[] = []
  for (let n = 0; n < times; n++) seen.push((await one()).status)
  return seen
}

test('by address: 429 with everything that it promises; other addresses go on', async () => {
  const world = start({ limits: { ip: only(3) } })
  const get = (from: string) => ask(world, 'GET', `/slots/${SLOT}`, { from })
  expect(await statuses(4, () => get('192.0.2.1'))).toEqual([404, 404, 404, 429])
  const { headers, body } = await get('192.0.2.1')
  expect(headers).toMatchObject({
    'content-type': 'application/problem+json; charset=utf-8',
    'cache-control': 'private, no-store',
    'ratelimit-policy': '"ip";q=3;w=300',
    'x-request-id': expect.any(String),
  })
  const [, seconds] = /^"ip";r=0;t=(\d+)$/.exec(String(headers.ratelimit)) ?? []
  expect(headers['retry-after']).toBe(seconds)
  expect(Number(seconds)).toBeGreaterThan(90)
  expect(body).toMatchObject({
    type: '/problems/rate-limited',
    status: 429,
    code: 'rate-limited',
    instance: `/slots/${SLOT}`,
    detail: 'More than this address may ask for: 0.01 a second, 3 at once.',
  })
  expect((await get('192.0.2.2')).status).toBe(404)
  // One customer of IPv6 is one address, and IPv4 is IPv4.
  expect(await statuses(4, () => get('2001:db8::1'))).toEqual([404, 404, 404, 429])
  expect([(await get('2001:db8::ffff:2')).status, (await get('2001:db8:0:1::1')).status]).toEqual([429, 404])
  expect((await get('::ffff:192.0.2.1')).status).toBe(429)
  expect(await world.deps.metrics.metricsText()).toContain('ironsys_rate_limited_total{limit="ip"} 5')
})

test('who claims to be somebody else is still who is connected, unless a trusted proxy says it', async () => {
  const open = start({ limits: { ip: only(2) } })
  const claim = (world: MemoryWorld, n: number, from: string) =>
    ask(world, 'GET', `/slots/${SLOT}`, { from, headers: { 'x-forwarded-for': `203.0.113.${n}` } })
  let n = 0
  expect(await statuses(3, () => claim(open, n++, '192.0.2.1'))).toEqual([404, 404, 429])
  const behind = start({ limits: { ip: only(2) }, trustedProxies: ['10.0.0.0/8'] })
  expect(await statuses(3, () => claim(behind, n++, '10.0.0.1'))).toEqual([404, 404, 404])
  expect(await statuses(3, () => claim(behind, 99, '10.0.0.1'))).toEqual([404, 404, 429])
  expect(await statuses(3, () => claim(behind, n++, '192.0.2.1'))).toEqual([404, 404, 429])
})

test('what does not exist counts; health and documentation do not, and nobody is kept from them', async () => {
  const world = start({ limits: { ip: only(2) } })
  expect(await statuses(3, () => ask(world, 'GET', '/nowhere'))).toEqual([404, 404, 429])
  for (const path of [
    '/health/live',
    '/health/ready',
    '/api/v1/health',
    '/openapi.json',
    '/problems/sold-out',
  ])
    expect((await ask(world, 'GET', path)).status).toBe(200)
})

test('by endpoint: all callers together; to finish has a bucket of its own', async () => {
  const world = start({ limits: { writing: only(3), finishing: only(1) } })
  expect((await ask(world, 'POST', '/slots', { payload: slotBody() })).status).toBe(202)
  const reserve = (n: number) =>
    ask(world, 'POST', '/reservations', {
      from: `192.0.2.${n}`,
      payload: { slot_id: SLOT, user_id: 'u', mode: 'hold' },
    })
  const first = await reserve(1)
  let n = 2
  expect(await statuses(3, () => reserve(n++))).toEqual([202, 202, 429])
  const { headers, body } = await reserve(n)
  expect(headers['ratelimit-policy']).toBe('"endpoint";q=3;w=300')
  expect(body.detail).toContain('all callers of this endpoint')
  for (const [method, path] of [
    ['POST', '/confirm'],
    ['DELETE', ''],
  ] as const)
    expect((await ask(world, method, `/reservations/${first.body.id}${path}`)).status).toBe(202)
  const again = await ask(world, 'POST', `/reservations/${first.body.id}/confirm`)
  expect([again.status, again.headers['ratelimit-policy']]).toEqual([429, '"endpoint";q=1;w=100'])
  // Each endpoint has its own.
  expect((await ask(world, 'POST', '/slots', { payload: slotBody() })).status).toBe(202)
})

test('writes say what is left, reads do not', async () => {
  const world = start({ limits: { ip: only(10), writing: only(10) } })
  const made = await ask(world, 'POST', '/slots', { payload: slotBody() })
  expect(made.headers).toMatchObject({ 'ratelimit-policy': '"ip";q=10;w=1000', ratelimit: '"ip";r=9;t=100' })
  const wrong = await ask(world, 'POST', '/slots', { payload: {} })
  expect([wrong.status, wrong.headers.ratelimit]).toEqual([422, '"ip";r=8;t=100'])
  const read = await ask(world, 'GET', `/slots/${SLOT}`)
  expect([read.status, read.headers.ratelimit]).toEqual([200, undefined])
})

test('a batch costs one for each item, or nothing but its first', async () => {
  const world = start({ limits: { ip: only(12), reading: only(5) } })
  const batch = (items: number) =>
    ask(world, 'POST', '/reservations/batch', {
      payload: { items: Array(items).fill({ slot_id: SLOT, user_id: 'u' }) },
    })
  const passed = await batch(4)
  expect([passed.status, passed.headers.ratelimit]).toEqual([202, '"ip";r=8;t=100'])
  const tooMany = await batch(10)
  expect([tooMany.status, tooMany.headers.ratelimit]).toEqual([
    429,
    expect.stringMatching(/^"ip";r=7;t=\d+$/),
  ])
  expect(world.records).toHaveLength(4)
  expect((await batch(7)).status).toBe(202)
  expect((await batch(1)).status).toBe(429)
})

test('by caller, wherever he is; whoever is not known yet costs his address alone', async () => {
  const callerOf = (userId: string): Caller => ({ userId, scopes: ['reserve'], via: 'jwt' })
  const authenticator: Authenticator = {
    authenticate: (credential) => ({ kind: 'caller', caller: callerOf(credential) }),
  }
  const world = start({ limits: { ip: only(100), user: only(2) }, authenticator })
  let n = 0
  const look = (who: string) =>
    ask(world, 'GET', `/users/${who}/reservations`, {
      from: `198.51.100.${n++}`,
      headers: { authorization: `Bearer ${who}` },
    })
  expect(await statuses(3, () => look('ann'))).toEqual([200, 200, 429])
  const { headers, body } = await look('ann')
  expect(headers['ratelimit-policy']).toBe('"user";q=2;w=200')
  expect(body.detail).toContain('this caller')
  expect((await look('bob')).status).toBe(200)
  const payload = { slot_id: SLOT, user_id: 'bob' }
  const wrote = await ask(world, 'POST', '/reservations', {
    payload,
    headers: { authorization: 'Bearer bob' },
  })
  expect(wrote.headers.ratelimit).toBe('"ip";r=99;t=100, "user";r=0;t=100')
  expect((await ask(world, 'POST', '/reservations', { payload })).status).toBe(401)
})

test('a refused request is answered before its body is read', async () => {
  const world = start({ limits: { ip: only(1) } })
  const post = () =>
    world.app.inject({
      method: 'POST',
      url: '/slots',
      headers: { 'content-type': 'application/json' },
      payload: '{',
    })
  expect((await post()).statusCode).toBe(400)
  expect((await post()).statusCode).toBe(429)
})

test('two instances share one limit', async () => {
  const tokens = createMemoryTokens(Date.now)
  const pair = [1, 2].map(() => start({ limits: { ip: only(10) }, tokens }))
  const seen: number[] = []
  for (let n = 0; n < 20; n++)
    for (const world of pair) seen.push((await ask(world, 'GET', `/slots/${SLOT}`)).status)
  expect(seen.filter((status) => status === 404)).toHaveLength(10)
})

test('the fast path counts as the route does, and leaves refusals to it', async () => {
  const world = start({ limits: { ip: only(6) } })
  await ask(world, 'POST', '/slots', { payload: slotBody() })
  await ask(world, 'GET', `/slots/${SLOT}`)
  // 127.0.0.1 has used none yet.
  const base = await world.app.listen({ port: 0, host: '127.0.0.1' })
  const get = () => {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number }>()
    request(`${base}/slots/${SLOT}`, {
      agent: false,
      headers: { 'x-forwarded-for': `203.0.113.${Math.random()}` },
    })
      .on('response', (answer) => resolve({ status: answer.resume().statusCode ?? 0 }))
      .on('error', reject)
      .end()
    return promise
  }
  expect(await statuses(8, get)).toEqual([200, 200, 200, 200, 200, 200, 429, 429])
})

test('limits that are changed hold from the next request on', async () => {
  const world = start({ limits: { ip: only(1) } })
  const get = () => ask(world, 'GET', `/slots/${SLOT}`)
  expect(await statuses(2, get)).toEqual([404, 429])
  const none = { ip: null, user: null, reading: null, writing: null, finishing: null }
  world.deps.limiter.configure(none)
  expect(await statuses(3, get)).toEqual([404, 404, 404])
  world.deps.limiter.configure({ ...none, reading: only(2) })
  expect(await statuses(3, get)).toEqual([404, 404, 429])
})
