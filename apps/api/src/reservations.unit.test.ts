import { partitionOfId } from '@ironsys/contracts'
import { LogOverloadedError, LogUnavailableError, OutcomeUnknownError } from '@ironsys/engine'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryWorld, type MemoryWorld, PARTITIONS } from './memory-world.ts'

let world: MemoryWorld
beforeEach(() => {
  world = createMemoryWorld()
})
afterEach(async () => {
  vi.useRealTimers()
  await world.app.close()
})

const SLOT = '11111111-2222-4333-8444-555555555555'
const slot = {
  id: SLOT,
  name: 'Hall',
  start_time: '2026-05-01T12:00:00+02:00',
  end_time: '2026-05-01T14:00:00Z',
  capacity: 10,
}
const wait = { prefer: 'wait=5' }

async function call(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  url: string,
  payload?: object,
  headers: Record<string, string> = {},
) {
  const answer = await world.app.inject({ method, url, headers, ...(payload && { payload }) })
  return {
    status: answer.statusCode,
    body: answer.body === '' ? null : answer.json(),
    headers: answer.headers,
  }
}
const reserve = (body: object = {}, headers: Record<string, string> = {}) =>
  call('POST', '/reservations', { slot_id: SLOT, user_id: 'u1', ...body }, headers)

async function makeSlot(change: object = {}) {
  world.eager = true
  const made = await call('POST', '/slots', { ...slot, ...change }, wait)
  world.eager = false
  return made
}

test('202: durable, with Location, a queue position and a cursor; then confirmed', async () => {
  await makeSlot()
  const first = await reserve()
  expect(first.status).toBe(202)
  expect(first.body).toMatchObject({
    slot_id: SLOT,
    user_id: 'u1',
    quantity: 1,
    status: 'pending',
    created_at: '2026-03-01T12:00:00.001Z',
    message: 'Reservation request accepted and queued for processing',
    queue: { position: 0, eta_ms: 1 },
  })
  expect(first.headers.location).toBe(`/reservations/${first.body.id}`)
  expect(first.headers['cache-control']).toBe('private, no-store')
  const second = await reserve()
  expect(second.body.queue.position).toBe(1)

  const url = `/reservations/${first.body.id}?cursor=${first.body.cursor}`
  const readsBefore = world.reads
  expect((await call('GET', url)).body).toEqual({
    id: first.body.id,
    status: 'pending',
    queue: { position: 0, eta_ms: 1 },
  })
  expect(world.reads).toBe(readsBefore)
  world.decideAll()
  const decided = await call('GET', url)
  expect([decided.status, decided.body.status, decided.body.slot_version]).toEqual([200, 'confirmed', 2])
  expect((await call('GET', `/reservations/${second.body.id}`)).body.status).toBe('confirmed')
})

test('the command goes to the partition of its id, under its slot as key', async () => {
  const { body } = await reserve({ quantity: 2, metadata: { seat: 'a' } })
  const record = world.records.at(-1)
  expect(record?.partition).toBe(partitionOfId(body.id, PARTITIONS))
  expect(record?.key).toBe(SLOT)
  expect(JSON.parse(record?.value ?? '')).toEqual({
    v: 2,
    id: body.id,
    type: 'reserve',
    slot_id: SLOT,
    user_id: 'u1',
    quantity: 2,
    metadata: { seat: 'a' },
  })
})

test('Prefer: wait answers the decision: 201, 409 sold-out, 404, and cancels with 200', async () => {
  await makeSlot({ capacity: 1 })
  world.eager = true
  const made = await reserve({}, wait)
  expect([made.status, made.body.status, made.headers['preference-applied']]).toEqual([
    201,
    'confirmed',
    'wait',
  ])
  expect(made.headers.location).toBe(`/reservations/${made.body.id}`)
  const refused = await reserve({ user_id: 'u2' }, wait)
  expect([refused.status, refused.body.code, typeof refused.body.id]).toEqual([409, 'sold-out', 'string'])
  expect((await call('GET', `/reservations/${refused.body.id}`)).body).toMatchObject({
    status: 'rejected',
    reason: 'sold-out',
  })
  const cancelled = await call('DELETE', `/reservations/${made.body.id}`, undefined, wait)
  expect([cancelled.status, cancelled.body.status]).toEqual([200, 'cancelled'])
  const typed = { ...wait, 'content-type': 'application/json' }
  const none = await call('DELETE', `/reservations/${SLOT}`, undefined, typed)
  expect([none.status, none.body.code]).toEqual([404, 'reservation-not-found'])
  const rejected = await call('DELETE', `/reservations/${refused.body.id}`, undefined, wait)
  expect([rejected.status, rejected.body.code]).toEqual([409, 'not-cancellable'])
  const elsewhere = await reserve({ slot_id: SLOT.replace('1', '9') }, wait)
  expect([elsewhere.status, elsewhere.body.code]).toEqual([404, 'slot-not-found'])
})

