import { limits, mintId, partitionOfId, partitionOfKey } from '@ironsys/contracts'
import { OutcomeUnknownError } from '@ironsys/engine'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryClient, type MemoryClient, OTHER_SLOT, SLOT } from './memory-client.ts'
import { createMemoryWorld, type MemoryWorld, PARTITIONS } from './memory-world.ts'

let world: MemoryWorld
let client: MemoryClient
beforeEach(async () => {
  world = createMemoryWorld()
  world.eager = true
  client = createMemoryClient(world)
  await client.makeSlot({ capacity: 5 })
  await client.makeSlot({ id: OTHER_SLOT, capacity: 2 })
})
afterEach(() => {
  vi.useRealTimers()
  return world.app.close()
})

const both = [{ slot_id: SLOT, quantity: 2 }, { slot_id: OTHER_SLOT }]
const book = (change: object = {}, headers?: Record<string, string>) =>
  client.call('POST', '/bookings', { user_id: 'u1', items: both, ...change }, headers)
const takenOf = async (slotId: string) => {
  const { reserved_count, held_count } = (await client.call('GET', `/slots/${slotId}`)).body
  return [reserved_count, held_count]
}
const taken = async () => [await takenOf(SLOT), await takenOf(OTHER_SLOT)]

test('202: durable, with its items, a queue position and a cursor; then confirmed', async () => {
  world.eager = false
  const { status, headers, body } = await book({}, {})
  const url = `/bookings/${body.id}`
  expect([status, headers.location]).toEqual([202, url])
  expect(body).toMatchObject({
    user_id: 'u1',
    status: 'pending',
    queue: { position: 0 },
    cursor: expect.any(String),
  })
  expect(body.message).toBe('Booking request accepted and queued for processing')
  const seen = await client.call('GET', `${url}?cursor=${body.cursor}`)
  expect(seen.body).toEqual({ id: body.id, status: 'pending', queue: { position: 0, eta_ms: 1 } })
  const waiting = client.call('GET', `${url}?cursor=${body.cursor}&wait=5`)
  world.decideAll()
  expect((await waiting).body).toMatchObject({ id: body.id, status: 'confirmed', items: body.items })
  expect(await taken()).toEqual([
    [2, 0],
    [1, 0],
  ])
})

test('the command lies in the partition of the booking, its reservations in those of their slots', async () => {
  world.eager = false
  await book({ mode: 'hold', hold_ttl_seconds: 90 }, {})
  const record = world.records.at(-1)
  const command = client.lastCommand()
  expect([record?.topic, record?.key]).toEqual(['bookings.commands', command.id])
  expect(record?.partition).toBe(partitionOfKey(command.id, PARTITIONS))
  expect(command).toMatchObject({ v: 2, type: 'book', user_id: 'u1', mode: 'hold', hold_ttl_seconds: 90 })
  for (const item of command.items) {
    expect(partitionOfId(item.reservation_id, PARTITIONS)).toBe(partitionOfKey(item.slot_id, PARTITIONS))
  }
})

test('held, then confirmed, then cancelled, each twice the same', async () => {
  const made = await book({ mode: 'hold' })
  const url = `/bookings/${made.body.id}`
  expect([made.status, made.body.status, made.headers.location]).toEqual([201, 'held', url])
  expect(await taken()).toEqual([
    [2, 2],
    [1, 1],
  ])
  for (const _ of ['once', 'twice']) expect(await client.tell('POST', `${url}/confirm`)).toBe('200 confirmed')
  expect(await taken()).toEqual([
    [2, 0],
    [1, 0],
  ])
  for (const _ of ['once', 'twice']) expect(await client.tell('DELETE', url)).toBe('200 cancelled')
  expect(await taken()).toEqual([
    [0, 0],
    [0, 0],
  ])
  expect(await client.tell('POST', `${url}/confirm`)).toBe('409 not-confirmable')
})

test('all or none: the refusal names the slot that failed', async () => {
  const refused = await book({ items: [...both, { slot_id: OTHER_SLOT, quantity: 2 }] })
  expect([refused.status, refused.body.code, refused.body.failed_slot_id]).toEqual([
    409,
    'sold-out',
    OTHER_SLOT,
  ])
  expect(await taken()).toEqual([
    [0, 0],
    [0, 0],
  ])
  const shown = (await client.call('GET', `/bookings/${refused.body.id}`)).body
  expect(shown).toMatchObject({ status: 'rejected', reason: 'sold-out', failed_slot_id: OTHER_SLOT })
  const nowhere = await book({ items: [...both, { slot_id: SLOT.replace('1', '9') }] })
  expect([nowhere.status, nowhere.body.code]).toEqual([404, 'slot-not-found'])
})

test('demand for the same slot is summed; the sum is bounded as one demand is', async () => {
  const items = [...both, { slot_id: SLOT, quantity: 3 }]
  const { status, body } = await book({ items })
  expect(status).toBe(201)
  const demand = body.items.map((item: { slot_id: string; quantity: number }) => [
    item.slot_id,
    item.quantity,
  ])
  expect(demand).toEqual([
    [SLOT, 5],
    [OTHER_SLOT, 1],
  ])
  const before = world.records.length
  const over = await book({ items: [{ slot_id: SLOT, quantity: limits.quantityMax }, ...both] })
  expect([over.status, over.body.errors[0].pointer]).toEqual([422, '/items/1/quantity'])
  expect(world.records).toHaveLength(before)
})

