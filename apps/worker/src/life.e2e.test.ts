/** Each row of the API's contract about slots and reservations, on real parts. */
import { type Client, createClient, startSystem, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

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

const find = async (id: string) => (await client.call('GET', `/reservations/${id}`)).body
const slotOf = async (id: string, version: number) =>
  (await client.call('GET', `/slots/${id}?min_version=${version}`)).body
const patch = (id: string, body: object) => client.call('PATCH', `/slots/${id}`, body, { prefer: 'wait=20' })
const becomes = (id: string, status: string) =>
  vi.waitFor(async () => {
    const reservation = await find(id)
    expect(reservation.status).toBe(status)
    return reservation
  }, DEADLINE)

describe('a hold', () => {
  test('is confirmed, once and again, and shows when it became what', async () => {
    const slotId = await client.createSlot(3, { hold_ttl_seconds: 600 })
    const held = await client.reserve(slotId, { quantity: 2 })
    expect(held).toMatchObject({ status: 201, body: { status: 'held' } })
    expect(Date.parse(held.body.expires_at) - Date.parse(held.body.created_at)).toBe(600_000)
    const slot = await slotOf(slotId, held.body.slot_version)
    expect(slot).toMatchObject({ held_count: 2, reserved_count: 2, available: 1, hold_ttl_seconds: 600 })
    for (const _ of ['once', 'again']) {
      const confirmed = await client.confirm(held.body.id)
      expect(confirmed).toMatchObject({ status: 200, body: { status: 'confirmed' } })
      expect(confirmed.headers.get('preference-applied')).toBe('wait')
    }
    const { transitions } = await find(held.body.id)
    expect(transitions.map((each: { status: string }) => each.status)).toEqual(['held', 'confirmed'])
    expect(await client.audit(slotId)).toMatchObject({ held: 0, confirmed: 2, balanced: true })
  })

  test('is accepted at once with a place in the queue, and its status may be waited for', async () => {
    const slotId = await client.createSlot(1, { hold_ttl_seconds: 600 })
    const accepted = await client.call('POST', '/reservations', { slot_id: slotId, user_id: 'ann' })
    expect(accepted).toMatchObject({ status: 202, body: { status: 'pending', queue: {} } })
    const { id, cursor } = accepted.body
    const decided = await client.call('GET', `/reservations/${id}?cursor=${cursor}&wait=20`)
    expect(decided).toMatchObject({ status: 200, body: { id, status: 'held' } })
    const confirming = await client.call('POST', `/reservations/${id}/confirm`, {})
    expect(confirming).toMatchObject({ status: 202, body: { id, queue: {} } })
    const after = await client.call('GET', `/reservations/${id}?cursor=${confirming.body.cursor}&wait=20`)
    expect(after.body).toMatchObject({ status: 'confirmed' })
  })

  test('that is not confirmed in time expires by itself, and its units are free', async () => {
    const slotId = await client.createSlot(1)
    const held = await client.reserve(slotId, { mode: 'hold', hold_ttl_seconds: 1 })
    const expired = await becomes(held.body.id, 'expired')
    expect(Date.parse(expired.transitions[1]?.at ?? '')).toBeGreaterThanOrEqual(
      Date.parse(held.body.expires_at),
    )
    expect(await slotOf(slotId, expired.slot_version)).toMatchObject({ held_count: 0, available: 1 })
    expect(await client.confirm(held.body.id)).toMatchObject({ status: 409, body: { code: 'hold-expired' } })
    expect(await client.cancel(held.body.id)).toMatchObject({
      status: 409,
      body: { code: 'not-cancellable' },
    })
    expect(await client.audit(slotId)).toMatchObject({ held: 0, confirmed: 0, balanced: true })
  })

  test('that expired is confirmed late as asked for, or the money has to go back', async () => {
    const slotId = await client.createSlot(1, { waitlist: true })
    const late = async () => {
      const held = await client.reserve(slotId, { mode: 'hold', hold_ttl_seconds: 1 })
      await becomes(held.body.id, 'expired')
      return held.body.id
    }
    const first = await late()
    const second = await late()
    expect(await client.confirm(first, { late: 'reject' })).toMatchObject({
      status: 409,
      body: { code: 'hold-expired' },
    })
    expect(await client.confirm(first, { late: 'rehold' })).toMatchObject({
      status: 200,
      body: { status: 'confirmed' },
    })
    expect(await client.confirm(second, { late: 'rehold' })).toMatchObject({
      status: 409,
      body: { code: 'refund-required' },
    })
    const queued = await client.confirm(second, { late: 'waitlist' })
    expect(queued).toMatchObject({ body: { status: 'waitlisted' } })
    await client.cancel(first)
    expect(await find(second)).toMatchObject({ status: 'held' })
  })

  test('is given back when it is cancelled, once and again', async () => {
    const slotId = await client.createSlot(1, { hold_ttl_seconds: 600 })
    const { body } = await client.reserve(slotId)
    for (const _ of ['once', 'again']) {
      expect(await client.cancel(body.id)).toMatchObject({ status: 200, body: { status: 'cancelled' } })
    }
    expect(await client.confirm(body.id)).toMatchObject({ status: 409, body: { code: 'not-confirmable' } })
    expect((await client.reserve(slotId)).status).toBe(201)
  })

  test('belongs to its user: for anybody else it does not exist', async () => {
    const slotId = await client.createSlot(1, { hold_ttl_seconds: 600 })
    const { body } = await client.reserve(slotId, { user_id: 'ann' })
    const stranger = { status: 404, body: { code: 'reservation-not-found' } }
    expect(await client.confirm(body.id, { user_id: 'bob' })).toMatchObject(stranger)
    expect(await client.cancel(body.id, 'bob')).toMatchObject(stranger)
    expect(await client.confirm(body.id, { user_id: 'ann' })).toMatchObject({ status: 200 })
  })
})

describe('a waitlist', () => {
  test('is served in the order of arrival, in the decision that frees the units', async () => {
    const slotId = await client.createSlot(2, { waitlist: true })
    const { body: sold } = await client.reserve(slotId, { quantity: 2 })
    const waiting = []
    for (const quantity of [2, 1, 1]) {
      waiting.push(await client.reserve(slotId, { quantity, join_waitlist: true }))
    }
    expect(waiting.map(({ status }) => status)).toEqual([202, 202, 202])
    expect(waiting.map(({ body }) => [body.status, body.waitlist_position])).toEqual([
      ['waitlisted', 1],
      ['waitlisted', 2],
      ['waitlisted', 3],
    ])
    const [large, second, third] = waiting.map(({ body }) => body.id as string)
    expect(await client.cancel(large ?? '')).toMatchObject({ status: 200, body: { status: 'cancelled' } })
    expect(await find(third ?? '')).toMatchObject({ status: 'waitlisted', waitlist_position: 2 })
    const cancelled = await client.cancel(sold.id)
    const slot = await slotOf(slotId, cancelled.body.slot_version + 2)
    expect(slot).toMatchObject({ waitlist_count: 0, held_count: 2, available: 0 })
    expect(await find(second ?? '')).toMatchObject({ status: 'held' })
    expect(await client.confirm(third ?? '')).toMatchObject({ status: 200, body: { status: 'confirmed' } })
    expect(await client.audit(slotId)).toMatchObject({ held: 1, confirmed: 1, balanced: true })
  })

  test('is not there unless the slot has one and the client asks for it', async () => {
    const without = await client.createSlot(0)
    const withOne = await client.createSlot(1, { waitlist: true })
    await client.reserve(withOne)
    const soldOut = { status: 409, body: { code: 'sold-out' } }
    expect(await client.reserve(without, { join_waitlist: true })).toMatchObject(soldOut)
    expect(await client.reserve(withOne)).toMatchObject(soldOut)
    expect(await client.reserve(withOne, { quantity: 2, join_waitlist: true })).toMatchObject(soldOut)
  })
})

describe('a slot', () => {
  test('keeps to its limit per user, whether units are held, confirmed or waited for', async () => {
    const slotId = await client.createSlot(3, { max_per_user: 2, waitlist: true })
    const ann = { user_id: 'ann', join_waitlist: true }
    expect((await client.reserve(slotId, { ...ann, mode: 'hold' })).status).toBe(201)
    await client.reserve(slotId, { quantity: 2 })
    const waiting = await client.reserve(slotId, ann)
    expect(waiting).toMatchObject({ status: 202, body: { status: 'waitlisted' } })
    expect(await client.reserve(slotId, ann)).toMatchObject({ status: 409, body: { code: 'limit-exceeded' } })
    await client.cancel(waiting.body.id)
    expect(await client.reserve(slotId, ann)).toMatchObject({ status: 202 })
  })

  test('is overbooked as far as it may be, and not one unit more', async () => {
    const slotId = await client.createSlot(10, { overbooking_bps: 1500 })
    expect((await client.reserve(slotId, { quantity: 11 })).status).toBe(201)
    expect(await client.reserve(slotId)).toMatchObject({ status: 409, body: { code: 'sold-out' } })
  })

  test('sells inside its window only', async () => {
    const early = await client.createSlot(1, { sales_open_at: '2999-01-01T00:00:00Z' })
    expect(await client.reserve(early)).toMatchObject({ status: 409, body: { code: 'sales-not-open' } })
    const late = await client.createSlot(1, { sales_close_at: '2020-01-01T00:00:00Z' })
    expect(await client.reserve(late)).toMatchObject({ status: 409, body: { code: 'slot-closed' } })
  })

  test('serves who waits when it is enlarged or opened again, and is not made smaller than what is held', async () => {
    const slotId = await client.createSlot(1, { waitlist: true, hold_ttl_seconds: 600 })
    await client.reserve(slotId)
    const { body: first } = await client.reserve(slotId, { join_waitlist: true })
    const { body: second } = await client.reserve(slotId, { join_waitlist: true })
    expect(await patch(slotId, { capacity: 0 })).toMatchObject({ body: { code: 'capacity-in-use' } })
    expect(await patch(slotId, { capacity: 2 })).toMatchObject({ status: 200, body: { held_count: 2 } })
    expect(await find(first.id)).toMatchObject({ status: 'held' })
    await patch(slotId, { status: 'closed' })
    await patch(slotId, { capacity: 3 })
    expect(await find(second.id)).toMatchObject({ status: 'waitlisted', waitlist_position: 1 })
    await patch(slotId, { status: 'open' })
    expect(await find(second.id)).toMatchObject({ status: 'held' })
  })

  test('shows its organiser who has it, in pages and as a file', async () => {
    const slotId = await client.createSlot(250)
    const items = Array.from({ length: 230 }, (_, n) => ({ slot_id: slotId, user_id: `=user ${n}, "x"` }))
    const { body } = await client.call('POST', '/reservations/batch', { items })
    await becomes(body.items[229]?.id ?? '', 'confirmed')
    const { body: cancelled } = await client.cancel(body.items[7]?.id ?? '')
    const all = await client.listAll(`/slots/${slotId}/reservations?limit=100`)
    expect(new Set(all.map(({ id }) => id)).size).toBe(230)
    expect(await client.listAll(`/slots/${slotId}/reservations?status=cancelled`)).toMatchObject([
      { id: cancelled.id },
    ])
    const { status, text } = await client.exportSlot(slotId)
    expect(status).toBe(200)
    expect(text.trimEnd().split(/\r?\n/)).toHaveLength(231)
    expect(text).toContain(`"'=user 229, ""x"""`)
  })
})

test("a user's reservations are listed, newest first", async () => {
  const user_id = 'somebody who reserves a lot'
  const ids: string[] = []
  for (let n = 0; n < 3; n++) {
    const slotId = await client.createSlot(1)
    ids.push((await client.reserve(slotId, { user_id })).body.id)
  }
  const all = await client.listAll(`/users/${encodeURIComponent(user_id)}/reservations?limit=2`)
  expect(all.map(({ id }) => id)).toEqual(ids.reverse())
})
