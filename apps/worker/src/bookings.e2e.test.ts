/** Several slots or none, on real parts. */
import { type Client, createClient, startSystem, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const DEADLINE = { timeout: 10_000, interval: 25 }

let system: TestSystem
let client: Client

beforeAll(async () => {
  system = await startSystem()
  const [api] = await Promise.all([system.startApi(), system.startWorker()])
  client = createClient(api.url)
})

afterAll(async () => {
  await system?.close()
})

const slots = (...capacities: number[]) =>
  Promise.all(capacities.map((capacity) => client.createSlot(capacity)))
const wanting = (slotIds: readonly string[], quantity = 1) =>
  slotIds.map((slot_id) => ({ slot_id, quantity }))
/** What the slots have in the end, as soon as they have it. */
const settles = (slotIds: readonly string[], expected: object) =>
  vi.waitFor(async () => {
    for (const slotId of slotIds) {
      expect(await client.audit(slotId)).toMatchObject({ balanced: true, ...expected })
    }
  }, DEADLINE)

/** Resolves when each of its reservations is cancelled or rejected: a slot that holds nothing yet may be asked still. */
const releasesAll = (bookingId: string) =>
  vi.waitFor(async () => {
    const { body } = await client.call('GET', `/bookings/${bookingId}`)
    for (const { reservation_id } of body.items) {
      const reservation = (await client.call('GET', `/reservations/${reservation_id}`)).body
      expect(['cancelled', 'rejected']).toContain(reservation.status)
    }
  }, DEADLINE)

test('all are had: confirmed at once', async () => {
  const slotIds = await slots(2, 2, 2)
  const booked = await client.book(wanting(slotIds))
  expect(booked).toMatchObject({ status: 201, body: { status: 'confirmed' } })
  expect(booked.headers.get('preference-applied')).toBe('wait')
  await settles(slotIds, { held: 0, confirmed: 1 })
  const found = await client.call('GET', `/bookings/${booked.body.id}`)
  expect(found.body.items.map((item: { slot_id: string }) => item.slot_id).sort()).toEqual(
    [...slotIds].sort(),
  )
})

test('one is not to be had: none is taken', async () => {
  const [full = '', ...others] = await slots(0, 5, 5, 5)
  const refused = await client.book(wanting([...others, full]))
  expect(refused).toMatchObject({ status: 409, body: { code: 'sold-out' } })
  await releasesAll(refused.body.id)
  await settles(others, { held: 0, confirmed: 0 })
  const unknown = await client.book(wanting([...others, '00000000-0000-4000-8000-00000000dead']))
  expect(unknown).toMatchObject({ status: 404, body: { code: 'slot-not-found' } })
  await releasesAll(unknown.body.id)
  await settles(others, { held: 0, confirmed: 0 })
})

test('the same slot twice is one demand', async () => {
  const [slotId = ''] = await slots(3)
  const twice = await client.book([...wanting([slotId], 2), ...wanting([slotId], 1)])
  expect(twice).toMatchObject({ status: 201, body: { items: [{ slot_id: slotId, quantity: 3 }] } })
  expect(await client.book([...wanting([slotId]), ...wanting([slotId])])).toMatchObject({ status: 409 })
})

test('held, then confirmed; its reservations are its own', async () => {
  const slotIds = await slots(1, 1)
  const held = await client.book(wanting(slotIds), { mode: 'hold' })
  expect(held).toMatchObject({ status: 201, body: { status: 'held' } })
  expect(held.body.expires_at).toBeDefined()
  const part = held.body.items[0]?.reservation_id ?? ''
  const refusal = { status: 409, body: { code: 'part-of-booking' } }
  expect(await client.confirm(part)).toMatchObject(refusal)
  expect(await client.cancel(part)).toMatchObject(refusal)
  expect(await client.confirmBooking(held.body.id, { user_id: 'a stranger' })).toMatchObject({ status: 404 })
  for (const _ of ['once', 'again']) {
    expect(await client.confirmBooking(held.body.id)).toMatchObject({
      status: 200,
      body: { status: 'confirmed' },
    })
  }
  await settles(slotIds, { held: 0, confirmed: 1 })
  const { body } = await client.call('GET', `/reservations/${part}`)
  expect(body).toMatchObject({ status: 'confirmed', booking_id: held.body.id })
})

test('held and not confirmed in time: all is given back', async () => {
  const slotIds = await slots(1, 1)
  const held = await client.book(wanting(slotIds), { mode: 'hold', hold_ttl_seconds: 1 })
  await settles(slotIds, { held: 0, confirmed: 0 })
  expect(await client.confirmBooking(held.body.id)).toMatchObject({
    status: 409,
    body: { code: 'hold-expired' },
  })
})

test('a cancel gives all back, and of a cancel and a confirm at the same time one wins', async () => {
  const slotIds = await slots(1, 1)
  const confirmed = await client.book(wanting(slotIds))
  expect(await client.cancelBooking(confirmed.body.id)).toMatchObject({
    status: 200,
    body: { status: 'cancelled' },
  })
  await settles(slotIds, { held: 0, confirmed: 0 })
  const held = await client.book(wanting(slotIds), { mode: 'hold' })
  const answers = await Promise.all([client.confirmBooking(held.body.id), client.cancelBooking(held.body.id)])
  const { body } = await client.call('GET', `/bookings/${held.body.id}`)
  // A confirmed booking may be cancelled; a cancelled one is not confirmed any more.
  expect(body.status).toBe('cancelled')
  expect([200, 409]).toContain(answers[0].status)
  expect(answers[1].status).toBe(200)
  await settles(slotIds, { held: 0, confirmed: 0 })
})

test('asked for twice with one key it is one booking', async () => {
  const slotIds = await slots(5, 5)
  const user_id = 'who asks twice'
  const twice = await Promise.all(
    ['once', 'again'].map(() =>
      client.book(wanting(slotIds), { user_id }, { 'idempotency-key': 'my booking' }),
    ),
  )
  expect(twice[0]?.body.id).toBe(twice[1]?.body.id)
  const other = await client.book(wanting(slotIds, 2), { user_id }, { 'idempotency-key': 'my booking' })
  expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
  await settles(slotIds, { held: 0, confirmed: 1 })
})

test('0 or 21 items are refused', async () => {
  const slotIds = await slots(1)
  const invalid = { status: 422, body: { code: 'invalid-request' } }
  expect(await client.book([])).toMatchObject(invalid)
  expect(await client.book(Array.from({ length: 21 }, () => ({ slot_id: slotIds[0] ?? '' })))).toMatchObject(
    invalid,
  )
})
