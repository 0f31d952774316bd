/** The example in front of the real API: what a cache may do for us, and what it must not. */
import { createServer, get, type IncomingHttpHeaders } from 'node:http'
import { waitUntil } from '@ironsys/local'
import {
  type Client,
  createClient,
  openEvents,
  startSystem,
  type TestApp,
  type TestSystem,
} from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLIENT, type Nginx, startNginx } from './nginx.fixture.ts'

const DEADLINE_MS = 20_000
const READERS = 32
/** By default. */
const STREAMS_OF_ONE = 100

let system: TestSystem
let api: TestApp
let nginx: Nginx
let client: Client

beforeAll(async () => {
  system = await startSystem()
  ;[api] = await Promise.all([system.startApi({ TRUSTED_PROXIES: '127.0.0.1' }), system.startWorker()])
  nginx = await startNginx(api.url)
  client = createClient(nginx.url)
})

afterAll(async () => {
  await nginx?.stop()
  await system?.close()
})

/** How many requests of a route have reached the API. */
async function arrived(method: string, route: string): Promise<number> {
  const exposition = await (await fetch(`${api.operationsUrl}/metrics`)).text()
  const counts = exposition
    .split('\n')
    .filter((line) => line.startsWith('ironsys_http_requests_total{'))
    .filter((line) => line.includes(`route="${route}"`) && line.includes(`method="${method}"`))
    .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)))
  return counts.reduce((sum, count) => sum + count, 0)
}

/** What one after the other reads of a stream's frames until `has` is true of all of it together. */
async function readUntil(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  has: (text: string) => boolean,
): Promise<string> {
  const decoder = new TextDecoder()
  for (let text = ''; ; ) {
    if (has(text)) return text
    const { value, done } = await reader.read()
    if (done) throw new Error(`the stream ended after: ${text}`)
    text += decoder.decode(value, { stream: true })
  }
}

describe('public answers', () => {
  test('of a slot are asked for once a second, however many read it', async () => {
    const slotId = await client.createSlot(10)
    const before = await arrived('GET', '/slots/:id')
    const beganMs = performance.now()
    let answers = 0
    let reading = true
    const readers = Array.from({ length: READERS }, async () => {
      while (reading) {
        const { status } = await client.call('GET', `/slots/${slotId}`)
        expect(status).toBe(200)
        answers++
      }
    })
    const refreshed = await waitUntil(
      async () => (await arrived('GET', '/slots/:id')) - before >= 3,
      DEADLINE_MS,
    )
    reading = false
    await Promise.all(readers)
    const asked = (await arrived('GET', '/slots/:id')) - before
    const seconds = (performance.now() - beganMs) / 1000
    expect(refreshed).toBe(true)
    expect(asked).toBeLessThanOrEqual(seconds + 1)
    expect(answers).toBeGreaterThan(asked * READERS)
  })

  test('become current behind the one who is answered at once', async () => {
    const slotId = await client.createSlot(2)
    const read = () => client.call('GET', `/slots/${slotId}`)
    expect(await read()).toMatchObject({ status: 200, body: { available: 2 } })
    await client.reserve(slotId)
    const caches = new Set<string | null>()
    const isCurrent = async () => {
      const { body, headers } = await read()
      caches.add(headers.get('x-cache'))
      return body.available === 1
    }
    expect(await waitUntil(isCurrent, DEADLINE_MS)).toBe(true)
    expect(caches).toContain('STALE')
    // Nobody waited for the API.
    expect([...caches].filter((each) => !['HIT', 'STALE', 'UPDATING'].includes(each ?? ''))).toEqual([])
  })

  test('are not kept for who asks for a version', async () => {
    const slotId = await client.createSlot(2)
    await client.call('GET', `/slots/${slotId}`)
    const { body } = await client.reserve(slotId)
    const { slot_version: version } = body
    for (const _ of [1, 2]) {
      const read = await client.call('GET', `/slots/${slotId}?min_version=${version}`)
      expect(read).toMatchObject({ status: 200, body: { version, available: 1 } })
      expect(read.headers.get('x-cache')).toBe('BYPASS')
    }
  })

  test('answer 304 to who has the version', async () => {
    const slotId = await client.createSlot(1)
    const first = await client.call('GET', `/slots/${slotId}`)
    const etag = first.headers.get('etag') ?? ''
    expect(etag).toBe('W/"1.1"')
    const again = await client.call('GET', `/slots/${slotId}`, undefined, { 'if-none-match': etag })
    expect([again.status, again.body, again.headers.get('etag')]).toEqual([304, null, etag])
    const old = await client.call('GET', `/slots/${slotId}`, undefined, { 'if-none-match': 'W/"1.0"' })
    expect([old.status, old.body.version]).toEqual([200, 1])
  })

  test('say when the API made them', async () => {
    const slotId = await client.createSlot(1)
    const isOld = async () => {
      const { headers } = await client.call('GET', `/slots/${slotId}`)
      expect(headers.get('age')).toMatch(/^\d+$/)
      return headers.get('x-cache') !== 'MISS' && Date.now() - Date.parse(headers.get('date') ?? '') > 1500
    }
    expect(await waitUntil(isOld, DEADLINE_MS)).toBe(true)
  })

  test('go to each with the id of its own request', async () => {
    const slotId = await client.createSlot(1)
    const idOf = async (id: string) => {
      const { headers } = await client.call('GET', `/slots/${slotId}`, undefined, { 'x-request-id': id })
      return headers.get('x-request-id')
    }
    expect([await idOf('ann-1'), await idOf('bob-2')]).toEqual(['ann-1', 'bob-2'])
    expect(await idOf('not "safe"')).toMatch(/^[0-9a-f]{32}$/)
  })
})

