import { afterEach, expect, test } from 'vitest'
import { createCallers } from './callers.fixture.ts'
import { createMemoryClient, SLOT, slotBody } from './memory-client.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'
import { securityHeaders } from './security-headers.ts'

const worlds: MemoryWorld[] = []
afterEach(async () => {
  for (const { app } of worlds.splice(0)) await app.close()
})

const SHOP = 'https://shop.example'

async function open(...corsOrigins: readonly string[]) {
  const callers = createCallers()
  const world = createMemoryWorld({ authenticator: callers.authenticator, corsOrigins })
  worlds.push(world)
  world.eager = true
  const admin = await callers.user('adam', ['admin'])
  await createMemoryClient(world).call('POST', '/slots', slotBody(), { prefer: 'wait=5', ...admin })
  const base = await world.app.listen({ host: '127.0.0.1', port: 0 })
  return async (method: string, path: string, headers: Record<string, string>) => {
    const answer = await fetch(base + path, { method, headers: { ...headers, connection: 'close' } })
    await answer.arrayBuffer()
    return answer
  }
}

const corsOf = ({ headers }: Response) =>
  [...headers].filter(([name]) => name.startsWith('access-control-')).map(([name]) => name)

const preflight = (origin: string) => ({ origin, 'access-control-request-method': 'POST' })

test('by default no other site may read anything', async () => {
  const ask = await open()
  const read = await ask('GET', `/slots/${SLOT}`, { origin: SHOP })
  expect([read.status, corsOf(read), read.headers.get('vary')]).toEqual([200, [], null])
  expect(corsOf(await ask('OPTIONS', '/reservations', preflight(SHOP)))).toEqual([])
})

test('a listed site may, and asks before, without credentials; nobody else, to the letter', async () => {
  const ask = await open(SHOP, 'http://localhost:3000')
  for (const path of [`/slots/${SLOT}`, '/slots', `/reservations/${SLOT}`]) {
    const read = await ask('GET', path, { origin: SHOP })
    expect(read.headers.get('access-control-allow-origin')).toBe(SHOP)
    expect(read.headers.get('access-control-allow-credentials')).toBeNull()
    expect(read.headers.get('vary')).toBe('origin')
  }
  const asked = await ask('OPTIONS', '/reservations', preflight(SHOP))
  expect(asked.status).toBe(204)
  expect(asked.headers.get('access-control-allow-methods')).toBe('POST')
  expect(asked.headers.get('access-control-allow-headers')).toContain('authorization')
  for (const origin of ['https://shop.example.evil', 'http://shop.example', `${SHOP}:8443`, 'null', '*']) {
    const read = await ask('GET', `/slots/${SLOT}`, { origin })
    expect([origin, read.status, corsOf(read)]).toEqual([origin, 200, []])
    expect(corsOf(await ask('OPTIONS', '/reservations', preflight(origin)))).toEqual([])
  }
})

test('a path that does not exist has no methods, also for a listed site', async () => {
  const ask = await open(SHOP)
  expect((await ask('OPTIONS', '/nothing', preflight(SHOP))).status).toBe(404)
  expect((await ask('GET', '/nothing', { origin: SHOP })).status).toBe(404)
})

test('whoever keeps an answer is told that it depends on the origin, also where there was none', async () => {
  const ask = await open(SHOP)
  expect((await ask('GET', `/slots/${SLOT}`, {})).headers.get('vary')).toBe('origin')
  expect((await ask('GET', '/problems/internal', {})).headers.get('vary')).toBe('accept, origin')
})

test('every answer has the headers that browsers heed, a refusal and a page too', async () => {
  const ask = await open()
  for (const path of [`/slots/${SLOT}`, '/slots', '/nothing', `/reservations/${SLOT}`, '/openapi.json']) {
    const { headers } = await ask('GET', path, {})
    for (const [name, value] of Object.entries(securityHeaders))
      expect([path, headers.get(name)]).toEqual([path, value])
  }
  const page = await ask('GET', '/docs', {})
  expect(page.headers.get('content-security-policy')).toMatch(
    /^default-src 'none';.* frame-ancestors 'none'$/,
  )
})
