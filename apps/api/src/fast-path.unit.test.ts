import { request } from 'node:http'
import type { Tracing } from '@ironsys/telemetry'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { undocumentedIn } from './documented.fixture.ts'
import { createMemoryWorld, type MemoryOptions, type MemoryWorld } from './memory-world.ts'

const SLOT = '11111111-2222-4333-8444-555555555555'
const UNKNOWN = '11111111-2222-4333-8444-555555555556'

let world: MemoryWorld
let base: string
/** Requests that Fastify heard of. */
let routed: number

async function start(options?: MemoryOptions) {
  world = createMemoryWorld(options)
  routed = 0
  world.app.addHook('onRequest', async () => void routed++)
  base = await world.app.listen({ port: 0, host: '127.0.0.1' })
  const post = await world.app.inject({
    method: 'POST',
    url: '/slots',
    payload: {
      id: SLOT,
      name: 'Konzert im Grünen 🎻',
      start_time: '2026-05-01T10:00:00.000Z',
      end_time: '2026-05-01T11:00:00.000Z',
      capacity: 5,
    },
  })
  expect(post.statusCode).toBe(202)
  world.decideAll()
  // Now it is in memory.
  await world.app.inject(`/slots/${SLOT}`)
  routed = 0
}

beforeEach(() => start())
afterEach(() => world.app.close())

interface Answer {
  readonly status: number | undefined
  readonly head: readonly string[]
  readonly body: string
}

function send(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const asked = request(`${base}${path}`, { method, headers, agent: false }, (answer) => {
    answer.setEncoding('utf8')
    let body = ''
    answer.on('data', (part) => {
      body += part
    })
    answer.on('end', () => resolve({ status: answer.statusCode, head: answer.rawHeaders, body }))
  })
  asked.on('error', reject)
  asked.end()
  return promise
}

function headersOf({ head }: Answer): Record<string, string> {
  const pairs = head.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), head[at + 1] ?? '']] : []))
  return Object.fromEntries(pairs)
}

/** By the route: it decodes the first digit of the id. */
const sendToRoute = (headers?: Record<string, string>) => send(`/slots/%31${SLOT.slice(1)}`, headers)

/** Without what differs from one answer to the next. */
function lasting({ status, head, body }: Answer): Answer {
  const isDate = (at: number) => head[at - 1] === 'Date'
  return { status, head: head.map((text, at) => (isDate(at) || /^test-\w+$/.test(text) ? '' : text)), body }
}

test.each([
  {},
  { 'x-request-id': 'mine-1' },
  { 'X-Request-Id': 'not safe to repeat' },
  { accept: 'text/html', 'content-type': 'text/plain', 'cache-control': 'no-cache' },
])('what is in memory is answered past the route, as the route would (%o)', async (headers) => {
  const fast = await send(`/slots/${SLOT}`, headers)
  expect(routed).toBe(0)
  expect(undocumentedIn({ method: 'GET', url: '/slots/:id', status: 200, headers: headersOf(fast) })).toEqual(
    [],
  )
  const routes = await sendToRoute(headers)
  expect(routed).toBe(1)
  expect(lasting(fast)).toEqual(lasting(routes))
  expect(JSON.parse(fast.body)).toMatchObject({
    name: 'Konzert im Grünen 🎻',
    available: 5,
    from_cache: true,
  })
})

test('a stale snapshot is answered as stale, both ways', async () => {
  const read = world.cache.peek(SLOT)
  if (read === undefined || 'missing' in read) throw new Error('it is not in memory')
  world.cache.put(SLOT, { ...read, body: null, stale: true, ageMs: 2999 })
  const fast = await send(`/slots/${SLOT}`)
  expect(routed).toBe(0)
  expect(JSON.parse(fast.body)).toMatchObject({ id: SLOT, stale: true })
  expect(fast.head).toContain('2')
  expect(lasting(await sendToRoute())).toEqual(lasting(fast))
})