test('commands and private answers reach the API each time', async () => {
  const slotId = await client.createSlot(10)
  const headers = { 'idempotency-key': slotId }
  const posts = await arrived('POST', '/reservations')
  const answers = [1, 2].map(() => client.reserve(slotId, { user_id: 'ann' }, headers))
  const [first, second] = await Promise.all(answers)
  expect([first?.status, second?.status]).toEqual([201, 201])
  expect(await arrived('POST', '/reservations')).toBe(posts + 2)
  const path = `/reservations/${first?.body.id}`
  const gets = await arrived('GET', '/reservations/:id')
  for (const _ of [1, 2]) {
    const read = await client.call('GET', path)
    expect([read.status, read.headers.get('cache-control')]).toEqual([200, 'private, no-store'])
  }
  expect(await arrived('GET', '/reservations/:id')).toBe(gets + 2)
  const slots = await arrived('GET', '/slots/:id')
  for (const _ of [1, 2]) expect((await client.call('GET', `/slots/${first?.body.id}`)).status).toBe(404)
  expect(await arrived('GET', '/slots/:id')).toBe(slots + 2)
})

describe('a stream', () => {
  test('of events comes frame by frame', async () => {
    const slotId = await client.createSlot(3)
    const stop = new AbortController()
    const answer = await fetch(`${nginx.url}/slots/${slotId}/events`, { signal: stop.signal })
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    const reader = answer.body?.getReader() ?? expect.fail('it has no body')
    await readUntil(reader, (text) => text.includes('"available":3'))
    for (const left of [2, 1]) {
      await client.reserve(slotId)
      await readUntil(reader, (text) => text.includes(`"available":${left}`))
    }
    stop.abort()
  })

  test('is one of so many of its client, and of an IPv6 network; others have their own', async () => {
    const path = `/slots/${await client.createSlot(1)}`
    const open = (address: string) => openEvents(`${nginx.url}${path}/events`, { [CLIENT]: address })
    const allOf = (address: string) =>
      Promise.all(Array.from({ length: STREAMS_OF_ONE }, () => open(address)))
    const streams = [...(await allOf('2001:db8::1')), ...(await allOf('192.0.2.1'))]
    expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]))
    const neighbour = { [CLIENT]: '2001:db8::2:1', 'x-request-id': 'ann-1' }
    const refused = await client.call('GET', `${path}/events`, undefined, neighbour)
    const said = await fetch(`${api.url}/problems/too-many-streams`)
    const { title, when: detail } = (await said.json()) as { readonly title: string; readonly when: string }
    const problem = {
      type: '/problems/too-many-streams',
      code: 'too-many-streams',
      title,
      detail,
      status: 429,
    }
    const instance = `${path}/events`
    expect([refused.status, refused.body]).toEqual([429, { ...problem, instance, request_id: 'ann-1' }])
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'private, no-store',
      'retry-after': '5',
      'x-request-id': 'ann-1',
    })
    for (const address of ['2001:db8:0:1::1', '192.0.2.2']) {
      const other = await open(address)
      expect(other.status).toBe(200)
      streams.push(other)
    }
    streams[0]?.close()
    const hasRoom = async () => {
      const next = await open('2001:db8::1')
      streams.push(next)
      return next.status === 200
    }
    expect(await waitUntil(hasRoom, DEADLINE_MS)).toBe(true)
    for (const stream of streams) stream.close()
  })

  test('over WebSocket is upgraded', async () => {
    const slotId = await client.createSlot(3)
    const socket = new WebSocket(`${nginx.url.replace('http', 'ws')}/slots/${slotId}/ws`)
    const shown: number[] = []
    socket.addEventListener('message', ({ data }) => shown.push(JSON.parse(String(data)).data.available))
    expect(await waitUntil(() => shown.includes(3), DEADLINE_MS)).toBe(true)
    await client.reserve(slotId)
    expect(await waitUntil(() => shown.includes(2), DEADLINE_MS)).toBe(true)
    const closed = new Promise((resolve) => socket.addEventListener('close', resolve))
    socket.close()
    await closed
  })
})

