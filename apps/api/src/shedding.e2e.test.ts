/** Overload of a real system: its worker is away, and what was accepted piles up. */
import { createClient, startSystem, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const PATIENCE = { timeout: 20_000, interval: 50 }
const AT_ONCE = 20
/** More comes in before it sheds than what it begins at. */
const thresholds = { SHED_LAG_MS: '50', SHED_FINISHING_FACTOR: '100' }

let system: TestSystem

beforeAll(async () => {
  system = await startSystem()
})

afterAll(async () => {
  await system?.close()
})

test('new work is refused while the writer is too far behind, what finishes goes on, and all is taken again', async () => {
  const [api, worker] = await Promise.all([system.startApi(thresholds), system.startWorker()])
  const client = createClient(api.url)
  const slotId = await client.createSlot(100_000)
  const held = await client.reserve(slotId, { mode: 'hold', hold_ttl_seconds: 600 })
  expect(held).toMatchObject({ status: 201, body: { status: 'held' } })
  await worker.end('SIGKILL')

  const send = () => client.call('POST', '/reservations', { slot_id: slotId, user_id: 'ann' })
  const statuses = async () =>
    (await Promise.all(Array.from({ length: AT_ONCE }, send))).map(({ status }) => status)
  await vi.waitFor(async () => expect(await statuses()).toContain(503), PATIENCE)
  await vi.waitFor(async () => {
    const refused = await send()
    expect(refused).toMatchObject({ status: 503, body: { code: 'overloaded' } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  }, PATIENCE)
  const confirmed = await client.call('POST', `/reservations/${held.body.id}/confirm`, {})
  expect(confirmed).toMatchObject({ status: 202, body: { status: 'pending' } })
  expect((await client.call('GET', `/slots/${slotId}`)).status).toBe(200)
  expect((await fetch(`${api.url}/health/ready`)).status).toBe(200)
  const metrics = await (await fetch(`${api.operationsUrl}/metrics`)).text()
  expect(metrics).toMatch(/^ironsys_shed_total\{reason="worker-lag",class="new"\} [1-9]/m)
  expect(metrics).toContain('ironsys_shed_total{reason="worker-lag",class="finishing"} 0')

  await system.startWorker()
  await vi.waitFor(async () => expect(new Set(await statuses())).toEqual(new Set([202])), PATIENCE)
  await vi.waitFor(() => expect(api.log()).toContain('no longer overloaded'), PATIENCE)
  expect(api.log().match(/"msg":"overloaded/g)).toHaveLength(1)
  const balanced = async () => expect(await client.audit(slotId)).toMatchObject({ held: 0, balanced: true })
  await vi.waitFor(balanced, PATIENCE)
})
