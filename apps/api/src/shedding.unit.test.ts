/** Commands under overload, over HTTP. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryClient, type MemoryClient, SLOT } from './memory-client.ts'
import { createMemoryRecords, type MemoryRecords } from './memory-records.ts'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'
import { shedDefaults, shedLimits } from './shedder.ts'

let world: MemoryWorld
let client: MemoryClient
let records: MemoryRecords
beforeEach(async () => {
  records = createMemoryRecords()
  world = createMemoryWorld({ records })
  client = createMemoryClient(world)
  world.eager = true
  await client.makeSlot()
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(async () => {
  vi.useRealTimers()
  await world.app.close()
})

/** Until everything that can be is refused. */
function overload(queueMessages: number): void {
  world.load = { ...world.load, queueMessages }
  for (let n = 0; n < 100; n++) {
    vi.setSystemTime(Date.now() + shedLimits.lookMs)
    world.deps.shedder.look()
  }
}

test('new commands are refused before their body is read, and take nothing', async () => {
  overload(shedDefaults.queueMessages)
  const before = world.records.length
  for (const url of ['/slots', '/reservations', '/reservations/batch', '/bookings']) {
    const answer = await world.app.inject({
      method: 'POST',
      url,
      payload: '{ not JSON',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
    })
    expect([url, answer.statusCode, answer.json().code]).toEqual([url, 503, 'overloaded'])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(answer.headers['cache-control']).toBe('private, no-store')
  }
  expect([world.records.length, records.asked]).toEqual([before, 0])
  expect(await world.deps.metrics.metricsText()).toContain(
    'ironsys_shed_total{reason="produce-queue",class="new"} 4',
  )
})

test('what is accepted and not decided is a lag', async () => {
  world.eager = false
  expect(world.deps.progress.lagMs()).toBe(0)
  await client.reserve({}, {})
  expect(world.deps.progress.lagMs()).toBeGreaterThan(0)
})

test('confirms and cancels go on, until their own thresholds, and reads and health always', async () => {
  const hold = { mode: 'hold', hold_ttl_seconds: 60 }
  const ids = await Promise.all([1, 2].map(async () => (await client.reserve(hold)).body.id))
  overload(shedDefaults.queueMessages * shedDefaults.finishingFactor - 1)
  expect(await client.tell('POST', '/reservations', { slot_id: SLOT, user_id: 'u' })).toBe('503 overloaded')
  expect(await client.tell('POST', `/reservations/${ids[0]}/confirm`, {})).toBe('200 confirmed')
  expect(await client.tell('DELETE', `/reservations/${ids[0]}`)).toBe('200 cancelled')
  overload(shedDefaults.queueMessages * shedDefaults.finishingFactor)
  expect(await client.tell('POST', `/reservations/${ids[1]}/confirm`, {})).toBe('503 overloaded')
  expect(await client.tell('DELETE', `/reservations/${ids[1]}`)).toBe('503 overloaded')
  for (const url of [`/slots/${SLOT}`, `/reservations/${ids[1]}`, '/health/ready', '/health/live']) {
    expect([url, (await client.call('GET', url)).status]).toEqual([url, 200])
  }
})
