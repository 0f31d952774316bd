/** Servers killed and frozen under load: what is refused is refused at once, what was accepted stays, all comes back by itself. */
import { randomUUID } from 'node:crypto'
import type { HealthDocument } from '@ironsys/contracts'
import { type Client, createClient, startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const deadline = { timeout: 45_000, interval: 50 }
const CALLERS = 8
/** More than the callers could be refused within the deadline if each refusal took a time-out. */
const MANY = 400

let system: TestSystem
let app: TestApp
let api: Client

beforeAll(async () => {
  system = await startSystem({ ownPostgres: true })
  const [started] = await Promise.all([
    // Redis is believed for a moment only, so that the store is asked soon.
    system.startApi({ CACHE_SHARED_FRESH_MS: '100' }),
    system.startWorker(),
  ])
  app = started
  api = createClient(app.url)
}, 120_000)

afterAll(async () => {
  await system?.close()
}, 60_000)

type Dependency = 'kafka' | 'postgres' | 'redis'

async function health() {
  const answer = await fetch(`${app.operationsUrl}/health/ready`)
  return { status: answer.status, body: (await answer.json()) as HealthDocument }
}

/** 0 closed, 1 half-open, 2 open. */
async function breakerState(dependency: Dependency): Promise<number> {
  const text = await (await fetch(`${app.operationsUrl}/metrics`)).text()
  const line = new RegExp(`^ironsys_breaker_state\\{dependency="${dependency}"\\} (\\d)$`, 'm').exec(text)
  return Number(line?.[1])
}

/** Closed again, and readiness says the same. */
async function isWell(dependency: Dependency): Promise<void> {
  expect(await breakerState(dependency)).toBe(0)
  expect((await health()).body.dependencies[dependency]).toBe('up')
}

/** Runs `step` in several loops at once until stopped. */
function load(step: () => Promise<void>): { stop(): Promise<void> } {
  let isOver = false
  const caller = async () => {
    while (!isOver) await step()
  }
  const callers = Promise.all(Array.from({ length: CALLERS }, caller))
  callers.catch(() => {
    isOver = true
  })
  return {
    stop: async () => {
      isOver = true
      await callers
    },
  }
}

test('Kafka killed and back under load', { timeout: 180_000 }, async () => {
  const slotId = await api.createSlot(1_000_000)
  const accepted: string[] = []
  const unknown: { id: string; key: string; user: string }[] = []
  let refused = 0
  const loading = load(async () => {
    const user = randomUUID()
    const { status, body, headers } = await api.call('POST', '/reservations', {
      slot_id: slotId,
      user_id: user,
      mode: 'confirm',
    })
    if (status === 202) accepted.push(body.id)
    else if (body.code === 'outcome-unknown') unknown.push({ id: body.id, key: body.idempotency_key, user })
    else {
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'log-unavailable', '1'])
      refused++
    }
    // Reads go on.
    expect((await api.call('GET', `/slots/${slotId}`)).status).toBe(200)
  })
  await vi.waitFor(() => expect(accepted.length).toBeGreaterThan(100), deadline)
  await system.killServer('kafka')
  await vi.waitFor(() => expect(refused).toBeGreaterThan(MANY), deadline)
  await vi.waitFor(async () => {
    const { status, body } = await health()
    expect([status, body.status, body.dependencies.kafka]).toEqual([200, 'degraded', 'down'])
    expect(await breakerState('kafka')).toBe(2)
  }, deadline)
  await system.startServer('kafka')
  const before = accepted.length
  await vi.waitFor(() => expect(accepted.length).toBeGreaterThan(before + 100), deadline)
  await loading.stop()
  await vi.waitFor(() => isWell('kafka'), deadline)

  // What may or may not be in the log is sent again, with the key that its answer named.
  for (const { id, key, user } of unknown) {
    const again = await api.call(
      'POST',
      '/reservations',
      { slot_id: slotId, user_id: user, mode: 'confirm' },
      { 'idempotency-key': key, prefer: 'wait=20' },
    )
    expect([again.status, again.body.id]).toEqual([201, id])
  }
  const ids = new Set([...accepted, ...unknown.map(({ id }) => id)])
  await vi.waitFor(async () => {
    const { body } = await api.call('GET', `/slots/${slotId}`)
    expect(body.reserved_count).toBe(ids.size)
  }, deadline)
  const decided = await api.listAll(`/slots/${slotId}/reservations?limit=100`)
  expect(new Set(decided.map(({ id }) => id))).toEqual(ids)
  expect(await api.audit(slotId)).toMatchObject({ balanced: true, confirmed: ids.size })
})

test.each([
  [
    'frozen',
    () => system.signalServer('postgres', 'SIGSTOP'),
    () => system.signalServer('postgres', 'SIGCONT'),
  ],
  ['killed', () => system.killServer('postgres'), () => system.startServer('postgres')],
])('Postgres %s under load', { timeout: 180_000 }, async (_how, stop, start) => {
  const slotId = await api.createSlot(1000)
  const { body: reserved } = await api.reserve(slotId)
  let refused = 0
  let stale = 0
  const loading = load(async () => {
    const read = await api.call('GET', `/reservations/${reserved.id}`)
    if (read.status !== 200) {
      expect([read.status, read.body.code, read.headers.get('retry-after')]).toEqual([
        503,
        'reads-unavailable',
        '1',
      ])
      refused++
    }
    const slot = await api.call('GET', `/slots/${slotId}`)
    expect([slot.status, slot.body.available]).toEqual([200, 999])
    if (slot.body.stale) stale++
  })
  await stop()
  await vi.waitFor(() => {
    expect(refused).toBeGreaterThan(MANY)
    expect(stale).toBeGreaterThan(MANY)
  }, deadline)
  await vi.waitFor(async () => {
    const { status, body } = await health()
    expect([status, body.status, body.dependencies.postgres]).toEqual([200, 'degraded', 'down'])
  }, deadline)
  // Writes are accepted; they are decided when the database is back.
  const late = await api.call('POST', '/reservations', {
    slot_id: slotId,
    user_id: randomUUID(),
    mode: 'confirm',
  })
  expect(late.status).toBe(202)
  await loading.stop()
  await start()
  // Nobody asks but the health probe.
  await vi.waitFor(() => isWell('postgres'), deadline)
  await vi.waitFor(async () => {
    const { status, body } = await api.call('GET', `/reservations/${late.body.id}`)
    expect([status, body.status]).toEqual([200, 'confirmed'])
  }, deadline)
})

test('Redis frozen: everything goes on without it, and finds it again', { timeout: 120_000 }, async () => {
  const slotId = await api.createSlot(1000)
  system.signalServer('redis', 'SIGSTOP')
  await vi.waitFor(async () => expect(await breakerState('redis')).toBe(2), deadline)
  for (let n = 1; n <= 3; n++) {
    expect((await api.reserve(slotId)).status).toBe(201)
    const { status, body } = await api.call('GET', `/slots/${slotId}?min_version=${n + 1}`)
    expect([status, body.available]).toEqual([200, 1000 - n])
  }
  expect((await health()).body.dependencies.redis).not.toBe('up')
  system.signalServer('redis', 'SIGCONT')
  await vi.waitFor(() => isWell('redis'), deadline)
  expect((await api.reserve(slotId)).status).toBe(201)
})
