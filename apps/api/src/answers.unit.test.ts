/** Every answer of every route: as OpenAPI describes it, which the memory world compares, and with the headers it should have. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createMemoryClient, type MemoryClient, OTHER_SLOT, SLOT, slotBody } from './memory-client.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'
import { routeList } from './routes.ts'

let world: MemoryWorld
let client: MemoryClient
/** `operationId status` of each. */
let seen: Set<string>
beforeEach(() => {
  world = createMemoryWorld()
  world.eager = true
  client = createMemoryClient(world)
  seen = new Set()
  world.app.addHook('onSend', async ({ method, routeOptions }, reply) => {
    const route = routeList.find((each) => each.url === routeOptions.url && each.method === method)
    if (route !== undefined) seen.add(`${route.operationId} ${reply.statusCode}`)
  })
})
afterEach(() => world.app.close())

const unhurried = { prefer: 'respond-async' }
const both = [undefined, unhurried]

/** Made, looked at, confirmed, cancelled and asked for again; with and without waiting for the decision. */
async function liveThrough(path: '/reservations' | '/bookings', body: object): Promise<void> {
  const held = { ...body, user_id: 'u1', mode: 'hold', hold_ttl_seconds: 60 }
  const keyed = { prefer: 'wait=5', 'idempotency-key': 'k' }
  const { id } = (await client.call('POST', path, held, keyed)).body
  await client.call('POST', path, held, unhurried)
  await client.call('GET', `${path}/${id}`)
  for (const headers of both) await client.call('POST', `${path}/${id}/confirm`, {}, headers)
  for (const headers of both) await client.call('DELETE', `${path}/${id}`, undefined, headers)
  await client.call('POST', path, held, keyed)
}

test('each answer of the table is given, and is as OpenAPI describes it', async () => {
  const slot = `/slots/${SLOT}`
  for (const headers of both) await client.call('POST', '/slots', slotBody(), headers)
  for (const headers of both) await client.call('PATCH', slot, { name: 'New' }, headers)
  await client.call('GET', '/slots')
  const { etag } = (await client.call('GET', slot)).headers
  await client.call('GET', slot, undefined, { 'if-none-match': String(etag) })
  for (const path of ['audit', 'reservations']) await client.call('GET', `${slot}/${path}`)
  await client.call('GET', `${slot}/reservations`, undefined, { accept: 'text/csv' })
  await liveThrough('/reservations', { slot_id: SLOT })
  await liveThrough('/bookings', { items: [{ slot_id: SLOT }] })
  await client.call('POST', '/reservations/batch', { items: [{ slot_id: SLOT, user_id: 'u2' }] })
  await client.call('GET', '/users/u1/reservations')
  for (const path of ['/health/live', '/health/ready', '/api/v1/health']) await client.call('GET', path)
  world.health.draining = true
  await client.call('GET', '/health/ready')

  const told = routeList.flatMap(({ operationId, answers }) =>
    Object.keys(answers).map((status) => `${operationId} ${status}`),
  )
  // These begin on connections, in slot-streams.unit.test.ts.
  const elsewhere = ['streamSlot 200', 'streamSlotWebSocket 101']
  expect([...seen, ...elsewhere].sort()).toEqual(told.sort())
})

test('a body that a route does not want is refused as OpenAPI says', async () => {
  const send = (url: string, payload: string, type: string) =>
    world.app.inject({ method: 'DELETE', url, payload, headers: { 'content-type': type } })
  for (const url of [`/reservations/${SLOT}`, `/bookings/${SLOT}`]) {
    const answers = [
      await send(url, '{', 'application/json'),
      await send(url, 'x', 'text/plain'),
      await send(url, JSON.stringify('x'.repeat(70_000)), 'application/json'),
    ]
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([400, 415, 413])
  }
})

test('HEAD answers the headers of GET, and the length of its body or none', async () => {
  await client.makeSlot()
  const slot = `/slots/${SLOT}`
  const asked: readonly (readonly [string, Record<string, string>])[] = [
    [slot, {}],
    [slot, { 'if-none-match': '*' }],
    ['/slots', {}],
    [`${slot}/audit`, {}],
    [`${slot}/reservations`, {}],
    [`${slot}/reservations`, { accept: 'text/csv' }],
    [`${slot}/reservations`, { accept: 'image/png' }],
    ['/slots/nope', {}],
    ['/health/ready', {}],
    ['/docs', {}],
    ['/docs/assets/start.js', {}],
  ]
  // So that both of the pair come from memory.
  await client.call('GET', slot)
  for (const [url, headers] of asked) {
    const [get, head] = [
      await client.call('GET', url, undefined, { ...headers, 'x-request-id': 'r' }),
      await client.call('HEAD', url, undefined, { ...headers, 'x-request-id': 'r' }),
    ]
    const lengths = [undefined, get.headers['content-length']]
    expect(lengths, `${url} ${JSON.stringify(headers)}`).toContain(head.headers['content-length'])
    expect(head.text).toBe('')
    const ofBody = { 'content-length': undefined, 'transfer-encoding': undefined, date: undefined }
    expect({ ...head.headers, ...ofBody }).toEqual({ ...get.headers, ...ofBody })
    expect(head.status).toBe(get.status)
  }
})

test('no cache keeps a problem, also of what is public', async () => {
  const missing = [
    `/slots/${SLOT}`,
    `/slots/${SLOT}/audit`,
    `/slots/${SLOT}/events`,
    '/nowhere',
    '/problems/x',
  ]
  const wrong = ['/slots/nope', '/slots?limit=0', '/slots?cursor=x', `/slots/${SLOT}/ws`, '/slots/%E0%A4%A']
  const ask = async (urls: readonly string[]) => {
    for (const url of urls) {
      const { status, headers } = await client.call('GET', url)
      expect([url, status >= 400, headers['cache-control']]).toEqual([url, true, 'private, no-store'])
    }
  }
  await ask([...missing, ...wrong])
  world.outage = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  await ask(['/slots', `/slots/${OTHER_SLOT}/audit`])
  world.outage = new Error('a fault of ours')
  await ask(['/slots?limit=7'])
})
