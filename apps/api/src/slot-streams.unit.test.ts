/** Over real connections: what a client of the streams meets. The rules of streams are tested beside the hub. */
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { SnapshotUnavailableError } from '@ironsys/cache'
import { openEvents, openWebSocket, type StreamClient } from '@ironsys/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { undocumentedIn } from './documented.fixture.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'
import { INCOMING_PER_BEAT } from './stream-wires.ts'
import { upgradeLimits } from './upgrades.ts'

const SLOT = '11111111-2222-4333-8444-555555555555'
const OTHER = SLOT.replace('1', '2')
const deadline = { timeout: 20_000 }
const webSocketLines = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==',
]

let world: MemoryWorld
let url: string
const clients: StreamClient[] = []

beforeEach(async () => {
  world = createMemoryWorld({ streams: { streams: 6, streamsPerCaller: 4 } })
  world.eager = true
  url = await world.app.listen({ port: 0, host: '127.0.0.1' })
  const start_time = '2026-05-01T12:00:00Z'
  const slot = { id: SLOT, name: 'Hall', start_time, end_time: '2026-05-01T14:00:00Z', capacity: 10 }
  await world.app.inject({ method: 'POST', url: '/slots', payload: slot, headers: { prefer: 'wait=5' } })
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await world.app.close()
})

async function events(path: string, headers = {}) {
  const client = await openEvents(`${url}${path}`, headers)
  clients.push(client)
  return client
}

async function webSocket(path: string) {
  const client = await openWebSocket(`${url}${path}`)
  clients.push(client)
  return client
}

const reserve = () =>
  world.app.inject({ method: 'POST', url: '/reservations', payload: { slot_id: SLOT, user_id: 'u' } })
const versions = (client: StreamClient) => client.messages.map(({ id }) => id)

