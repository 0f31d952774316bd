/** Who may ask the operations port. */
import { once } from 'node:events'
import { type IncomingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { DeadLetters } from '@ironsys/dead-letters'
import { afterEach, describe, expect, test } from 'vitest'
import { foreignTrait } from './foreign-requests.ts'
import { createMemoryWorld } from './memory-world.ts'
import { buildOperations } from './operations.ts'

describe.each([['127.0.0.1'], ['::1'], ['::ffff:127.0.0.1'], [undefined]])('on loopback %s', (address) => {
  test.each<[string, IncomingHttpHeaders]>([
    ['another site', { 'sec-fetch-site': 'cross-site', host: 'localhost' }],
    ['a sister site', { 'sec-fetch-site': 'same-site', host: 'localhost' }],
    ['another origin', { origin: 'https://evil.example', host: 'localhost' }],
    ['another port of this machine', { origin: 'http://localhost:1', host: 'localhost:9100' }],
    ['a page without an origin of its own', { origin: 'null', host: 'localhost' }],
    ['an origin without a host', { origin: 'http://localhost' }],
    ['a rebound name', { host: 'rebind.evil.example' }],
    ['a rebound name, of its own origin', { host: 'evil.example:9100', origin: 'http://evil.example:9100' }],
    ['a name that looks like loopback', { host: '127.0.0.1.evil.example' }],
    ['an address that is not loopback', { host: '10.0.0.1:9100' }],
    ['an unreadable host', { host: 'a b' }],
  ])('%s is foreign', (_what, headers) => {
    expect(foreignTrait(headers, address)).toMatch(/^(Sec-Fetch-Site|Origin|Host) is /)
  })

  test.each<[string, IncomingHttpHeaders]>([
    ['a program', { host: '127.0.0.1:9100' }],
    ['a program that calls it localhost', { host: 'localhost' }],
    ['a program on IPv6', { host: '[::1]:9100' }],
    ['a program of HTTP/1.0', {}],
    ['a typed address', { 'sec-fetch-site': 'none', host: 'localhost:9100' }],
    [
      'a page of its own',
      { 'sec-fetch-site': 'same-origin', host: 'localhost:9100', origin: 'http://localhost:9100' },
    ],
  ])('%s is not', (_what, headers) => {
    expect(foreignTrait(headers, address)).toBeNull()
  })
})

test('elsewhere any host will do, another origin will not', () => {
  const headers = { host: 'api-0.operations:9100' }
  expect(foreignTrait(headers, '10.0.0.5')).toBeNull()
  expect(foreignTrait({ ...headers, origin: 'https://evil.example' }, '10.0.0.5')).not.toBeNull()
})

describe('the port', () => {
  const world = createMemoryWorld()
  const unused = () => Promise.reject(new Error('not asked for here'))
  let redriven = 0
  const letters: DeadLetters = {
    list: unused,
    openIds: unused,
    show: unused,
    discard: unused,
    redrive: async () => {
      redriven++
      return { result: 'not-found' }
    },
  }
  const operations = buildOperations(
    { ...world.deps, deadLetters: () => letters, settings: () => null },
    { instanceId: 'test' },
  )

  afterEach(async () => {
    await operations.close()
    await world.app.close()
  })

  test('does nothing for a foreign request, whatever it asks for', async () => {
    const { port } = new URL(await operations.listen({ port: 0, host: '127.0.0.1' }))
    const ask = async (method: string, path: string, headers: Record<string, string>) => {
      const asked = request({ host: '127.0.0.1', port, method, path, headers })
      asked.end()
      const [answer] = await once(asked, 'response')
      return { status: answer.statusCode, body: await text(answer) }
    }
    const redrive = '/admin/dead-letters/1/redrive'
    for (const headers of [{ origin: 'https://evil.example' }, { host: 'rebind.evil.example' }]) {
      for (const [method, path] of [
        ['POST', redrive],
        ['GET', '/metrics'],
        ['GET', '/nowhere'],
      ] as const) {
        const { status, body } = await ask(method, path, headers)
        expect([status, JSON.parse(body).code]).toEqual([403, 'foreign-request'])
      }
    }
    expect(redriven).toBe(0)
    expect((await ask('POST', redrive, {})).status).toBe(404)
    expect(redriven).toBe(1)
  })
})
