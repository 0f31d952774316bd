/** Repeats of keyed requests, with the record of the first one and without. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryClient, type MemoryClient, OTHER_SLOT, SLOT, slotBody } from './memory-client.ts'
import { createMemoryRecords, type MemoryRecords } from './memory-records.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'

let records: MemoryRecords
let world: MemoryWorld
let client: MemoryClient
beforeEach(async () => {
  records = createMemoryRecords()
  world = createMemoryWorld({ records })
  client = createMemoryClient(world)
  world.eager = true
  await client.makeSlot()
  world.eager = false
})
afterEach(() => world.app.close())

const keyed = { 'idempotency-key': 'my-key' }
const waiting = { ...keyed, prefer: 'wait=5' }
const produced = () => world.records.length

async function reserve(body: object = {}, headers: Record<string, string> = keyed) {
  const answer = await client.reserve(body, headers)
  const { status, text } = answer
  return {
    status,
    id: answer.body.id,
    code: answer.body.code,
    replayed: answer.headers['idempotency-replayed'],
    text,
  }
}

test('a repeat has the same id at once, as it stands today, and nothing is produced for it', async () => {
  const first = await reserve()
  expect(first).toMatchObject({ status: 202, replayed: undefined })
  const before = produced()
  expect(await reserve()).toMatchObject({ status: 202, id: first.id, replayed: 'true' })
  world.decideAll()
  const decided = await client.reserve({}, keyed)
  expect(decided).toMatchObject({ status: 201, body: { id: first.id, status: 'confirmed' } })
  const { cursor } = JSON.parse(first.text)
  expect((await client.call('GET', `/reservations/${first.id}?cursor=${cursor}`)).body.id).toBe(first.id)
  expect(produced()).toBe(before)
})

test('a repeat that waits is told when the first one is decided', async () => {
  const { id } = await reserve()
  const before = produced()
  const repeat = reserve({}, waiting)
  await vi.waitFor(() => expect(records.asked).toBeGreaterThan(1))
  world.decideAll()
  expect(await repeat).toMatchObject({ status: 201, id, replayed: 'true' })
  expect(produced()).toBe(before)
})

test('the key of another request is refused at once, before and after that one is decided', async () => {
  await reserve()
  const before = produced()
  const refused = { status: 422, code: 'idempotency-key-reused', replayed: undefined }
  expect(await reserve({ quantity: 2 })).toMatchObject(refused)
  expect(await reserve({ slot_id: OTHER_SLOT })).toMatchObject(refused)
  world.decideAll()
  expect(await reserve({ quantity: 2 })).toMatchObject(refused)
  expect(await reserve({ slot_id: OTHER_SLOT }, waiting)).toMatchObject(refused)
  expect(produced()).toBe(before)
  // Of somebody else, or for something else, it is another key.
  expect(await reserve({ user_id: 'u2' })).toMatchObject({ status: 202, replayed: undefined })
})

test.each(['flushed', 'away', 'frozen'] as const)('with Redis %s the writer says the same', async (state) => {
  world.eager = true
  const first = await reserve({}, waiting)
  if (state === 'flushed') records.texts.clear()
  else records.state = state
  const before = produced()
  expect(await reserve({}, waiting)).toEqual(first)
  expect(produced()).toBe(before + 1)
  if (state === 'flushed') records.texts.clear()
  expect(await reserve({ quantity: 2 }, waiting)).toMatchObject({
    status: 422,
    code: 'idempotency-key-reused',
  })
  // After one failure it is left alone.
  expect(records.asked).toBe(state === 'flushed' ? 3 : 2)
})

test('a record of the request that came second refuses nothing to the first', async () => {
  records.state = 'away'
  const first = await reserve()
  // Another API, whose Redis is well.
  const other = createMemoryWorld({ records: Object.assign(records, { state: 'well' }) })
  const misuse = other.app.inject({
    method: 'POST',
    url: '/reservations',
    payload: { slot_id: SLOT, user_id: 'u1', quantity: 2 },
    headers: keyed,
  })
  expect((await misuse).json().id).toBe(first.id)
  await other.app.close()
  world.decideAll()
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 })
  expect(await reserve()).toMatchObject({ status: 201, id: first.id, replayed: 'true' })
  expect(await reserve({ quantity: 2 })).toMatchObject({ status: 422, code: 'idempotency-key-reused' })
  vi.useRealTimers()
})

test('what only the writer can say of a repeat is asked of it', async () => {
  world.eager = true
  const { id, ...body } = slotBody()
  const made = await client.call('POST', '/slots', body, waiting)
  await client.call('PATCH', `/slots/${made.body.id}`, { capacity: 20 })
  const before = produced()
  const repeat = await client.call('POST', '/slots', body, waiting)
  expect(repeat).toMatchObject({ status: 201, body: { id: made.body.id, capacity: 20 } })
  expect(repeat.headers['idempotency-replayed']).toBe('true')
  expect(produced()).toBe(before + 1)
  const other = await client.call('POST', '/slots', { ...body, capacity: 11 }, waiting)
  expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
})

test('changes too: of one thing each, since the path names it', async () => {
  world.eager = true
  const hold = { mode: 'hold', hold_ttl_seconds: 60 }
  const one = await reserve(hold, { ...waiting, 'idempotency-key': 'one' })
  const two = await reserve(hold, { ...waiting, 'idempotency-key': 'two' })
  const booking = await client.call(
    'POST',
    '/bookings',
    { user_id: 'u1', items: [{ slot_id: SLOT }] },
    waiting,
  )
  const calls = [
    ['PATCH', `/slots/${SLOT}`, { name: 'New' }],
    ['POST', `/reservations/${one.id}/confirm`, {}],
    ['POST', `/reservations/${two.id}/confirm`, {}],
    ['DELETE', `/reservations/${one.id}`, undefined],
    ['DELETE', `/reservations/${two.id}`, undefined],
    ['POST', '/bookings', { user_id: 'u1', items: [{ slot_id: SLOT }] }],
    ['POST', `/bookings/${booking.body.id}/confirm`, {}],
    ['DELETE', `/bookings/${booking.body.id}`, undefined],
  ] as const
  for (const [method, url, body] of calls) {
    const first = await client.call(method, url, body, waiting)
    const before = produced()
    const again = await client.call(method, url, body, waiting)
    const replayed = again.headers['idempotency-replayed']
    expect([url, again.status, again.body, replayed]).toEqual([url, first.status, first.body, 'true'])
    expect(produced()).toBe(before)
  }
  const reused = await client.call('PATCH', `/slots/${SLOT}`, { name: 'Newer' }, waiting)
  expect(reused).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
})

test('each item of a batch has a record of its own', async () => {
  const send = (quantities: readonly number[]) => {
    const items = quantities.map((quantity) => ({ slot_id: SLOT, user_id: 'u1', quantity }))
    return client.call('POST', '/reservations/batch', { items }, keyed)
  }
  const idsOf = ({ body }: Awaited<ReturnType<typeof send>>) =>
    body.items.map((item: { id?: string; error?: { code: string } }) => item.id ?? item.error?.code)
  const first = await send([1, 1])
  const before = produced()
  const again = await send([1, 1])
  expect([idsOf(again), again.headers['idempotency-replayed']]).toEqual([idsOf(first), 'true'])
  const [one] = idsOf(first)
  expect(idsOf(await send([1, 2]))).toEqual([one, 'idempotency-key-reused'])
  expect(produced()).toBe(before)
  const longer = await send([1, 1, 1])
  expect(idsOf(longer).slice(0, 2)).toEqual(idsOf(first))
  expect(longer.headers['idempotency-replayed']).toBeUndefined()
  expect(produced()).toBe(before + 1)
})

test('a record says nothing to who reads it, and nothing with another cursor key or another log', async () => {
  const { id } = await reserve({ user_id: 'ann' })
  const [[name = '', text = ''] = []] = records.texts
  expect(name).toMatch(/^ironsys:\{replay:[\w-]{43}\}$/)
  expect(text).toMatch(new RegExp(`^${id} [0-9a-f]{32} a[\\w-]{68}$`))
  for (const options of [
    { cursorKeys: [{ kid: 'b', key: Buffer.alloc(32, 2) }] as const },
    { clusterId: 'cluster-2' },
  ]) {
    const other = createMemoryWorld({ records, ...options })
    const payload = { slot_id: SLOT, user_id: 'ann' }
    const answer = await other.app.inject({ method: 'POST', url: '/reservations', payload, headers: keyed })
    expect([answer.statusCode, answer.headers['idempotency-replayed']]).toEqual([202, undefined])
    expect(answer.json().id).toBe(id)
    await other.app.close()
    records.texts.set(name, text)
  }
})

test('where the store hangs, a repeat is told of its place, and another request goes to the writer', async () => {
  await reserve()
  world.outage = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  const before = produced()
  expect(await reserve()).toMatchObject({ status: 202, replayed: 'true' })
  expect(produced()).toBe(before)
  expect(await reserve({ quantity: 2 })).toMatchObject({ status: 202, replayed: undefined })
  expect(produced()).toBe(before + 1)
})
