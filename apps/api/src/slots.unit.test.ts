import { randomUUID } from 'node:crypto'
import { partitionOfKey } from '@ironsys/contracts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryWorld, type MemoryWorld, PARTITIONS } from './memory-world.ts'

let world: MemoryWorld
beforeEach(() => {
  world = createMemoryWorld()
  world.eager = true
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
const post = (payload: object, headers: Record<string, string> = wait) =>
  world.app.inject({ method: 'POST', url: '/slots', payload, headers })
const get = (url: string, headers: Record<string, string> = {}) => world.app.inject({ url, headers })

test('a slot is created, its times in UTC, in the partition of its id', async () => {
  const answer = await post(slot)
  expect(answer.statusCode).toBe(201)
  expect(answer.json()).toMatchObject({
    id: SLOT,
    start_time: '2026-05-01T10:00:00.000Z',
    available: 10,
    version: 1,
  })
  expect(world.records[0]?.partition).toBe(partitionOfKey(SLOT, PARTITIONS))
})

test('the same id: with the same body the same, with another 409; so it is while Redis is down', async () => {
  await post(slot)
  expect((await post({ ...slot, start_time: '2026-05-01T10:00:00Z', overbooking_bps: 0 })).statusCode).toBe(
    201,
  )
  const other = await post({ ...slot, overbooking_bps: 5000 })
  expect([other.statusCode, other.json().code, other.json().id]).toEqual([409, 'slot-exists', SLOT])
  world.setLive(false)
  expect((await post(slot)).statusCode).toBe(201)
  expect((await post({ ...slot, overbooking_bps: 5000 })).statusCode).toBe(409)
})

test('without an id: minted, or with a key derived', async () => {
  const { id, ...anonymous } = slot
  const ids = [await post(anonymous), await post(anonymous)].map((answer) => answer.json().id)
  expect(new Set([id, ...ids]).size).toBe(3)
  const key = { ...wait, 'idempotency-key': 'k' }
  const [first, again, other] = [
    await post(anonymous, key),
    await post(anonymous, key),
    await post({ ...anonymous, name: 'Other' }, key),
  ]
  expect([first?.statusCode, again?.json().id, other?.statusCode]).toEqual([201, first?.json().id, 422])
})

test('PATCH changes; below what is taken 409; unknown 404; a key makes it happen once', async () => {
  const patch = (payload: object, headers: Record<string, string> = wait) =>
    world.app.inject({ method: 'PATCH', url: `/slots/${SLOT}`, payload, headers })
  expect((await patch({ name: 'X' })).json().code).toBe('slot-not-found')
  await post(slot)
  await world.app.inject({
    method: 'POST',
    url: '/reservations',
    payload: { slot_id: SLOT, user_id: 'u', quantity: 6 },
  })
  const tooSmall = await patch({ capacity: 5 })
  expect([tooSmall.statusCode, tooSmall.json().code]).toEqual([409, 'capacity-in-use'])
  const key = { ...wait, 'idempotency-key': 'p' }
  expect((await patch({ capacity: 20 }, key)).json()).toMatchObject({ capacity: 20, version: 3 })
  expect((await patch({ capacity: 20 }, key)).json()).toMatchObject({ capacity: 20, version: 3 })
  expect((await patch({ capacity: 21 }, key)).json().code).toBe('idempotency-key-reused')
  const accepted = await patch({ status: 'closed' }, {})
  expect([accepted.statusCode, accepted.json().id, accepted.json().status]).toEqual([202, SLOT, 'pending'])
})

test('a snapshot has a weak ETag, Age and caching; If-None-Match gives 304', async () => {
  await post(slot)
  const loaded = await get(`/slots/${SLOT}`)
  expect(loaded.json()).toMatchObject({ id: SLOT, from_cache: false, stale: false })
  const cached = await get(`/slots/${SLOT}`)
  expect(cached.json()).toMatchObject({ from_cache: true, stale: false })
  expect(cached.headers).toMatchObject({
    etag: 'W/"1.1"',
    age: '0',
    'content-type': 'application/json; charset=utf-8',
  })
  expect(cached.headers['cache-control']).toContain('public, max-age=0, s-maxage=1')
  for (const tag of ['W/"1.1"', '"1.1"', 'W/"0.9", W/"1.1"', '*']) {
    const same = await get(`/slots/${SLOT}`, { 'if-none-match': tag })
    expect([same.statusCode, same.body, same.headers.etag]).toEqual([304, '', 'W/"1.1"'])
  }
  expect((await get(`/slots/${SLOT}`, { 'if-none-match': 'W/"1.0"' })).statusCode).toBe(200)
  const head = await world.app.inject({ method: 'HEAD', url: `/slots/${SLOT}` })
  expect([head.statusCode, head.body, head.headers.etag]).toEqual([200, '', 'W/"1.1"'])
})

test('stale and old snapshots say so', async () => {
  await post(slot)
  await get(`/slots/${SLOT}`)
  const read = world.cache.peek(SLOT)
  if (read === undefined || !('version' in read)) throw new Error('nothing was cached')
  world.cache.put(SLOT, { ...read, stale: true, ageMs: 7900, body: null })
  const answer = await get(`/slots/${SLOT}`)
  expect([answer.json().stale, answer.json().from_cache, answer.headers.age]).toEqual([true, true, '7'])
})

test('pages follow each other without gaps, filtered', async () => {
  for (let day = 1; day <= 5; day++) {
    await post({
      name: `d${day}`,
      start_time: `2026-06-0${day}T10:00:00Z`,
      end_time: `2026-06-0${day}T11:00:00Z`,
      capacity: day % 2,
    })
  }
  const names = async (query: string) => {
    const found: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { items: { name: string }[]; next_cursor: string | null } = (
        await get(`/slots?${query}${cursor === '' ? '' : `&cursor=${cursor}`}`)
      ).json()
      found.push(...page.items.map((item) => item.name))
      cursor = page.next_cursor
    }
    return found
  }
  expect(await names('limit=2')).toEqual(['d1', 'd2', 'd3', 'd4', 'd5'])
  expect(await names('limit=1&available=true')).toEqual(['d1', 'd3', 'd5'])
  expect(await names('from=2026-06-02T10:00:00Z&to=2026-06-04T10:00:00.000Z')).toEqual(['d2', 'd3'])
  for (const time of ['not a time', '2030-02-31T00:00:00.000Z', '0000-01-01T00:00:00.000Z']) {
    const cursor = Buffer.from(`${time} ${SLOT}`).toString('base64url')
    const forged = await get(`/slots?cursor=${cursor}`)
    expect([time, forged.statusCode, forged.json().code]).toEqual([time, 400, 'invalid-cursor'])
  }
})

test('while the store is out a list is its last page and says so; one that nobody has read is 503', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  await post(slot)
  expect((await get('/slots')).json()).toMatchObject({ items: [{ id: SLOT }], stale: false })
  world.outage = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  vi.setSystemTime(Date.now() + 3000)
  const last = await get('/slots')
  expect([last.statusCode, last.json().stale, last.headers.age]).toEqual([200, true, '3'])
  expect(last.json().items).toHaveLength(1)
  const other = await get('/slots?limit=7')
  expect([other.statusCode, other.json().code]).toEqual([503, 'reads-unavailable'])
})

