/** What the operations port says of a redrive; the redrive itself is tested on real servers. */
import type { DeadLetter, DeadLetters, Redriven } from '@ironsys/dead-letters'
import { LogOverloadedError, LogUnavailableError, OutcomeUnknownError } from '@ironsys/engine'
import { afterEach, expect, test } from 'vitest'
import { createMemoryWorld } from './memory-world.ts'
import { buildOperations } from './operations.ts'

const world = createMemoryWorld()
const opened: { close(): Promise<unknown> }[] = []

afterEach(async () => {
  for (const app of opened.splice(0)) await app.close()
})

const letter: DeadLetter = {
  id: 7,
  topic: 'reservations.commands',
  partition: 1,
  offset: 42,
  command_id: '11111111-1111-4111-8111-111111111111',
  code: 'malformed',
  detail: 'why',
  at: '2026-06-01T12:00:00.000Z',
  status: 'redriven',
  resolved_at: '2026-06-01T13:00:00.000Z',
  resolved_by: 'ann',
  resolution: null,
  redriven_partition: 1,
  redriven_offset: 43,
  value_bytes: 2,
}

/** The port with dead letters that answer every redrive so; null: the servers were not reached yet. */
function portOn(redrive: (() => Promise<Redriven>) | null) {
  const unused = () => Promise.reject(new Error('not asked for here'))
  const letters: DeadLetters | null =
    redrive === null ? null : { list: unused, openIds: unused, show: unused, discard: unused, redrive }
  const port = buildOperations(
    { ...world.deps, deadLetters: () => letters, settings: () => null },
    { instanceId: 'test' },
  )
  opened.push(port)
  return port
}

const redriveOn = (redrive: (() => Promise<Redriven>) | null) =>
  portOn(redrive).inject({ method: 'POST', url: '/admin/dead-letters/7/redrive' })

test.each<[string, () => Promise<Redriven>, number, string]>([
  ['unknown', async () => ({ result: 'not-found' }), 404, 'dead-letter-not-found'],
  ['resolved', async () => ({ result: 'not-open', status: 'redriven' }), 409, 'dead-letter-not-open'],
  ['in other hands', async () => ({ result: 'busy' }), 409, 'dead-letter-busy'],
  ['no text', async () => ({ result: 'not-text' }), 409, 'dead-letter-not-text'],
  ['refused by a full queue', () => Promise.reject(new LogOverloadedError('x')), 503, 'overloaded'],
  ['refused by the log', () => Promise.reject(new LogUnavailableError('x')), 503, 'log-unavailable'],
  ['of unknown outcome', () => Promise.reject(new OutcomeUnknownError('timeout')), 503, 'outcome-unknown'],
  ['not to be read', () => Promise.reject(new Error('connection terminated')), 503, 'reads-unavailable'],
  ['a bug', () => Promise.reject(new Error('odd')), 500, 'internal'],
])('a letter that is %s is a problem with its code', async (_what, redrive, status, code) => {
  const answer = await redriveOn(redrive)
  expect(answer.headers['content-type']).toContain('application/problem+json')
  expect(answer.json()).toMatchObject({ status, code, request_id: expect.stringMatching(/^test-/) })
  expect(answer.statusCode).toBe(status)
})

test('before the servers were reached it says so, and metrics are there', async () => {
  expect((await redriveOn(null)).json()).toMatchObject({ code: 'reads-unavailable' })
  expect((await portOn(null).inject({ url: '/metrics' })).statusCode).toBe(200)
})

test('a redriven record that can be read says where its outcome will be', async () => {
  const command = {
    v: 1,
    type: 'update_slot',
    id: letter.command_id,
    slot_id: letter.command_id,
    capacity: 3,
  }
  const readable = await redriveOn(async () => ({
    result: 'redriven',
    letter,
    value: Buffer.from(JSON.stringify(command)),
  }))
  expect(readable.statusCode).toBe(202)
  expect(readable.headers.location).toBe(`/slots/${letter.command_id}`)
  expect(readable.json()).toEqual({
    id: 7,
    command_id: letter.command_id,
    status: 'redriven',
    redriven_partition: 1,
    redriven_offset: 43,
  })
  const ofBooking = await redriveOn(async () => ({
    result: 'redriven',
    letter: { ...letter, topic: 'bookings.commands' },
    value: Buffer.from(
      JSON.stringify({ v: 2, type: 'confirm_booking', id: letter.command_id, booking_id: letter.command_id }),
    ),
  }))
  expect(ofBooking.headers.location).toBe(`/bookings/${letter.command_id}`)
  const odd = await redriveOn(async () => ({ result: 'redriven', letter, value: Buffer.from('{}') }))
  expect([odd.statusCode, odd.headers.location]).toEqual([202, undefined])
})
