import { once } from 'node:events'
import net from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTcpProxy, type TcpProxy } from './tcp-proxy.ts'

let server: net.Server
let received: string
let proxy: TcpProxy

beforeEach(async () => {
  received = ''
  server = net.createServer((socket) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString()
      socket.write(`re:${chunk.toString()}`)
    })
    socket.on('error', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  proxy = await createTcpProxy({ targetHost: '127.0.0.1', targetPort: port })
})

afterEach(async () => {
  await proxy.close()
  server.close()
})

async function connect(): Promise<net.Socket> {
  const socket = net.connect({ host: proxy.host, port: proxy.port, noDelay: true })
  socket.on('error', () => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function ask(socket: net.Socket, request: string): Promise<string> {
  socket.write(request)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  return chunk.toString()
}

/** All that arrives until the connection is gone. */
async function untilClosed(socket: net.Socket): Promise<string> {
  let bytes = ''
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.toString()
  })
  // Not events.once: it rejects on the reset that many of these tests are about.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  return bytes
}

test('passes requests and answers', async () => {
  const socket = await connect()
  expect(await ask(socket, 'one')).toBe('re:one')
  expect(await ask(socket, 'two')).toBe('re:two')
  socket.end()
})

test.each(['reset', 'end'] as const)('loses the answer of a request that arrived (%s)', async (ending) => {
  const socket = await connect()
  expect(await ask(socket, 'one')).toBe('re:one')
  const fired = proxy.arm('lost-answer', { matches: (chunk) => chunk.toString() === 'two', ending })
  const rest = untilClosed(socket)
  socket.write('two')
  await fired
  expect(await rest).toBe('')
  expect(received).toBe('onetwo')
})

test('loses a request before it arrives', async () => {
  const socket = await connect()
  const fired = proxy.arm('lost-request')
  socket.write('one')
  await fired
  expect(await untilClosed(socket)).toBe('')
  expect(received).toBe('')
})

test('lets half of a request through', async () => {
  const socket = await connect()
  const fired = proxy.arm('half-request')
  socket.write('123456')
  await fired
  await untilClosed(socket)
  await expect.poll(() => received).toBe('123')
})

test('a fault fires once: the next connection passes', async () => {
  const fired = proxy.arm('lost-request')
  const first = await connect()
  first.write('one')
  await fired
  const second = await connect()
  expect(await ask(second, 'two')).toBe('re:two')
  second.end()
})

test('holds bytes while stalled and lets them go afterwards', async () => {
  const socket = await connect()
  expect(await ask(socket, 'one')).toBe('re:one')
  proxy.stall()
  const answer = ask(socket, 'two')
  const other = await connect()
  const otherAnswer = ask(other, 'three')
  await expect.poll(() => proxy.connections()).toBe(2)
  expect(received).toBe('one')
  proxy.resume()
  expect(await answer).toBe('re:two')
  expect(await otherAnswer).toBe('re:three')
  socket.end()
  other.end()
})

test('cuts every connection', async () => {
  const sockets = [await connect(), await connect()]
  await expect.poll(() => proxy.connections()).toBe(2)
  proxy.cutAll()
  for (const socket of sockets) await untilClosed(socket)
  await expect.poll(() => proxy.connections()).toBe(0)
})
