import { rejectionCodes } from '@ironsys/contracts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { problemTable } from './errors.ts'
import { bodyHash } from './identity.ts'
import { createMemoryClient, type MemoryClient, SLOT, slotBody } from './memory-client.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'

let world: MemoryWorld
let client: MemoryClient
beforeEach(() => {
  world = createMemoryWorld()
  world.eager = true
  client = createMemoryClient(world)
})
afterEach(() => world.app.close())

async function hold(change: object = {}): Promise<string> {
  const { status, body } = await client.reserve({ mode: 'hold', hold_ttl_seconds: 60, ...change })
  expect([status, body.status]).toEqual([201, 'held'])
  return `/reservations/${body.id}`
}

test('a slot says how it is sold', async () => {
  const plain = (await client.makeSlot()).body
  expect(plain).toMatchObject({
    hold_ttl_seconds: null,
    max_per_user: null,
    waitlist: false,
    waitlist_count: 0,
  })
  const rules = { hold_ttl_seconds: 300, max_per_user: 4, waitlist: true }
  const made = await client.makeSlot({ id: undefined, ...rules })
  expect(made.body).toMatchObject(rules)
  const again = { id: SLOT, hold_ttl_seconds: null, max_per_user: null, waitlist: false }
  expect((await client.makeSlot(again)).body.version).toBe(1)
})

describe('a hold', () => {
  test('is what a slot with a hold_ttl_seconds gives, unless the request says otherwise', async () => {
    await client.makeSlot({ hold_ttl_seconds: 300 })
    const held = await client.reserve()
    expect([held.status, held.body.status]).toEqual([201, 'held'])
    expect(Date.parse(held.body.expires_at) - Date.parse(held.body.created_at)).toBe(300_000)
    const own = (await client.reserve({ hold_ttl_seconds: 5 })).body
    expect(Date.parse(own.expires_at) - Date.parse(own.created_at)).toBe(5000)
    expect((await client.reserve({ mode: 'confirm' })).body.status).toBe('confirmed')
    expect((await client.call('GET', `/slots/${SLOT}`)).body).toMatchObject({
      held_count: 2,
      reserved_count: 3,
    })
  })

  test('is confirmed, twice the same; cancelled, twice the same; and then not confirmed', async () => {
    await client.makeSlot()
    const url = await hold()
    expect((await client.call('GET', url)).body).toMatchObject({
      status: 'held',
      expires_at: expect.any(String),
    })
    expect(await client.tell('POST', `${url}/confirm`)).toBe('200 confirmed')
    expect(await client.tell('POST', `${url}/confirm`, {})).toBe('200 confirmed')
    expect(await client.tell('DELETE', url)).toBe('200 cancelled')
    expect(await client.tell('DELETE', url)).toBe('200 cancelled')
    expect(await client.tell('POST', `${url}/confirm`)).toBe('409 not-confirmable')
    const { transitions } = (await client.call('GET', url)).body
    expect(transitions.map(({ status }: { status: string }) => status)).toEqual([
      'held',
      'confirmed',
      'cancelled',
    ])
  })

  test('that has expired is not confirmed, but by late if it can be had; never silently', async () => {
    await client.makeSlot({ capacity: 1, waitlist: true })
    const url = await hold()
    world.skippedMs += 60_000
    expect(await client.tell('POST', `${url}/confirm`)).toBe('409 hold-expired')
    expect((await client.call('GET', url)).body.status).toBe('expired')
    expect(await client.tell('DELETE', url)).toBe('409 not-cancellable')
    expect(await client.tell('POST', `${url}/confirm`, { late: 'reject' })).toBe('409 hold-expired')
    const second = await hold({ user_id: 'u2' })
    expect(await client.tell('POST', `${url}/confirm`, { late: 'rehold' })).toBe('409 refund-required')
    expect(await client.tell('POST', `${url}/confirm`, { late: 'waitlist' })).toBe('202 waitlisted')
    expect(await client.tell('POST', `${url}/confirm`, { late: 'waitlist' })).toBe('409 not-confirmable')
    expect(await client.tell('DELETE', second)).toBe('200 cancelled')
    expect((await client.call('GET', url)).body.status).toBe('held')
  })

  test('that has expired is had again while its units are free', async () => {
    await client.makeSlot()
    const url = await hold()
    world.skippedMs += 60_000
    expect(await client.tell('POST', `${url}/confirm`, { late: 'rehold' })).toBe('200 confirmed')
  })

  test('repeated under its key after its end is today’s status, made by nobody now', async () => {
    await client.makeSlot()
    const key = { prefer: 'wait=5', 'idempotency-key': 'k' }
    const first = await client.reserve({ mode: 'hold', hold_ttl_seconds: 1 }, key)
    world.skippedMs += 1000
    expect(await client.tell('POST', `/reservations/${first.body.id}/confirm`)).toBe('409 hold-expired')
    const again = await client.reserve({ mode: 'hold', hold_ttl_seconds: 1, join_waitlist: false }, key)
    expect([again.status, again.body.status, again.body.id]).toEqual([200, 'expired', first.body.id])
    const other = await client.reserve({ mode: 'hold', hold_ttl_seconds: 2 }, key)
    expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused'])
  })
})

