/** `./ironsys retention` on a running system: what is long over goes by its writers, everything else stays and agrees. */
import { createPool, type Pool } from '@ironsys/postgres'
import {
  type Answer,
  type Client,
  createClient,
  startSystem,
  type TestApp,
  type TestSystem,
} from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { commandLineOf } from './command-line.fixture.ts'

const DAY_MS = 24 * 3600 * 1000
const DEADLINE = { timeout: 20_000, interval: 50 }

let system: TestSystem
let worker: TestApp
let client: Client
let pool: Pool
let ironsys: ReturnType<typeof commandLineOf>

beforeAll(async () => {
  system = await startSystem()
  const apps = await Promise.all([system.startApi(), system.startWorker()])
  worker = apps[1]
  client = createClient(apps[0].url)
  pool = createPool(system.databaseUrl, { applicationName: 'test', maxConnections: 2 })
  ironsys = commandLineOf(system)
})

afterAll(async () => {
  await pool?.end()
  await system?.close()
})

/** A slot of one hour that was over so many days ago. */
function slotOver(daysAgo: number, more: object = {}): Promise<string> {
  const endMs = Date.now() - daysAgo * DAY_MS
  const [start_time, end_time] = [endMs - 3_600_000, endMs].map((ms) => new Date(ms).toISOString())
  return client.createSlot(5, { start_time, end_time, ...more })
}

const countOf = async (table: string, where: string, ids: readonly string[]): Promise<number> => {
  const { rows } = await pool.query(`SELECT count(*) FROM ${table} WHERE ${where} = ANY ($1::uuid[])`, [ids])
  return Number(rows[0].count)
}

/** All that is stored of slots and bookings. */
async function traces(slotIds: readonly string[], bookingIds: readonly string[]) {
  return {
    slots: await countOf('slots', 'id', slotIds),
    reservations: await countOf('reservations', 'slot_id', slotIds),
    ledger: await countOf('slot_ledger', 'slot_id', slotIds),
    bookings: await countOf('bookings', 'id', bookingIds),
    items: await countOf('booking_items', 'booking_id', bookingIds),
  }
}

const statuses = (answers: readonly Answer[]) => answers.map(({ body }) => body.code ?? body.status)

/** A confirmed one, a hold, one that waits, one that was cancelled and one that was refused. */
async function liveAt(slotId: string): Promise<void> {
  const reserve = (more: object) => client.reserve(slotId, more)
  const cancelled = await reserve({ quantity: 1 })
  await client.cancel(cancelled.body.id)
  const answers = [
    await reserve({ quantity: 2 }),
    await reserve({ quantity: 3, mode: 'hold' }),
    await reserve({ quantity: 1, join_waitlist: true }),
    await reserve({ quantity: 1 }),
  ]
  expect(statuses(answers)).toEqual(['confirmed', 'held', 'waitlisted', 'sold-out'])
}

async function isInGoodOrder(): Promise<void> {
  // Outbox and snapshots follow within moments; the audit itself waits for them.
  const audited = await ironsys('audit')
  expect(audited.stdout).toMatch(/^clean: nothing found/m)
  expect(audited.code).toBe(0)
  expect(await ironsys('replay', '--verify')).toMatchObject({ code: 0 })
}