test('only who waits is replied to', async () => {
  await reserve()
  expect(JSON.parse(world.records.at(-1)?.value ?? '').reply_to).toBeUndefined()
  world.eager = true
  await reserve({}, wait)
  expect(JSON.parse(world.records.at(-1)?.value ?? '').reply_to).toEqual(expect.stringMatching(/^test\/\d+$/))
  expect(world.deps.waiting.size()).toBe(0)
})

test('undecided within the wait: the 202, said to have been waited for', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const answer = reserve({}, { prefer: 'respond-async, wait=3' })
  await vi.waitFor(() => expect(world.records).toHaveLength(1))
  await vi.advanceTimersByTimeAsync(3001)
  const { status, headers } = await answer
  expect([status, headers['preference-applied']]).toEqual([202, 'wait'])
  expect(world.deps.waiting.size()).toBe(0)
})

test('a lost reply is found in the store; so is every kind of decision while Redis is down', async () => {
  world.setLive(false)
  await makeSlot()
  expect(world.records).toHaveLength(1)
  const patched = call('PATCH', `/slots/${SLOT}`, { name: 'Big hall' }, wait)
  const made = reserve({}, wait)
  await vi.waitFor(() => expect(world.records).toHaveLength(3))
  world.decideAll()
  expect([(await patched).status, (await patched).body.name]).toEqual([200, 'Big hall'])
  expect((await made).status).toBe(201)
  const cancel = call('DELETE', `/reservations/${(await made).body.id}`, undefined, wait)
  await vi.waitFor(() => expect(world.records).toHaveLength(4))
  world.decideAll()
  expect((await cancel).body.status).toBe('cancelled')
  world.eager = true
  expect((await call('POST', '/slots', { ...slot, id: undefined, name: 'Other' }, wait)).status).toBe(201)
})

test('the same key is the same reservation; another body under it is refused; the header wins', async () => {
  await makeSlot()
  const first = await reserve({ metadata: { a: 1, b: 2 } }, { 'idempotency-key': 'k1' })
  const again = await reserve(
    { metadata: { b: 2, a: 1 }, quantity: 1, idempotency_key: 'other' },
    { 'idempotency-key': 'k1' },
  )
  const byBody = await reserve({ metadata: { a: 1, b: 2 }, idempotency_key: 'k1' })
  expect([again.body.id, byBody.body.id]).toEqual([first.body.id, first.body.id])
  world.decideAll()
  expect(world.records).toHaveLength(4)
  world.eager = true
  const repeated = await reserve({ metadata: { a: 1, b: 2 } }, { ...wait, 'idempotency-key': 'k1' })
  expect([repeated.status, repeated.body.id]).toEqual([201, first.body.id])
  const reused = await reserve({ quantity: 2 }, { ...wait, 'idempotency-key': 'k1' })
  expect([reused.status, reused.body.code]).toEqual([422, 'idempotency-key-reused'])
  world.setLive(false)
  const reusedInOutage = await reserve({ quantity: 2 }, { ...wait, 'idempotency-key': 'k1' })
  expect(reusedInOutage.body.code).toBe('idempotency-key-reused')
  expect((await call('GET', `/slots/${SLOT}`)).body.reserved_count).toBe(1)
  const other = await reserve({ user_id: 'u2' }, { 'idempotency-key': 'k1' })
  expect(other.body.id).not.toBe(first.body.id)
})

test('a batch derives an id per item from its key; an item without one of its own is minted', async () => {
  const items = [
    { slot_id: SLOT, user_id: 'u1' },
    { slot_id: SLOT, user_id: 'u1' },
  ]
  const once = await call('POST', '/reservations/batch', { items }, { 'idempotency-key': 'b1' })
  const twice = await call('POST', '/reservations/batch', { items, idempotency_key: 'b1' })
  const ids = (answer: { body: { items: { id: string }[] } }) => answer.body.items.map((item) => item.id)
  expect(ids(twice)).toEqual(ids(once))
  expect(new Set(ids(once)).size).toBe(2)
  const own = await call('POST', '/reservations/batch', {
    items: [{ slot_id: SLOT, user_id: 'u1', idempotency_key: 'k1' }],
  })
  expect(ids(own)).toEqual([(await reserve({ idempotency_key: 'k1' })).body.id])
})

