import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'
import { buildOperations } from './operations.ts'

let world: MemoryWorld
beforeEach(() => {
  world = createMemoryWorld()
})
afterEach(() => world.app.close())

const SLOT = '11111111-2222-4333-8444-555555555555'

async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (data) => {
    answer += data.toString()
  })
  socket.write(text)
  await once(socket, 'close')
  return answer
}

const portOf = (address: string) => Number(new URL(address).port)

test('what is not HTTP gets a problem document and is closed', async () => {
  const port = portOf(await world.app.listen({ port: 0, host: '127.0.0.1' }))
  const answer = await raw(port, 'GET / HTTP/1.1\r\nbroken header\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
  expect(answer).toContain('application/problem+json')
  expect(answer).toContain('"code":"bad-request"')
  const large = await raw(port, `GET / HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(17_000)}\r\n\r\n`)
  expect(large).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/)
  expect(large).toContain('"code":"headers-too-large"')
  for (const each of [answer, large]) expect(each).toContain('cache-control: private, no-store\r\n')
})

test.each([
  ['HTTP/1.1 without Host', 'HTTP/1.1\r\n', 400, 'bad-request'],
  ['an expectation nobody knows', 'HTTP/1.1\r\nhost: x\r\nexpect: nonsense\r\n', 417, 'expectation-failed'],
])(
  '%s is refused with a problem document, in memory or not, and the connection ends',
  async (_, rest, status, code) => {
    const port = portOf(await world.app.listen({ port: 0, host: '127.0.0.1' }))
    await makeCached()
    for (const path of [`/slots/${SLOT}`, '/slots', '/nothing', '/health/live']) {
      const answer = await raw(port, `GET ${path} ${rest}\r\n`)
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
      expect(answer).toContain('content-type: application/problem+json')
      expect(answer).toContain('x-request-id: ')
      expect(answer).toContain(`"code":"${code}"`)
    }
  },
)

test.each([
  ['HTTP/1.0 without Host', 'HTTP/1.0\r\n'],
  ['an expectation in HTTP/1.0', 'HTTP/1.0\r\nexpect: nonsense\r\n'],
  ['100-continue', 'HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n'],
])('%s is no fault', async (_, rest) => {
  const port = portOf(await world.app.listen({ port: 0, host: '127.0.0.1' }))
  await makeCached()
  for (const path of [`/slots/${SLOT}`, '/slots']) {
    expect(await raw(port, `GET ${path} ${rest}\r\n`)).toContain('HTTP/1.1 200 OK\r\n')
  }
})

async function makeCached(): Promise<void> {
  const [start_time, end_time] = ['2026-05-01T10:00:00.000Z', '2026-05-01T11:00:00.000Z']
  const payload = { id: SLOT, name: 'Hall', start_time, end_time, capacity: 5 }
  await world.app.inject({ method: 'POST', url: '/slots', payload })
  world.decideAll()
  expect((await world.app.inject(`/slots/${SLOT}`)).statusCode).toBe(200)
}

test('closing answers who waits with what is known, and says goodbye to kept connections', async () => {
  const address = await world.app.listen({ port: 0, host: '127.0.0.1' })
  const body = JSON.stringify({ slot_id: SLOT, user_id: 'u' })
  const headers = { 'content-type': 'application/json', prefer: 'wait=30' }
  const waiting = fetch(`${address}/reservations`, { method: 'POST', body, headers })
  await vi.waitFor(() => expect(world.records).toHaveLength(1))
  const closed = world.app.close()
  world.closing.abort()
  const answer = await waiting
  expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, 'wait'])
  await answer.json()
  await closed
})

test('a client that leaves is forgotten', async () => {
  const address = await world.app.listen({ port: 0, host: '127.0.0.1' })
  const abort = new AbortController()
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    signal: abort.signal,
  }
  const left = fetch(`${address}/reservations`, {
    ...init,
    body: JSON.stringify({ slot_id: SLOT, user_id: 'u' }),
  })
  await vi.waitFor(() => expect(world.deps.waiting.size()).toBe(1))
  abort.abort()
  await expect(left).rejects.toThrow()
  await vi.waitFor(() => expect(world.deps.waiting.size()).toBe(0))
})

test('the operations port has metrics by route pattern, and health', async () => {
  await world.app.inject({ url: `/slots/${SLOT}` })
  await world.app.inject({ url: '/nowhere' })
  const operations = buildOperations(
    { ...world.deps, deadLetters: () => null, settings: () => null },
    { instanceId: 'test' },
  )
  const metrics = await operations.inject({ url: '/metrics' })
  expect(metrics.headers['content-type']).toContain('text/plain')
  expect(metrics.body).toContain(
    'ironsys_http_requests_total{route="/slots/:id",method="GET",status="404"} 1',
  )
  expect(metrics.body).toContain('ironsys_http_requests_total{route="none",method="any",status="404"} 1')
  expect((await operations.inject({ url: '/health/ready' })).statusCode).toBe(200)
  world.health.states.kafka = 'down'
  expect((await operations.inject({ url: '/health/ready' })).json().writes).toBe('down')
  world.health.draining = true
  for (const server of [operations, world.app])
    expect((await server.inject({ url: '/health/ready' })).statusCode).toBe(503)
  expect((await world.app.inject({ url: '/api/v1/health' })).statusCode).toBe(200)
  expect((await world.app.inject({ url: '/health/live' })).json()).toEqual({ status: 'up' })
  await operations.close()
})