describe('the waitlist', () => {
  test('is joined with 202 and a place; who leaves or is served makes room', async () => {
    await client.makeSlot({ capacity: 1, waitlist: true })
    const url = await hold()
    const joined = []
    for (const user_id of ['w1', 'w2']) joined.push(await client.reserve({ user_id, join_waitlist: true }))
    expect(joined.map(({ status, body }) => [status, body.status, body.waitlist_position])).toEqual([
      [202, 'waitlisted', 1],
      [202, 'waitlisted', 2],
    ])
    const [first, second] = joined.map(({ body }) => `/reservations/${body.id}`)
    expect(joined[1]?.headers.location).toBe(second)
    expect(await client.tell('POST', `${first}/confirm`)).toBe('409 not-confirmable')
    expect(await client.tell('DELETE', String(first))).toBe('200 cancelled')
    expect((await client.call('GET', String(second))).body).toMatchObject({ waitlist_position: 1 })
    expect((await client.call('GET', `/slots/${SLOT}`)).body.waitlist_count).toBe(1)
    expect(await client.tell('DELETE', url)).toBe('200 cancelled')
    const served = (await client.call('GET', String(second))).body
    expect([served.status, served.waitlist_position]).toEqual(['held', undefined])
  })

  test('a repeat is told its place; that the place cannot be read does not hide the decision', async () => {
    await client.makeSlot({ capacity: 1, waitlist: true })
    await hold()
    const join = (user_id: string) => client.reserve({ user_id, join_waitlist: true, idempotency_key: 'k' })
    await join('w1')
    await join('w2')
    const placeOf = ({ status, body }: Awaited<ReturnType<typeof join>>) => [status, body.waitlist_position]
    expect(placeOf(await join('w2'))).toEqual([202, 2])
    world.outage = new Error('down')
    expect(placeOf(await join('w2'))).toEqual([202, undefined])
    world.outage = null
  })

  test('beyond the first hundred the place is marked as an estimate', async () => {
    await client.makeSlot({ capacity: 1, waitlist: true })
    await hold()
    const items = Array.from({ length: 101 }, (_, n) => ({
      slot_id: SLOT,
      user_id: `w${n}`,
      join_waitlist: true,
    }))
    const { body } = await client.call('POST', '/reservations/batch', { items })
    const placeOf = async (n: number) => {
      const seen = (await client.call('GET', `/reservations/${body.items[n].id}`)).body
      return [seen.waitlist_position, seen.waitlist_position_approximate]
    }
    expect(await placeOf(99)).toEqual([100, undefined])
    expect(await placeOf(100)).toEqual([101, true])
  })
})

test('a newcomer is refused with the documented code', async () => {
  await client.makeSlot({ capacity: 3, max_per_user: 2 })
  const ask = (change: object) =>
    client.tell('POST', '/reservations', { slot_id: SLOT, user_id: 'u1', ...change })
  expect(await ask({ quantity: 3 })).toBe('409 limit-exceeded')
  expect(await ask({ quantity: 2 })).toBe('201 confirmed')
  expect(await ask({})).toBe('409 limit-exceeded')
  expect(await ask({ user_id: 'u2', quantity: 2 })).toBe('409 sold-out')
  expect(await ask({ user_id: 'u2', quantity: 2, join_waitlist: true })).toBe('409 sold-out')
  expect(await ask({ slot_id: SLOT.replace('1', '9') })).toBe('404 slot-not-found')
  await client.call('PATCH', `/slots/${SLOT}`, { status: 'closed' })
  expect(await ask({ user_id: 'u2' })).toBe('409 slot-closed')
  const [soon, over] = [SLOT.replace('1', '8'), SLOT.replace('1', '7')]
  await client.makeSlot({ id: soon, sales_open_at: '2026-03-02T00:00:00Z' })
  await client.makeSlot({ id: over, sales_close_at: '2026-02-01T00:00:00Z' })
  expect(await ask({ slot_id: soon })).toBe('409 sales-not-open')
  expect(await ask({ slot_id: over })).toBe('409 slot-closed')
})

test('somebody else’s reservation reads as unknown to who says who they are', async () => {
  await client.makeSlot()
  const url = await hold()
  expect(await client.tell('POST', `${url}/confirm`, { user_id: 'thief' })).toBe('404 reservation-not-found')
  expect(await client.tell('DELETE', `${url}?user_id=thief`)).toBe('404 reservation-not-found')
  expect(await client.tell('POST', `${url}/confirm`, { user_id: 'u1' })).toBe('200 confirmed')
  expect(await client.tell('DELETE', `${url}?user_id=u1`)).toBe('200 cancelled')
})

