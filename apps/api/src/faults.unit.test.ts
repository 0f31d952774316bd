import { afterAll, expect, test } from 'vitest'
import { SLOT } from './memory-client.ts'
import { createMemoryWorld } from './memory-world.ts'

const world = createMemoryWorld()
const { app } = world
afterAll(() => app.close())

test('a fault of ours tells its request id and nothing else', async () => {
  world.outage = new Error('SELECT secret FROM host.internal')
  const answer = await app.inject({ url: `/reservations/${SLOT}`, headers: { 'x-request-id': 'abc-1' } })
  world.outage = null
  expect(answer.statusCode).toBe(500)
  expect(answer.json()).toEqual({
    type: '/problems/internal',
    title: 'Something went wrong here',
    detail: 'A fault of this service. Report the `request_id`.',
    status: 500,
    instance: `/reservations/${SLOT}`,
    code: 'internal',
    request_id: 'abc-1',
  })
})

test('a store that cannot be reached: 503 with Retry-After', async () => {
  world.outage = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' })
  const urls = [`/reservations/${SLOT}`, `/bookings/${SLOT}`, '/slots', `/slots/${SLOT}/audit`]
  for (const url of [...urls, `/slots/${SLOT}/reservations`, '/users/u/reservations']) {
    const answer = await app.inject({ url })
    expect([answer.statusCode, answer.json().code, answer.headers['retry-after']]).toEqual([
      503,
      'reads-unavailable',
      '1',
    ])
    expect(answer.body).not.toContain('10.0.0.1')
  }
  world.outage = null
})

test('a line of the log names the route and nobody', async () => {
  const lines: string[] = []
  const logged = createMemoryWorld({
    log: { level: 'debug', destination: { write: (line) => void lines.push(line) } },
  })
  for (const message of ['down', 'connection lost']) {
    logged.outage = new Error(message)
    await logged.app.inject({ url: '/users/somebody/reservations?limit=7' })
  }
  await logged.app.inject({ method: 'DELETE', url: '/users/somebody' })
  await logged.app.inject({ url: `/reservations/${SLOT}?user_id=somebody` })
  await logged.app.close()
  expect(lines.filter((line) => line.includes('"route":"/users/:user_id/reservations"'))).toHaveLength(4)
  expect(lines.join('')).not.toContain('somebody')
})