test('each client has the limits of one, whoever it claims to be', async () => {
  const limited = await system.startApi({
    TRUSTED_PROXIES: '127.0.0.0/8',
    RATE_IP_PER_SECOND: '0.01',
    RATE_IP_BURST: '3',
  })
  const front = await startNginx(limited.url)
  try {
    const statuses = async (client: string) => {
      const seen: number[] = []
      for (let n = 0; n < 4; n++) {
        const headers = { [CLIENT]: client, 'x-forwarded-for': `203.0.113.${n}` }
        seen.push((await fetch(`${front.url}/nowhere`, { headers })).status)
      }
      return seen
    }
    for (const client of ['192.0.2.1', '192.0.2.2', '2001:db8::1'])
      expect([client, ...(await statuses(client))]).toEqual([client, 404, 404, 404, 429])
  } finally {
    await front.stop()
    await limited.end('SIGTERM')
  }
})

test('the API learns who asks; while it is gone, streams are cut, as browsers want it, and the rest is 502', async () => {
  const seen: IncomingHttpHeaders[] = []
  const echo = createServer((request, response) => {
    seen.push(request.headers)
    response.setHeader('connection', 'close').end()
  })
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  const address = echo.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const closeEcho = () => {
    echo.closeAllConnections()
    return new Promise((resolve) => echo.close(resolve))
  }
  const front = await startNginx(`http://127.0.0.1:${address.port}`)
  try {
    seen.length = 0
    const headers = { 'x-forwarded-for': '10.0.0.1', 'x-request-id': 'ann-1' }
    const upgrade = { connection: 'upgrade', upgrade: 'websocket' }
    // Not fetch, which refuses to ask for an upgrade.
    await new Promise((resolve, reject) => {
      get(`${front.url}/reservations/x`, { headers: { ...headers, ...upgrade } }, (answer) =>
        answer.resume().once('end', resolve),
      ).once('error', reject)
    })
    expect(seen[0]).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-request-id': 'ann-1' })
    expect([seen[0]?.upgrade, seen[0]?.connection]).toEqual([undefined, undefined])
    await closeEcho()
    expect((await fetch(`${front.url}/reservations/x`)).status).toBe(502)
    await expect(fetch(`${front.url}/slots/x/events`)).rejects.toThrow('fetch failed')
  } finally {
    await front.stop()
    if (echo.listening) await closeEcho()
  }
})