test('the commands say what was asked for and by whom', async () => {
  await client.makeSlot({ waitlist: true })
  world.eager = false
  await client.reserve({ mode: 'hold', hold_ttl_seconds: 7, join_waitlist: true }, {})
  expect(client.lastCommand()).toMatchObject({ mode: 'hold', hold_ttl_seconds: 7, join_waitlist: true })
  await client.reserve({ join_waitlist: false }, {})
  const plain = client.lastCommand()
  expect(Object.keys(plain).sort()).toEqual(['id', 'quantity', 'slot_id', 'type', 'user_id', 'v'])
  const url = `/reservations/${plain.id}`
  const confirm = await client.call('POST', `${url}/confirm`, { late: 'rehold', user_id: 'u1' }, {})
  expect([confirm.status, confirm.headers.location, confirm.body.status]).toEqual([202, url, 'pending'])
  expect(client.lastCommand()).toMatchObject({
    type: 'confirm',
    reservation_id: plain.id,
    late: 'rehold',
    caller: 'u1',
  })
  expect(world.records.at(-1)?.partition).toBe(world.records.at(-2)?.partition)
  await client.call('DELETE', `${url}?user_id=u1`, undefined, {})
  expect(client.lastCommand()).toMatchObject({ type: 'cancel', reservation_id: plain.id, caller: 'u1' })
  world.decideAll()
  const seen = await client.call('GET', `${url}?cursor=${confirm.body.cursor}`)
  expect([seen.status, seen.body.status]).toEqual([200, 'cancelled'])
})

test('what older requests did not say does not change their hashes', async () => {
  world.eager = false
  const key = { 'idempotency-key': 'k' }
  await client.reserve({ metadata: { a: 1 } }, key)
  const plain = { slot_id: SLOT, user_id: 'u1', quantity: 1, metadata: { a: 1 } }
  expect(client.lastCommand().body_hash).toBe(bodyHash(plain))
  const { status } = await client.call('POST', '/slots', slotBody(), {})
  expect(status).toBe(202)
  const times = { start_time: '2026-05-01T12:00:00.000Z', end_time: '2026-05-01T14:00:00.000Z' }
  const sales = { sales_open_at: null, sales_close_at: null }
  const slot = { name: 'Hall', capacity: 10, overbooking_bps: 0, ...times, ...sales }
  expect(client.lastCommand().body_hash).toBe(bodyHash(slot))
})

test('a confirmation under a key is one command; its key is the caller’s own', async () => {
  const url = `/reservations/${SLOT}/confirm`
  const idOf = async (payload: object, key?: string) => {
    await client.call('POST', url, payload, key === undefined ? {} : { 'idempotency-key': key })
    return client.lastCommand().id
  }
  const first = await idOf({ user_id: 'u1' }, 'k')
  expect(await idOf({ user_id: 'u1', idempotency_key: 'k' })).toBe(first)
  const others = [
    await idOf({ user_id: 'u2' }, 'k'),
    await idOf({ user_id: 'u1' }),
    await idOf({ user_id: 'u1' }),
  ]
  expect(new Set([first, ...others]).size).toBe(4)
})

test('a confirmation needs no body, whatever the content type says', async () => {
  await client.makeSlot()
  for (const type of [undefined, 'application/json']) {
    const url = `${await hold()}/confirm`
    const headers = { prefer: 'wait=5', ...(type === undefined ? {} : { 'content-type': type }) }
    const answer = await world.app.inject({ method: 'POST', url, headers })
    expect([answer.statusCode, answer.json().status]).toEqual([200, 'confirmed'])
  }
  const empty = { 'content-type': 'application/json' }
  expect((await world.app.inject({ method: 'POST', url: '/reservations', headers: empty })).statusCode).toBe(
    400,
  )
})

test.each(rejectionCodes)('the decision %s is answered with the status of its table', async (code) => {
  world.eager = false
  const answers = [
    client.reserve(),
    client.call('POST', `/reservations/${SLOT}/confirm`),
    client.call('DELETE', `/reservations/${SLOT}`),
    client.call('POST', '/bookings', { user_id: 'u', items: [{ slot_id: SLOT }] }),
    client.call('POST', `/bookings/${SLOT}/confirm`),
    client.call('DELETE', `/bookings/${SLOT}`),
    client.call('PATCH', `/slots/${SLOT}`, { name: 'x' }),
  ]
  await vi.waitFor(() => expect(world.records).toHaveLength(answers.length))
  for (const { value } of world.records) world.deps.waiting.deliver(JSON.parse(value).reply_to, { code })
  for (const answer of answers) {
    const { status, body, headers } = await answer
    expect([status, body.code]).toEqual([problemTable[code].status, code])
    expect(headers['content-type']).toContain('application/problem+json')
  }
  // Whoever decides gives each route only what it lists.
  world.undocumented.clear()
})