test('its reservations refuse direct confirm and cancel, and say which booking they are of', async () => {
  const { body } = await book({ mode: 'hold' })
  const url = `/reservations/${body.items[0].reservation_id}`
  expect((await client.call('GET', url)).body).toMatchObject({ status: 'held', booking_id: body.id })
  expect(await client.tell('POST', `${url}/confirm`)).toBe('409 part-of-booking')
  expect(await client.tell('DELETE', url)).toBe('409 part-of-booking')
})

test('a hold that has expired is not confirmed; somebody else’s reads as unknown', async () => {
  const url = `/bookings/${(await book({ mode: 'hold', hold_ttl_seconds: 30 })).body.id}`
  expect(await client.tell('POST', `${url}/confirm`, { user_id: 'thief' })).toBe('404 booking-not-found')
  expect(await client.tell('DELETE', `${url}?user_id=thief`)).toBe('404 booking-not-found')
  world.skippedMs += 30_000
  expect(await client.tell('POST', `${url}/confirm`, { user_id: 'u1' })).toBe('409 hold-expired')
  expect(await client.tell('DELETE', `${url}?user_id=u1`)).toBe('409 not-cancellable')
  expect(await taken()).toEqual([
    [0, 0],
    [0, 0],
  ])
})

test('the same key is the same booking, however its demand is split; another is refused', async () => {
  const key = { prefer: 'wait=5', 'idempotency-key': 'k' }
  const first = await book({}, key)
  const again = await book(
    { items: [{ slot_id: OTHER_SLOT }, { slot_id: SLOT }, { slot_id: SLOT }], idempotency_key: 'other' },
    key,
  )
  expect([again.status, again.body.id]).toEqual([201, first.body.id])
  expect(await taken()).toEqual([
    [2, 0],
    [1, 0],
  ])
  const other = await book({ items: [{ slot_id: SLOT }] }, key)
  expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused'])
  const cursor = (await book({ items: [{ slot_id: SLOT }] }, { 'idempotency-key': 'k' })).body.cursor
  const shown = await client.call('GET', `/bookings/${first.body.id}?cursor=${cursor}`)
  expect([shown.status, shown.body.code]).toEqual([422, 'idempotency-key-reused'])
  expect((await book({ user_id: 'u2', items: [{ slot_id: SLOT }] }, key)).body.id).not.toBe(first.body.id)
})

test('an unknown outcome names a key; repeated with it, the booking takes effect once', async () => {
  world.fault = { error: new OutcomeUnknownError('late'), afterwards: true }
  const unknown = await book()
  expect([unknown.status, unknown.body.code]).toEqual([503, 'outcome-unknown'])
  world.fault = null
  world.decideAll()
  const again = await book({}, { prefer: 'wait=5', 'idempotency-key': unknown.body.idempotency_key })
  expect([again.status, again.body.id]).toEqual([201, unknown.body.id])
  expect(await taken()).toEqual([
    [2, 0],
    [1, 0],
  ])
})

test('GET waits for the slots too, with a cursor and without; while they are asked it is pending', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  world.eager = false
  const { id, cursor } = (await book({}, {})).body
  const url = `/bookings/${id}`
  const waits = ['wait=5', `cursor=${cursor}&wait=5`].map((query) => client.call('GET', `${url}?${query}`))
  const leaves = client.call('GET', `${url}?wait=1`)
  await vi.advanceTimersByTimeAsync(500)
  world.decideAll(1)
  await vi.advanceTimersByTimeAsync(1000)
  for (const seen of [await client.call('GET', url), await leaves]) {
    expect([seen.status, seen.body.status]).toEqual([200, 'pending'])
  }
  world.decideAll()
  await vi.advanceTimersByTimeAsync(1000)
  for (const wait of waits) expect((await wait).body.status).toBe('confirmed')
})

test('a repeat that finds the slots still being asked waits for them as the first one does', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  world.eager = false
  const key = { 'idempotency-key': 'k' }
  const { id } = (await book({}, key)).body
  const repeat = book({}, { ...key, prefer: 'wait=5' })
  // Both are decided before the slots' answers, which come behind them in the log.
  await vi.waitFor(() => expect(world.records).toHaveLength(4))
  world.decideAll()
  await vi.advanceTimersByTimeAsync(2000)
  const { status, body } = await repeat
  expect([status, body.status, body.id]).toEqual([201, 'confirmed', id])
})

test('GET: unknown, failed, a cursor of another id; a cancellation of nothing says so', async () => {
  const id = mintId('bookings', 1)
  expect(await client.tell('GET', `/bookings/${id}`)).toBe('404 not-decided-or-unknown')
  const cursor = (await client.call('DELETE', `/bookings/${id}`, undefined, {})).body.cursor
  expect(await client.tell('GET', `/bookings/${id}?cursor=${cursor}`)).toBe('404 booking-not-found')
  expect(await client.tell('GET', `/bookings/${SLOT}?cursor=${cursor}`)).toBe('400 invalid-cursor')
  world.bury(id)
  expect(await client.tell('GET', `/bookings/${id}`)).toBe('200 failed')
})

test('a slot that is freshly known to be missing refuses early', async () => {
  const missing = SLOT.replace('1', '9')
  await client.call('GET', `/slots/${missing}`)
  const before = world.records.length
  const refused = await book({ items: [...both, { slot_id: missing }] })
  expect([refused.status, refused.body.code, refused.body.failed_slot_id]).toEqual([
    404,
    'slot-not-found',
    missing,
  ])
  expect(world.records).toHaveLength(before)
})