test('the log: overloaded and unavailable are 503 with Retry-After, for a batch as a whole', async () => {
  const items = [{ slot_id: SLOT, user_id: 'u1' }]
  for (const [error, code] of [
    [new LogOverloadedError('full'), 'overloaded'],
    [new LogUnavailableError('broker-7.internal is gone'), 'log-unavailable'],
  ] as const) {
    world.fault = { error, afterwards: false }
    for (const answer of [await reserve({}, wait), await call('POST', '/reservations/batch', { items })]) {
      expect([answer.status, answer.body.code, answer.headers['retry-after']]).toEqual([503, code, '1'])
      expect(JSON.stringify(answer.body)).not.toContain('internal is')
    }
  }
  expect(world.deps.waiting.size()).toBe(0)
})

test('an unknown outcome names the id and a key; repeated with it, the command takes effect once', async () => {
  await makeSlot()
  world.fault = { error: new OutcomeUnknownError('late'), afterwards: true }
  const unknown = await reserve()
  expect([unknown.status, unknown.body.code]).toEqual([503, 'outcome-unknown'])
  world.fault = null
  world.eager = true
  const key = unknown.body.idempotency_key
  const repeated = await reserve({}, { ...wait, 'idempotency-key': key })
  expect([repeated.status, repeated.body.id]).toEqual([201, unknown.body.id])
  expect((await call('GET', `/slots/${SLOT}`)).body.reserved_count).toBe(1)
  const stolen = await reserve({ user_id: 'thief' }, { 'idempotency-key': key })
  expect(stolen.body.id).not.toBe(unknown.body.id)
})

test('an unknown outcome under the client’s own key is repeated with that key', async () => {
  world.fault = { error: new OutcomeUnknownError('late'), afterwards: true }
  expect((await reserve({}, { 'idempotency-key': 'mine' })).body.idempotency_key).toBe('mine')
})

test('GET waits for the decision with a cursor and without', async () => {
  await makeSlot()
  const { body } = await reserve()
  const waits = [`?cursor=${body.cursor}&wait=5`, '?wait=5'].map((query) =>
    call('GET', `/reservations/${body.id}${query}`),
  )
  const cancel = await call('DELETE', `/reservations/${body.id}`)
  expect([cancel.status, cancel.headers.location]).toEqual([202, `/reservations/${body.id}`])
  const waitsForCancel = call('GET', `/reservations/${body.id}?cursor=${cancel.body.cursor}&wait=5`)
  world.decideAll()
  for (const waiting of waits) expect((await waiting).body.status).toBe('cancelled')
  expect((await waitsForCancel).body).toMatchObject({ status: 'cancelled', id: body.id })
})

test('GET: undecided change, unknown, failed', async () => {
  await makeSlot()
  world.eager = true
  const made = await reserve({}, wait)
  world.eager = false
  const cancel = await call('DELETE', `/reservations/${made.body.id}`)
  const seen = await call('GET', `/reservations/${made.body.id}?cursor=${cancel.body.cursor}`)
  expect(seen.body).toMatchObject({ status: 'confirmed', queue: { position: 0 } })
  const unknown = await call('GET', `/reservations/${SLOT}`)
  expect([unknown.status, unknown.body.code]).toEqual([404, 'not-decided-or-unknown'])
  world.bury(SLOT)
  expect((await call('GET', `/reservations/${SLOT}`)).body).toEqual({ id: SLOT, status: 'failed' })
})

test('a slot that is freshly known to be missing refuses early; making it lets them in', async () => {
  expect((await call('GET', `/slots/${SLOT}`)).status).toBe(404)
  const early = await reserve()
  expect([early.status, early.body.code, world.records.length]).toEqual([404, 'slot-not-found', 0])
  const made = await call('POST', '/slots', slot)
  expect([made.status, made.body.id, made.headers.location]).toEqual([202, SLOT, `/slots/${SLOT}`])
  expect((await reserve()).status).toBe(202)
})