test('both forms tell the same: the snapshot as GET answers it, then a change', async () => {
  await world.app.inject({ url: `/slots/${SLOT}` })
  const [sse, ws] = [await events(`/slots/${SLOT}/events`), await webSocket(`/slots/${SLOT}/ws`)]
  expect([sse.status, sse.headers]).toMatchObject([
    200,
    { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
  ])
  await vi.waitFor(() => expect([versions(sse), versions(ws)]).toEqual([['1.1'], ['1.1']]), deadline)
  const url = '/slots/:id/events'
  expect(undocumentedIn({ method: 'GET', url, status: sse.status, headers: sse.headers })).toEqual([])
  expect(sse.retryMs).toBeGreaterThanOrEqual(1000)
  await reserve()
  await vi.waitFor(() => expect(versions(sse)).toEqual(['1.1', '1.2']), deadline)
  await vi.waitFor(() => expect(ws.messages).toEqual(sse.messages), deadline)
  const answer = await world.app.inject({ url: `/slots/${SLOT}` })
  expect(sse.messages[1]).toEqual({ event: 'snapshot', id: '1.2', data: answer.json() })
})

test('Last-Event-ID and ?last_event_id= resume: what the client has is not sent again', async () => {
  const [header, query, both] = [
    await events(`/slots/${SLOT}/events`, { 'last-event-id': '1.1' }),
    await webSocket(`/slots/${SLOT}/ws?last_event_id=1.1`),
    // An EventSource that connects again repeats its URL, and knows better by its header.
    await events(`/slots/${SLOT}/events?last_event_id=1.0`, { 'last-event-id': '1.1' }),
  ]
  const foreign = await events(`/slots/${SLOT}/events`, { 'last-event-id': 'abc' })
  await vi.waitFor(() => expect(versions(foreign)).toEqual(['1.1']), deadline)
  await reserve()
  for (const client of [header, query, both]) {
    await vi.waitFor(() => expect(versions(client)).toEqual(['1.2']), deadline)
  }
})

describe('before a stream begins', () => {
  test('a refusal is a problem, as everywhere', async () => {
    const ask = async (path: string, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${url}${path}`, { headers })
      return [answer.status, await codeOf(answer)]
    }
    expect(await ask(`/slots/${OTHER}/events`)).toEqual([404, 'slot-not-found'])
    expect(await ask(`/slots/${SLOT}/events`, { accept: 'text/html' })).toEqual([406, 'not-acceptable'])
    expect(await ask(`/slots/${SLOT}/events?after=1`)).toEqual([422, 'invalid-request'])
    expect(await ask(`/slots/${SLOT}/ws?last_event_id=x`)).toEqual([422, 'invalid-request'])
    expect(await ask(`/slots/${SLOT}/ws`)).toEqual([426, 'upgrade-required'])
    const get = () => Promise.reject(new SnapshotUnavailableError())
    Object.assign(world.cache, { get })
    expect(await ask(`/slots/${SLOT}/events`)).toEqual([503, 'reads-unavailable'])
    expect(world.deps.slotStreams.size()).toBe(0)
  })

  test('HEAD tells whether there is one, and opens none', async () => {
    const head = (path: string) => fetch(`${url}${path}`, { method: 'HEAD' })
    const answer = await head(`/slots/${SLOT}/events`)
    const { headers } = answer
    expect([answer.status, headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    expect(headers.get('content-length')).toBeNull()
    expect((await head(`/slots/${OTHER}/events`)).status).toBe(404)
    expect(world.deps.slotStreams.size()).toBe(0)
  })

  test('a handshake that is none is refused with a problem, and its connection closed', async () => {
    const good = { 'sec-websocket-version': '13', 'sec-websocket-key': 'AQIDBAUGBwgJCgsMDQ4PEA==' }
    const path = `/slots/${SLOT}/ws`
    expect(await upgrade(path, { ...good, 'sec-websocket-version': '99' })).toEqual([400, 'bad-request'])
    expect(await upgrade(path, { ...good, 'sec-websocket-key': 'short' })).toEqual([400, 'bad-request'])
    expect(await upgrade(`/slots/${OTHER}/ws`, good)).toEqual([404, 'slot-not-found'])
    expect(await upgrade('/nowhere', good)).toEqual([404, 'not-found'])
    for (const protocols of [',,', 'a,,b', '', 'a b', 'a, b, a']) {
      const asked = { ...good, 'sec-websocket-protocol': protocols }
      expect([protocols, ...(await upgrade(path, asked))]).toEqual([protocols, 400, 'bad-request'])
    }
    for (const asked of [good, { ...good, 'sec-websocket-protocol': 'a ,b.2' }]) {
      expect(await upgrade(path, asked)).toEqual([101, null])
    }
    await vi.waitFor(() => expect(world.deps.slotStreams.size()).toBe(0), deadline)
  })

  test('an upgrade in HTTP/1.0 is not heard', async () => {
    const answer = await exchange([`GET /slots/${SLOT}/ws HTTP/1.0`, ...webSocketLines])
    expect(answer).toMatch(/^HTTP\/1\.1 426 .*"code":"upgrade-required"/s)
    expect(world.deps.slotStreams.size()).toBe(0)
  })

  test('an upgrade to anything else is not heard: the request is answered as it stands', async () => {
    const answer = Promise.withResolvers<number | undefined>()
    const headers = {
      connection: 'upgrade, http2-settings',
      upgrade: 'h2c',
      'http2-settings': 'AAMAAABkAAQAAP',
      'content-type': 'application/json',
    }
    const asking = request(`${url}/reservations`, { method: 'POST', headers, agent: false }, (response) => {
      response.resume()
      answer.resolve(response.statusCode)
    })
    asking.end(JSON.stringify({ slot_id: SLOT, user_id: 'u' }))
    expect(await answer.promise).toBe(202)
  })

  test('no more streams than may be, of one caller and of all; a closed one makes room', async () => {
    const first = await events(`/slots/${SLOT}/events`)
    for (let n = 1; n < 4; n++) await webSocket(`/slots/${SLOT}/ws`)
    const refused = await fetch(`${url}/slots/${SLOT}/events`)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5'])
    expect(await codeOf(refused)).toBe('too-many-streams')
    await expect(openWebSocket(`${url}/slots/${SLOT}/ws`)).rejects.toThrow('refused')
    // Callers are told apart by their address.
    for (let n = 0; n < 2; n++) await world.deps.slotStreams.open(SLOT, 'another', null)
    first.close()
    await vi.waitFor(() => expect(world.deps.slotStreams.size()).toBe(5), deadline)
    await world.deps.slotStreams.open(SLOT, 'another', null)
    const full = await fetch(`${url}/slots/${SLOT}/events`)
    expect([full.status, await codeOf(full)]).toEqual([503, 'overloaded'])
  })
})

test('a client that leaves while its slot is looked up leaves nothing behind', async () => {
  const gate = Promise.withResolvers<void>()
  const { get } = world.cache
  Object.assign(world.cache, {
    get: async (key: string) => {
      await gate.promise
      return get(key)
    },
  })
  for (const lines of [webSocketLines, []]) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    const path = `/slots/${SLOT}/${lines.length > 0 ? 'ws' : 'events'}`
    socket.write([`GET ${path} HTTP/1.1`, 'Host: x', ...lines, '', ''].join('\r\n'))
    const places = world.deps.slotStreams.size()
    await vi.waitFor(() => expect(world.deps.slotStreams.size()).toBe(places + 1), deadline)
    socket.destroy()
  }
  // Nobody reads a WebSocket before its handshake: that it is closed is seen only then.
  await vi.waitFor(async () => expect(await connectionsOf(world)).toBe(1), deadline)
  gate.resolve()
  await vi.waitFor(() => expect(world.deps.slotStreams.size()).toBe(0), deadline)
})

test('shutting down ends both forms, so that the server closes', async () => {
  const [sse, ws] = [await events(`/slots/${SLOT}/events`), await webSocket(`/slots/${SLOT}/ws`)]
  await vi.waitFor(() => expect([sse.messages.length, ws.messages.length]).toEqual([1, 1]), deadline)
  await world.app.close()
  await vi.waitFor(() => expect([sse.ended, ws.ended]).toEqual(['end', '1001']), deadline)
  const metrics = await world.deps.metrics.metricsText()
  expect(metrics).toContain('ironsys_streams_ended_total{form="sse",why="draining"} 1')
  // Once, when it began.
  expect(metrics).toContain('{route="/slots/:id/events",method="GET",status="200"} 1')
})

test('a client that says too much, or too much at once, is closed', async () => {
  const ask = async (frames: Buffer) => {
    const socket = await handshake()
    socket.write(frames)
    return closeCodeOf(socket)
  }
  expect(await ask(Buffer.concat(Array.from({ length: INCOMING_PER_BEAT + 1 }, () => clientText(1))))).toBe(
    1008,
  )
  expect(await ask(clientText(upgradeLimits.incomingBytes + 1))).toBe(1009)
  await vi.waitFor(() => expect(world.deps.slotStreams.size()).toBe(0), deadline)
})

async function codeOf(answer: Response): Promise<string> {
  const problem = (await answer.json()) as { readonly code: string }
  return problem.code
}

/** The status of the answer and, of a problem, its code; the connection has ended then. */
async function upgrade(path: string, headers: Record<string, string>): Promise<[number, string | null]> {
  const answered = Promise.withResolvers<[number, string | null]>()
  const asking = request(`${url}${path}`, {
    agent: false,
    headers: { connection: 'Upgrade', upgrade: 'websocket', ...headers },
  })
  asking.on('upgrade', (response, socket) => {
    const accept = createHash('sha1')
      .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    expect(response.headers['sec-websocket-accept']).toBe(accept)
    const answer = { method: 'GET', url: '/slots/:id/ws', status: 101, headers: response.headers }
    expect(undocumentedIn(answer)).toEqual([])
    socket.destroy()
    answered.resolve([response.statusCode ?? 0, null])
  })
  asking.on('response', (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    response.on('end', () => {
      const isProblem = response.headers['content-type']?.startsWith('application/problem+json')
      answered.resolve([response.statusCode ?? 0, isProblem ? JSON.parse(text).code : null])
    })
  })
  asking.on('error', answered.reject)
  asking.end()
  return answered.promise
}

/** All that is answered until the connection ends. */
async function exchange(lines: readonly string[]): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.end([...lines, '', ''].join('\r\n'))
  return text(socket)
}

function connectionsOf({ app }: MemoryWorld): Promise<number> {
  return promisify<number>((done) => app.server.getConnections(done))()
}

async function handshake(): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const lines = [`GET /slots/${SLOT}/ws HTTP/1.1`, 'Host: x', ...webSocketLines, '', '']
  socket.write(lines.join('\r\n'))
  const answered = Promise.withResolvers<void>()
  socket.once('data', () => answered.resolve())
  await answered.promise
  return socket
}

/** A masked text message, the mask being zeros. */
function clientText(length: number): Buffer {
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([0x81, ...size, 0, 0, 0, 0]), Buffer.alloc(length, 'x')])
}

/** The server's close frame is the last thing it says. */
async function closeCodeOf(socket: Socket): Promise<number> {
  const chunks: Buffer[] = []
  const code = () => {
    const bytes = Buffer.concat(chunks)
    const at = bytes.lastIndexOf(0x88)
    return at === -1 ? 0 : bytes.readUInt16BE(at + 2)
  }
  socket.on('data', (chunk) => chunks.push(chunk))
  await vi.waitFor(() => expect(code()).toBeGreaterThan(0), deadline)
  socket.destroy()
  return code()
}
