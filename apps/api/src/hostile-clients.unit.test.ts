/** Clients that send slowly (slow loris), or too much. What is malformed is in bad-input.unit.test.ts. */
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'

const worlds: MemoryWorld[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const { app } of worlds.splice(0)) await app.close()
})

function open() {
  const world = createMemoryWorld()
  worlds.push(world)
  return world
}

describe('a connection that sends', () => {
  test.each([
    ['no end of its headers', 'GET /slots HTTP/1.1\r\nhost: x\r\nx-slow: '],
    [
      'half a body',
      'POST /slots HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
    ],
    ['nothing after a first byte', 'G'],
  ])('%s is ended, with 408', async (_name, sent) => {
    const { app } = open()
    await app.listen({ host: '127.0.0.1', port: 0 })
    // As in production, but sooner.
    app.server.headersTimeout = 100
    app.server.requestTimeout = 200
    const answer = await converse(app, sent)
    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    expect(answer).toContain('"code":"request-timeout"')
  })
})

describe('more than the limits', () => {
  test('a chunked body is ended as soon as it is over, with 413', async () => {
    const { app, records } = open()
    await app.listen({ host: '127.0.0.1', port: 0 })
    const head =
      'POST /reservations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n'
    // Never ends: an answer that waits for the last chunk does not come.
    const answer = await converse(app, `${head}${`4000\r\n${' '.repeat(0x4000)}\r\n`.repeat(5)}`)
    expect(answer).toMatch(/^HTTP\/1\.1 413 Payload Too Large\r\n/)
    expect(answer).toContain('"code":"body-too-large"')
    expect(records).toHaveLength(0)
  })

  test.each([
    ['one header', `x-flood: ${'a'.repeat(20_000)}\r\n`],
    ['thousands of headers', Array.from({ length: 5000 }, (_, n) => `x${n}: a\r\n`).join('')],
    ['one header many times', 'prefer: wait=1\r\n'.repeat(2000)],
  ])('%s: 431', async (_name, headers) => {
    const { app } = open()
    await app.listen({ host: '127.0.0.1', port: 0 })
    const answer = await converse(app, `GET /slots HTTP/1.1\r\nhost: x\r\n${headers}\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
    expect(answer).toContain('"code":"headers-too-large"')
  })
})

test('the method QUERY, with and without a content type: 405 as of any other', async () => {
  const { app } = open()
  await app.listen({ host: '127.0.0.1', port: 0 })
  for (const type of ['', 'content-type: application/json\r\n']) {
    const head = `QUERY /slots HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${type}\r\n`
    const answer = await converse(app, head)
    expect(answer).toMatch(/^HTTP\/1\.1 405 /)
    expect(answer).toContain('allow: GET, HEAD, POST')
  }
})

/** Sends, and answers what comes until the other side ends it. */
function converse(app: MemoryWorld['app'], text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const address = app.server.address()
  if (typeof address !== 'object' || address === null) throw new Error('it does not listen')
  const chunks: Buffer[] = []
  const socket = connect(address.port, address.address, () => socket.write(text))
  sockets.push(socket)
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', reject)
  socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
  return promise
}
