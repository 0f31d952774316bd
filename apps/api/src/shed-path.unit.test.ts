import { request } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { undocumentedIn } from './documented.fixture.ts'
import { createMemoryWorld, type MemoryOptions, type MemoryWorld } from './memory-world.ts'
import type { Refusal, Shedder } from './shedder.ts'

let world: MemoryWorld
let base: string
/** What Fastify answered. */
let routed: number
let asked: number
let refusal: Refusal | null

const shedder: Shedder = {
  look: () => undefined,
  refusal() {
    asked++
    return refusal
  },
  standing: () => ({
    pressures: { 'produce-queue': 0, 'event-loop': 0, 'worker-lag': 2 },
    reasons: { new: 'worker-lag', finishing: 'worker-lag' },
    refusedShares: { new: 1, finishing: 1 },
  }),
  configure: () => undefined,
}

async function start(options: MemoryOptions = {}) {
  world = createMemoryWorld({ ...options, shedder })
  world.app.addHook('onSend', async () => void routed++)
  base = await world.app.listen({ port: 0, host: '127.0.0.1' })
  routed = 0
  asked = 0
  refusal = { reason: 'worker-lag', retryAfterSeconds: 3 }
}

beforeEach(() => start())
afterEach(() => world.app.close())

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly names: readonly string[]
  readonly body: string
}

function post(path: string, headers: Record<string, string> = {}, payload = '{}'): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const all = { 'content-type': 'application/json', ...headers }
  const sent = request(`${base}${path}`, { method: 'POST', headers: all, agent: false }, (answer) => {
    let body = ''
    answer.setEncoding('utf8').on('data', (part) => {
      body += part
    })
    answer.on('end', () => {
      const names = answer.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, names: names.sort(), body })
    })
  })
  sent.on('error', reject)
  sent.end(payload)
  return promise
}

test.each(['/slots', '/reservations', '/reservations/batch', '/bookings'])(
  'POST %s is refused as its route would, which never hears of it',
  async (path) => {
    const id = { 'x-request-id': 'one' }
    const fast = await post(path, id)
    expect(routed).toBe(0)
    const slow = await post(`${path}?x`, id)
    expect(routed).toBe(1)
    const undated = ({ headers, ...rest }: Answer) => ({ ...rest, headers: { ...headers, date: '' } })
    expect(undated(fast)).toEqual(undated(slow))
    expect([fast.status, fast.headers['retry-after']]).toEqual([503, '3'])
    const { status, headers } = fast
    expect(undocumentedIn({ method: 'POST', url: path, status, headers })).toEqual([])
    const text = await world.deps.metrics.metricsText()
    expect(text).toContain('ironsys_shed_total{reason="worker-lag",class="new"} 2')
    expect(text).toContain(`ironsys_http_requests_total{route="${path}",method="POST",status="503"} 2`)
  },
)

test('no line of the log is written for each, on neither way', async () => {
  await world.app.close()
  const lines: string[] = []
  await start({ log: { level: 'info', destination: { write: (line) => void lines.push(line) } } })
  for (const path of ['/reservations', '/reservations?x']) expect((await post(path)).status).toBe(503)
  expect(routed).toBe(1)
  expect(lines).toEqual([])
})

test('a large body is not waited for, and the connection goes on', async () => {
  expect((await post('/reservations/batch', {}, 'x'.repeat(5_000_000))).status).toBe(503)
})

test('what is let pass is looked at once', async () => {
  refusal = null
  expect((await post('/reservations')).status).toBe(422)
  expect([routed, asked]).toEqual([1, 1])
})

test('a page of another site is answered by the route, with what its browser needs', async () => {
  await world.app.close()
  await start({ corsOrigins: ['https://shop.example'] })
  const answer = await post('/reservations', { origin: 'https://shop.example' })
  expect([answer.status, routed]).toEqual([503, 1])
  expect(answer.headers['access-control-allow-origin']).toBe('https://shop.example')
  expect((await post('/reservations')).headers.vary).toBe('origin')
})
