import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { openEvents } from '@ironsys/testing'
import { expect, test, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { Stream, type Taken } from './stream.ts'
import { FakeCache, type Seat, seatAt } from './stream-hub.fixture.ts'
import { createStreamHub } from './stream-hub.ts'
import { eventStreamWire, INCOMING_PER_BEAT, webSocketWire } from './stream-wires.ts'

const deadline = { timeout: 20_000 }
const taken: Taken = () => undefined
const topic = { newest: null, published: null, goneBytes: () => Buffer.alloc(0) }

function start() {
  const closes: string[] = []
  const ended: string[] = []
  const webSocket = Object.assign(new EventEmitter(), {
    close: (code: number) => closes.push(`close ${code}`),
    terminate: () => closes.push('terminate'),
  })
  const socket = new PassThrough()
  const stream = new Stream(topic, {
    started: () => undefined,
    released: (_form, why) => void ended.push(why),
  })
  const wire = webSocketWire(webSocket as unknown as WebSocket, socket as unknown as Socket, stream)
  stream.start(wire, null)
  return { wire, webSocket, socket, closes, ended }
}

test('a beat is a ping; who answers it is not silent', () => {
  const { wire, webSocket, socket } = start()
  expect(wire.isSilent()).toBe(false)
  wire.beat(taken)
  expect([[...(socket.read() ?? [])], wire.isSilent()]).toEqual([[0x89, 0], true])
  webSocket.emit('pong')
  expect(wire.isSilent()).toBe(false)
})

test('what a client says is counted between beats: too much of it and it is told, still more and it is cut', () => {
  const { wire, webSocket, closes, ended } = start()
  const say = (times: number) => {
    const kinds = ['message', 'ping', 'pong']
    for (let n = 0; n < times; n++) webSocket.emit(kinds[n % kinds.length] ?? '')
  }
  for (let beat = 0; beat < 3; beat++) {
    say(INCOMING_PER_BEAT)
    wire.beat(taken)
  }
  expect(closes).toEqual([])
  say(INCOMING_PER_BEAT + 1)
  expect(closes).toEqual(['close 1008'])
  say(INCOMING_PER_BEAT)
  expect([closes, ended]).toEqual([['close 1008', 'terminate'], ['unruly']])
})

/** Of large documents, so that a client which does not read fills what the sockets hold. */
test('a client that stops reading gets the newest when it reads again, and nothing piles up here', async () => {
  const cache = new FakeCache()
  const filler = 'x'.repeat(1_000_000)
  const toBody = ({ version }: { version: number }) => Buffer.from(JSON.stringify({ version, filler }))
  const observer = { opened: () => undefined, closed: () => undefined, refused: () => undefined }
  const hub = createStreamHub<Seat>({ cache, toBody, observer }, { streams: 5, streamsPerCaller: 0 })
  cache.put('a', seatAt(1))
  let pending = 0
  const server = createServer(async (_request, response) => {
    const outcome = await hub.open('a', 'me', null)
    if (outcome.kind !== 'opened') throw new Error(outcome.kind)
    const wire = eventStreamWire(response, outcome.stream)
    outcome.stream.start(wire, null)
    pending = Math.max(pending, response.writableLength)
    const send = wire.send
    Object.assign(wire, {
      send: (...args: Parameters<typeof send>) => {
        send(...args)
        pending = Math.max(pending, response.writableLength)
      },
    })
  })
  server.listen(0, '127.0.0.1')
  await vi.waitFor(() => expect(server.listening).toBe(true))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const client = await openEvents(`http://127.0.0.1:${port}/`)
  await vi.waitFor(() => expect(client.messages).toHaveLength(1), deadline)
  client.pause()
  let version = 1
  const change = () => cache.put('a', seatAt(++version))
  await vi.waitFor(
    () => {
      change()
      // Far more than the sockets of both sides hold.
      expect(version).toBeGreaterThan(100)
    },
    { timeout: 20_000, interval: 10 },
  )
  client.resume()
  await vi.waitFor(() => expect(client.messages.at(-1)?.data.version).toBe(version), deadline)
  expect(client.messages.length).toBeLessThan(version / 2)
  expect(pending).toBeLessThan(2 * filler.length)
  client.close()
  server.close()
  await vi.waitFor(() => expect(hub.size()).toBe(0), deadline)
})
