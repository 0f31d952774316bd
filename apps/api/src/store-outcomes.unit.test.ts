import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryClient, type MemoryClient, OTHER_SLOT, SLOT } from './memory-client.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'

let worlds: MemoryWorld[]
beforeEach(() => {
  worlds = []
})
afterEach(async () => {
  for (const { app } of worlds) await app.close()
})

function openWorld(live: boolean): { world: MemoryWorld; client: MemoryClient } {
  const world = createMemoryWorld()
  worlds.push(world)
  world.setLive(live)
  world.eager = true
  return { world, client: createMemoryClient(world) }
}

/** Everything a client may ask of reservations and bookings; answers what it was told. */
async function story({ world, client }: ReturnType<typeof openWorld>): Promise<readonly string[]> {
  const told: string[] = []
  const tell = async (...request: Parameters<MemoryClient['tell']>) => {
    told.push(
      `${request[0]} ${request[1].replaceAll(/[0-9a-f-]{36}/g, ':id')} ${await client.tell(...request)}`,
    )
  }
  const make = async (url: string, payload: object) => {
    const { status, body } = await client.call('POST', url, payload)
    told.push(`POST ${url} ${status} ${body.code ?? body.status} ${body.waitlist_position ?? ''}`)
    return `${url}/${body.id}`
  }
  const rules = { capacity: 2, hold_ttl_seconds: 60, max_per_user: 2, waitlist: true }
  await client.makeSlot(rules)
  await client.makeSlot({ ...rules, id: OTHER_SLOT, waitlist: false })
  const reserve = (user_id: string, more: object = {}) =>
    make('/reservations', { slot_id: SLOT, user_id, ...more })

  const [first, second] = [await reserve('a'), await reserve('b', { mode: 'confirm' })]
  await reserve('a', { quantity: 2 })
  await reserve('c')
  const waiter = await reserve('c', { join_waitlist: true })
  await tell('POST', `${waiter}/confirm`)
  await tell('POST', `${first}/confirm`, { user_id: 'b' })
  await tell('DELETE', `${first}?user_id=b`)
  await tell('POST', `/reservations/${SLOT}/confirm`)
  await tell('DELETE', `/reservations/${SLOT}`)
  await tell('DELETE', second)
  await tell('POST', `${second}/confirm`)
  await tell('POST', `${waiter}/confirm`)
  world.skippedMs += 60_000
  await tell('POST', `${first}/confirm`)
  await tell('DELETE', first)
  const third = await reserve('d')
  await tell('POST', `${first}/confirm`, { late: 'rehold' })
  await tell('POST', `${first}/confirm`, { late: 'waitlist' })
  await tell('POST', `${first}/confirm`, { late: 'waitlist' })
  await tell('DELETE', third)
  await tell('POST', `${first}/confirm`)

  const book = (items: readonly object[], more: object = {}) =>
    make('/bookings', { user_id: 'e', items, ...more })
  const refused = await book([{ slot_id: SLOT }, { slot_id: OTHER_SLOT }])
  await tell('POST', `${refused}/confirm`)
  await tell('DELETE', refused)
  const held = await book([{ slot_id: OTHER_SLOT, quantity: 2 }], { mode: 'hold', hold_ttl_seconds: 30 })
  await tell('POST', `${held}/confirm`, { user_id: 'a' })
  await tell('DELETE', `${held}?user_id=a`)
  const { body } = await client.call('GET', held)
  await tell('POST', `/reservations/${body.items[0].reservation_id}/confirm`)
  await tell('DELETE', `/reservations/${body.items[0].reservation_id}`)
  world.skippedMs += 30_000
  await tell('POST', `${held}/confirm`)
  await tell('DELETE', held)
  const confirmed = await book([{ slot_id: OTHER_SLOT }])
  await tell('POST', `${confirmed}/confirm`)
  await tell('DELETE', confirmed)
  await tell('DELETE', confirmed)
  await tell('POST', `${confirmed}/confirm`)
  await tell('POST', `/bookings/${SLOT}/confirm`)
  await tell('DELETE', `/bookings/${SLOT}`)
  return told
}

test('while replies are down the store gives the same answers', async () => {
  const [replied, looked] = await Promise.all([story(openWorld(true)), story(openWorld(false))])
  expect(looked).toEqual(replied)
  expect(new Set(replied.map((line) => line.split(' ')[3])).size).toBeGreaterThan(10)
})

test('an outcome that the store cannot be sure of is a 202 and nothing false', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const { world, client } = openWorld(true)
  await client.makeSlot({ capacity: 1, waitlist: true })
  const first = (await client.reserve({ mode: 'hold' })).body.id
  const waiter = (await client.reserve({ user_id: 'w', join_waitlist: true })).body.id
  world.setLive(false)
  world.eager = false
  // Refused when it is decided; before anybody looks, the waiter has its units.
  const confirm = client.call('POST', `/reservations/${waiter}/confirm`)
  await vi.waitFor(() => expect(world.records).toHaveLength(4))
  await client.call('DELETE', `/reservations/${first}`, undefined, {})
  world.decideAll()
  await vi.advanceTimersByTimeAsync(5000)
  expect((await confirm).status).toBe(202)
  vi.useRealTimers()
  expect((await client.call('GET', `/reservations/${waiter}`)).body.status).toBe('held')
})