test('a list shows a slot as this instance knows it, and leaves out what has just sold out', async () => {
  await post({ ...slot, capacity: 1 })
  await get(`/slots/${SLOT}`)
  const available = async (query: string) =>
    (await get(`/slots${query}`)).json().items.map((item: { available: number }) => item.available)
  expect([await available(''), await available('?available=true')]).toEqual([[1], [1]])
  await world.app.inject({ method: 'POST', url: '/reservations', payload: { slot_id: SLOT, user_id: 'u' } })
  expect([await available(''), await available('?available=true')]).toEqual([[0], []])
})

test('the audit is public, asked of the store once a second, and 404 for an unknown slot', async () => {
  await post(slot)
  const before = world.reads
  const [audit] = await Promise.all([get(`/slots/${SLOT}/audit`), get(`/slots/${SLOT}/audit`)])
  expect(world.reads).toBe(before + 1)
  expect(audit?.json()).toEqual({
    capacity: 10,
    held: 0,
    confirmed: 0,
    available: 10,
    version: 1,
    ledger_events: 1,
    balanced: true,
  })
  const missing = await get(`/slots/${SLOT.replace('1', '2')}/audit`)
  expect([missing.statusCode, missing.json().code]).toEqual([404, 'slot-not-found'])
})

test('few audits run at a time, whatever ids are made up; then others are asked again', async () => {
  const many = () => Promise.all(Array.from({ length: 40 }, () => get(`/slots/${randomUUID()}/audit`)))
  const before = world.reads
  const codes = (await many()).map((answer) => answer.json().code)
  expect(new Set(codes)).toEqual(new Set(['slot-not-found', 'overloaded']))
  expect(world.reads - before).toBe(codes.filter((code) => code === 'slot-not-found').length)
  expect((await get(`/slots/${randomUUID()}/audit`)).statusCode).toBe(404)
})