test('whatever may be answered in another way is left to the route', async () => {
  const etag = 'W/"1.1"'
  const statuses = []
  for (const [path, headers, method] of [
    [`/slots/${SLOT}`, { 'If-None-Match': etag }],
    [`/slots/${SLOT}`, { 'if-none-match': '"other"' }],
    [`/slots/${SLOT}?min_version=1`],
    [`/slots/${SLOT}?min_version=none`],
    [`/slots/${UNKNOWN}`],
    [`/slots/${SLOT.toUpperCase().slice(0, -1)}x`],
    [`/slots/${SLOT}/`],
    [`/slots/${SLOT}`, {}, 'HEAD'],
    [`/slots/${SLOT}`, {}, 'OPTIONS'],
  ] as const) {
    statuses.push((await send(path, headers, method)).status)
  }
  expect(statuses).toEqual([304, 200, 200, 422, 404, 422, 404, 200, 405])
  expect(routed).toBe(statuses.length)
})

test('what is known to be missing is asked of the cache, and counted there, once', async () => {
  await world.app.inject(`/slots/${UNKNOWN}`)
  const counted = vi.spyOn(world.cache, 'getNow')
  expect((await send(`/slots/${UNKNOWN}`)).status).toBe(404)
  expect(counted.mock.results.map(({ value }) => value)).toEqual([{ missing: true }])
})

test('a cache in front may revalidate for as long as the setting lets this process, both ways', async () => {
  for (const [ms, seconds] of [
    [60_000, 60],
    [2999, 2],
    [0, 0],
  ] as const) {
    world.staleWhileRevalidateMs = ms
    const fast = await send(`/slots/${SLOT}`)
    expect(headersOf(fast)['cache-control']).toBe(
      `public, max-age=0, s-maxage=1, stale-while-revalidate=${seconds}`,
    )
    expect(lasting(await sendToRoute())).toEqual(lasting(fast))
  }
})

test('while draining, the route tells clients to close their connection', async () => {
  world.health.draining = true
  const { status, head } = await send(`/slots/${SLOT}`)
  expect([status, routed]).toEqual([200, 1])
  expect(head).toContain('close')
})

test('it is counted once, and as an answer of the route', async () => {
  const total = async () => {
    const lines = (await world.deps.metrics.metricsText()).split('\n')
    const counts = lines.filter((line) => /^ironsys_http\w+(total|count)\{.*"\/slots\/:id"/.test(line))
    return counts.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0)
  }
  const before = await total()
  await send(`/slots/${SLOT}`)
  expect(routed).toBe(0)
  // The request, and how long it took.
  expect((await total()) - before).toBe(2)
})

test('it is traced and logged like any other request', async () => {
  await world.app.close()
  const ended: object[] = []
  const tracing: Tracing = {
    start: (method, { traceparent }) => ({
      traceId: 'trace-1',
      end: (answer) => void ended.push({ method, traceparent, ...answer }),
    }),
    close: async () => undefined,
  }
  const lines: object[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  await start({ tracing, log: { level: 'debug', destination } })
  const before = lines.length
  ended.length = 0
  await send(`/slots/${SLOT}`, { traceparent: '00-1', 'x-request-id': 'mine-2' })
  await send(`/slots/${SLOT}`, { traceparent: '00-2' })
  expect(routed).toBe(0)
  const answer = { route: '/slots/:id', status: 200, requestId: 'mine-2' }
  expect(ended).toEqual([
    { method: 'GET', traceparent: '00-1', ...answer },
    { method: 'GET', traceparent: '00-2', ...answer, requestId: expect.stringMatching(/^test-/) },
  ])
  expect(lines.slice(before, before + 1)).toMatchObject([
    {
      msg: 'request',
      request_id: 'mine-2',
      trace_id: 'trace-1',
      method: 'GET',
      route: '/slots/:id',
      status: 200,
    },
  ])
})