describe('what is long over', () => {
  let over: readonly string[]
  let recent: readonly string[]
  let overBookings: readonly string[]
  let recentBookings: readonly string[]

  beforeAll(async () => {
    over = await Promise.all([31, 32, 400].map((days) => slotOver(days, { waitlist: true })))
    recent = await Promise.all([29, 10, -1].map((days) => slotOver(days, { waitlist: true })))
    for (const slotId of [...over, ...recent]) await liveAt(slotId)
    const [a, b] = await Promise.all([slotOver(100), slotOver(35)])
    const later = await slotOver(-300)
    // Begun long ago, and not over for long.
    const lasting = await slotOver(10, { start_time: '2020-01-01T00:00:00Z' })
    over = [...over, a, b]
    recent = [...recent, later, lasting]
    const book = async (slotIds: readonly string[], more: object) => {
      const { body } = await client.book(
        slotIds.map((slot_id) => ({ slot_id })),
        more,
      )
      // Its reservations become what it is a moment later.
      await vi.waitFor(async () => {
        const { rows } = await pool.query('SELECT status FROM reservations WHERE booking_id = $1', [body.id])
        const status = more === held ? 'held' : 'confirmed'
        expect(rows).toEqual([{ status }, { status }])
      }, DEADLINE)
      return body.id
    }
    const held = { mode: 'hold', hold_ttl_seconds: 3600 }
    overBookings = [await book([a, b], {})]
    // One lasts as long as the last of its slots, one is not decided yet.
    recentBookings = [await book([a, later], {}), await book([a, b], held)]
    // As if they had been made before their slots, and not just now: their writer reads them again.
    await worker.end('SIGTERM')
    await pool.query(
      `UPDATE bookings SET created_at = created_at - interval '60 days' WHERE id = ANY ($1::uuid[])`,
      [[...overBookings, ...recentBookings]],
    )
    worker = await system.startWorker()
  })

  test('is counted by a dry run, which changes nothing', async () => {
    const before = [await traces(over, overBookings), await traces(recent, recentBookings)]
    const dry = await ironsys('retention', '--keep-days', '30', '--dry-run', '--json')
    expect(dry).toMatchObject({ code: 0 })
    expect(JSON.parse(dry.stdout)).toMatchObject({ dry_run: true, keep_days: 30, slots: 5, bookings: 1 })
    const text = await ironsys('retention', '--keep-days', '30', '--dry-run')
    expect(text.stdout).toMatch(/^slots +5 +30 days/m)
    expect(text.stdout).toMatch(/^bookings +1 /m)
    expect([await traces(over, overBookings), await traces(recent, recentBookings)]).toEqual(before)
  })

  test('stays where nobody agreed', async () => {
    const refused = await ironsys('retention', '--keep-days', '30')
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') })
    expect(await countOf('slots', 'id', over)).toBe(5)
  })

  test('goes with all that belongs to it, beside a load, and all else stays', async () => {
    const busy = await client.createSlot(1000)
    const before = await traces(recent, recentBookings)
    let running = true
    const load = (async () => {
      let sent = 0
      for (; running; sent++) expect((await client.reserve(busy)).status).toBe(201)
      return sent
    })()
    const done = await ironsys('retention', '--keep-days', '30', '--yes', '--json').finally(() => {
      running = false
    })
    const sent = await load
    expect(done).toMatchObject({ code: 0 })
    expect(JSON.parse(done.stdout)).toMatchObject({
      dry_run: false,
      slots: { removed: 5, left: [], too_large: [] },
      bookings: { removed: 1, left: [] },
      in_use: [],
    })
    expect(await traces(over, overBookings)).toEqual({
      slots: 0,
      reservations: 0,
      ledger: 0,
      bookings: 0,
      items: 0,
    })
    expect(await traces(recent, recentBookings)).toEqual(before)
    expect(await client.audit(busy)).toMatchObject({ confirmed: sent, balanced: true })
    await vi.waitFor(async () => {
      for (const slotId of over) expect((await client.call('GET', `/slots/${slotId}`)).status).toBe(404)
    }, DEADLINE)
    await isInGoodOrder()
  })

  test('is gone: another run finds nothing, and does not ask', async () => {
    expect(await ironsys('retention', '--keep-days', '30')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^removed 0 slots, 0 bookings/m),
    })
  })

  test('may be made again', async () => {
    const [slotId = ''] = over
    await client.createSlot(1, { id: slotId })
    expect((await client.reserve(slotId)).status).toBe(201)
    expect(await client.audit(slotId)).toMatchObject({ confirmed: 1, version: 2, balanced: true })
  })
})

test('a writer that refuses what the database calls over leaves it, and the run says so', async () => {
  const slotId = await slotOver(-1)
  // As if the two clocks disagreed: the writer has read the slot already, and goes by what it knows.
  await client.reserve(slotId)
  await pool.query(`UPDATE slots SET start_time = '2020-01-01Z', end_time = '2020-01-02Z' WHERE id = $1`, [
    slotId,
  ])
  const done = await ironsys('retention', '--yes')
  expect(done).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(new RegExp(`^1 slots were not removed: .*${slotId}`, 'm')),
  })
})
