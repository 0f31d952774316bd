import { afterEach, beforeEach, expect, test } from 'vitest'
import { createMemoryClient, type MemoryClient, SLOT } from './memory-client.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'

let world: MemoryWorld
let client: MemoryClient
beforeEach(() => {
  world = createMemoryWorld()
  world.eager = true
  client = createMemoryClient(world)
})
afterEach(() => world.app.close())

const keyed = (key: string, prefer = 'wait=5') => ({ prefer, 'idempotency-key': key })

async function hold(change: object = {}, headers?: Record<string, string>): Promise<string> {
  const { status, body } = await client.reserve({ mode: 'hold', hold_ttl_seconds: 60, ...change }, headers)
  expect([status, body.status]).toEqual([201, 'held'])
  return `/reservations/${body.id}`
}

test.each([
  ['replies', true],
  ['the store', false],
])('one key, another body: refused, by %s', async (_name, live) => {
  await client.makeSlot()
  world.setLive(live)
  const confirm = `${await hold()}/confirm`
  const asked = (payload: object) => client.call('POST', confirm, payload, keyed('k'))
  const first = await asked({ user_id: 'u1', late: 'rehold' })
  expect([first.status, first.body.status]).toEqual([200, 'confirmed'])
  for (const payload of [{ user_id: 'u1', late: 'waitlist' }, { user_id: 'u1' }]) {
    const other = await asked(payload)
    expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused'])
  }
  const again = await asked({ user_id: 'u1', late: 'rehold' })
  expect([again.status, again.body]).toEqual([200, first.body])
})

test.each([
  ['replies', true],
  ['the store', false],
])('a late confirmation that was refused stays so under its key, by %s', async (_name, live) => {
  await client.makeSlot({ capacity: 1 })
  world.setLive(live)
  const url = await hold()
  world.skippedMs += 60_000
  const inTheWay = await hold({ user_id: 'u2' })
  const confirm = (key: string) => client.call('POST', `${url}/confirm`, { late: 'rehold' }, keyed(key))
  const first = await confirm('k')
  expect([first.status, first.body.code]).toEqual([409, 'refund-required'])
  expect(await client.tell('DELETE', inTheWay)).toBe('200 cancelled')
  const again = await confirm('k')
  expect([again.status, again.body.code]).toEqual([409, 'refund-required'])
  expect((await client.call('GET', url)).body.status).toBe('expired')
  expect((await confirm('another')).body.status).toBe('confirmed')
})

test('the cursor of a keyed confirmation shows its reservation, which had a key of its own', async () => {
  await client.makeSlot()
  const url = await hold({}, keyed('of the hold'))
  world.eager = false
  const { cursor } = (await client.call('POST', `${url}/confirm`, {}, keyed('of the confirmation', ''))).body
  const seen = () => client.call('GET', `${url}?cursor=${cursor}`)
  expect((await seen()).body).toMatchObject({ status: 'held', queue: { position: 0 } })
  world.decideAll()
  const shown = await seen()
  expect([shown.status, shown.body.status, shown.body.queue]).toEqual([200, 'confirmed', undefined])
})

test('a TTL is of a hold, or of the hold that a place in line becomes', async () => {
  await client.makeSlot({ capacity: 1, waitlist: true })
  const timed = (more: object) => client.reserve({ hold_ttl_seconds: 90, ...more })
  const refused = await timed({ mode: 'confirm' })
  expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, '/hold_ttl_seconds'])
  const taken = (await timed({ mode: 'hold' })).body.id
  const { body } = await timed({ mode: 'confirm', join_waitlist: true })
  expect(body.status).toBe('waitlisted')
  await client.call('DELETE', `/reservations/${taken}`)
  const { expires_at, transitions } = (await client.call('GET', `/reservations/${body.id}`)).body
  expect(Date.parse(expires_at) - Date.parse(transitions.at(-1).at)).toBe(90_000)
  const items = [{ slot_id: SLOT, user_id: 'u', mode: 'confirm', hold_ttl_seconds: 90 }]
  const batch = (await client.call('POST', '/reservations/batch', { items })).body
  expect(batch.items[0].error.errors[0].pointer).toBe('/items/0/hold_ttl_seconds')
})
