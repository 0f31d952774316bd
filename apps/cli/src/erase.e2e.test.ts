/** `./ironsys erase` on a running system: no table knows the person any more, and everything still balances and replays. */
import { randomUUID } from 'node:crypto'
import { mintId, partitionOfKey, topics } from '@ironsys/contracts'
import { createCommandProducer, silentLogger } from '@ironsys/kafka'
import { createPool, type Pool } from '@ironsys/postgres'
import { type Client, createClient, startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { commandLineOf } from './command-line.fixture.ts'
import { jsonForms } from './remains.ts'

const DEADLINE = { timeout: 20_000, interval: 50 }
/** Of one slot: more than one command may name. */
const MANY = 130

/** As unpleasant as ids may be: quotes, a backslash, beyond ASCII, and what patterns take for more than itself. */
const zoe = 'zoë "z\\%_" 😀 o\'hara'
const zoesStart = zoe.slice(0, 6)
/** Whose id begins as another's whole id. */
const annette = 'annette'
const ann = 'ann'

let system: TestSystem
let worker: TestApp
let api: TestApp
let client: Client
let pool: Pool
let ironsys: ReturnType<typeof commandLineOf>

beforeAll(async () => {
  system = await startSystem()
  ;[api, worker] = await Promise.all([system.startApi(), system.startWorker()])
  client = createClient(api.url)
  pool = createPool(system.databaseUrl, { applicationName: 'test', maxConnections: 2 })
  ironsys = commandLineOf(system)
})

afterAll(async () => {
  await pool?.end()
  await system?.close()
})

/** Columns in which the text stands anywhere, in any form of it: of all tables, whatever they are. */
async function columnsWith(text: string): Promise<readonly string[]> {
  const { rows } = await pool.query<{ table: string; column: string; binary: boolean }>(
    `SELECT c.oid::regclass::text AS table, quote_ident(attname) AS column, atttypid = 'bytea'::regtype AS binary
       FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
  )
  const forms = [text, ...jsonForms(text).map((form) => form.slice(1, -1))]
  // Messages in the outbox are JSON within JSON.
  const all = [...new Set([...forms, ...forms.map((form) => JSON.stringify(form).slice(1, -1))])]
  const found: string[] = []
  for (const { table, column, binary } of rows) {
    const where = binary
      ? `position(convert_to(form, 'UTF8') IN ${column}) > 0`
      : `strpos(${column}::text, form) > 0`
    const hits = await pool.query(
      `SELECT 1 FROM ${table}, unnest($1::text[]) AS form WHERE ${where} LIMIT 1`,
      [all],
    )
    if (hits.rows.length > 0) found.push(`${table}.${column}`)
  }
  return found.sort()
}

async function isInGoodOrder(): Promise<void> {
  const audited = await ironsys('audit')
  expect(audited.stdout).toMatch(/^clean: nothing found/m)
  expect(await ironsys('replay', '--verify')).toMatchObject({ code: 0 })
}

const reservationsOf = (userId: string) => client.listAll(`/users/${encodeURIComponent(userId)}/reservations`)

/** One record that no writer can read, with the person in it; answers its dead letter's id. */
async function bury(userId: string): Promise<number> {
  const slotId = randomUUID()
  const id = mintId(slotId, Date.now())
  const producer = createCommandProducer({
    brokers: system.kafkaBrokers,
    clientId: 'test',
    logger: silentLogger,
  })
  try {
    const partition = partitionOfKey(slotId, system.partitions)
    const command = { v: 2, type: 'reserve', id, slot_id: slotId, user_id: userId, quantity: -1 }
    await producer.append({ topic: topics.reservationCommands, partition }, slotId, JSON.stringify(command))
  } finally {
    await producer.close()
  }
  return vi.waitFor(async () => {
    const { rows } = await pool.query('SELECT id FROM dead_letters WHERE command_id = $1', [id])
    expect(rows).toHaveLength(1)
    return Number(rows[0].id)
  }, DEADLINE)
}

describe('a person who has everything that one can have', () => {
  let slotIds: readonly string[]
  let bookingId: string
  let letter: number
  let before: readonly { id: string; status: string; quantity: number }[]
  let pseudonym: string
  const user_id = zoe

  beforeAll(async () => {
    const small = await client.createSlot(3, { waitlist: true, max_per_user: 5 })
    const large = await client.createSlot(1000, { hold_ttl_seconds: 600 })
    const [one, other] = [await client.createSlot(5), await client.createSlot(5)]
    slotIds = [small, large, one, other]
    const mine = (slotId: string, more: object = {}, headers = {}) =>
      client.reserve(slotId, { user_id, ...more }, headers)
    const metadata = { note: `for ${zoe}` }
    await mine(small, { metadata }, { 'idempotency-key': 'once' })
    const cancelled = await mine(small)
    await client.cancel(cancelled.body.id)
    await mine(small, { mode: 'hold' })
    await client.reserve(small)
    await mine(small, { join_waitlist: true, metadata })
    await mine(small, { metadata })
    const expired = await mine(one, { mode: 'hold', hold_ttl_seconds: 1 })
    await vi.waitFor(async () => {
      expect((await client.call('GET', `/reservations/${expired.body.id}`)).body.status).toBe('expired')
    }, DEADLINE)
    // Its answer is remembered, with the reservation.
    expect((await client.confirm(expired.body.id, { late: 'reject' })).status).toBe(409)
    // Of a slot that is not there, so that no slot is either.
    await mine(randomUUID())
    const items = Array.from({ length: MANY }, () => ({ slot_id: large, user_id, metadata }))
    await client.call('POST', '/reservations/batch', { items })
    await client.reserve(large, { user_id: zoesStart })
    bookingId = (await client.book([{ slot_id: one }, { slot_id: other }], { user_id })).body.id
    await client.book([{ slot_id: one }, { slot_id: other }], { user_id, mode: 'hold' })
    letter = await bury(zoe)
    // Also those of a booking become what it is, a moment later.
    before = await vi.waitFor(async () => {
      const all = await reservationsOf(zoe)
      expect(all).toHaveLength(MANY + 11)
      const booked = all.filter(({ booking_id }) => booking_id === bookingId)
      expect(booked.map(({ status }) => status)).toEqual(['confirmed', 'confirmed'])
      return all
    }, DEADLINE)
  })

  const lives = (rows: typeof before) => rows.map(({ id, status, quantity }) => [id, status, quantity])

  test('is not erased where nobody agreed', async () => {
    const refused = await ironsys('erase', '--user', zoe)
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toContain(
      `Erase this person from ${before.length} reservations and 2 bookings for good?`,
    )
    expect(await reservationsOf(zoe)).toEqual(before)
  })

  test('is erased, and told what remains', async () => {
    const done = await ironsys('erase', '--user', zoe, '--yes', '--json')
    expect(done.stderr).toBe('')
    expect(done.code).toBe(0)
    const result = JSON.parse(done.stdout)
    expect(result).toMatchObject({
      complete: true,
      pseudonym: expect.stringMatching(/^erased-[0-9a-f-]{36}$/),
      reservations: before.length,
      bookings: 2,
      arrived_meanwhile: 0,
      remains: {
        topics: Object.values(topics),
        dead_letters: [{ id: letter, status: 'open' }],
        outcomes: {
          table: 'applied_commands',
          rows: 1,
          kept_until: expect.stringMatching(/T00:00:00.000Z$/),
        },
        side_schemas: [],
      },
    })
    expect(done.stdout).not.toContain('hara')
    pseudonym = result.pseudonym
  })

  test('stands in no table but the two that were named', async () => {
    const named = ['applied_commands.outcome', 'dead_letters.value']
    await vi.waitFor(async () => expect(await columnsWith(zoe)).toEqual(named), DEADLINE)
    expect(await columnsWith(pseudonym)).toEqual([
      'bookings.user_id',
      'reservations.user_id',
      'slot_ledger.event',
    ])
    expect(await reservationsOf(zoe)).toEqual([])
    expect((await client.call('GET', `/bookings/${bookingId}`)).body.user_id).toBe(pseudonym)
  })

  test('leaves units, statuses and times as they were, and nothing that came with the request', async () => {
    const after = await reservationsOf(pseudonym)
    expect(lives(after)).toEqual(lives(before))
    expect(after.filter((each) => each.metadata !== undefined)).toEqual([])
    const { rows } = await pool.query(
      `SELECT 1 FROM reservations WHERE user_id = $1 AND (metadata IS NOT NULL OR body_hash IS NOT NULL)
        UNION ALL SELECT 1 FROM bookings WHERE user_id = $1 AND body_hash IS NOT NULL`,
      [pseudonym],
    )
    expect(rows).toEqual([])
  })

  test('leaves others alone', async () => {
    expect(await reservationsOf(zoesStart)).toHaveLength(1)
  })

  test('leaves everything in good order', async () => {
    for (const slotId of slotIds) expect(await client.audit(slotId)).toMatchObject({ balanced: true })
    await isInGoodOrder()
  })

  test('is in no log of ours', () => {
    for (const log of [api.log(), worker.log()]) expect(log).not.toContain('hara')
  })

  test('has lives that go on: who waits is promoted under the pseudonym', async () => {
    const held = (await reservationsOf(pseudonym)).find(
      (each) => each.status === 'held' && each.slot_id === slotIds[0],
    )
    const waiting = before.find(({ status }) => status === 'waitlisted')
    expect((await client.cancel(held?.id ?? '')).status).toBe(200)
    const { body } = await client.call('GET', `/reservations/${waiting?.id}`)
    expect(body).toMatchObject({ status: 'held', user_id: pseudonym })
    await isInGoodOrder()
  })
})

test('one whose id is part of another id is erased alone', async () => {
  const slotId = await client.createSlot(5)
  for (const user_id of [ann, annette]) await client.reserve(slotId, { user_id, metadata: { by: user_id } })
  const [hers, other] = [await bury(ann), await bury(annette)]
  const done = await ironsys('erase', '--user', ann, '--yes')
  expect(done.stdout).toMatch(/^erased from 1 reservations and 0 bookings; the pseudonym is erased-/)
  expect(done.stdout).toMatch(new RegExp(`^dead letters +1: ${hers}; open, .*dlq discard ${hers} `, 'm'))
  expect(done.stdout).not.toMatch(new RegExp(`\\b${other}\\b.*dlq`))
  expect(await reservationsOf(annette)).toHaveLength(1)
})

test('what was accepted and not decided yet is decided first, and erased', async () => {
  const [one, other] = [await client.createSlot(5), await client.createSlot(5)]
  await worker.end('SIGTERM')
  const user_id = 'late'
  for (const slot_id of [one, other]) await client.call('POST', '/reservations', { slot_id, user_id })
  const items = [{ slot_id: one }, { slot_id: other }]
  await client.call('POST', '/bookings', { user_id, items })
  const [done] = await Promise.all([
    ironsys('erase', '--user', user_id, '--yes', '--json'),
    system.startWorker().then((started) => {
      worker = started
    }),
  ])
  expect(JSON.parse(done.stdout)).toMatchObject({ complete: true, reservations: 4, bookings: 1 })
  await vi.waitFor(async () => expect(await columnsWith(user_id)).toEqual([]), DEADLINE)
  await isInGoodOrder()
})

test('one who reserves again is erased again, under another pseudonym; one who is unknown is not there', async () => {
  const slotId = await client.createSlot(5)
  const pseudonyms: unknown[] = []
  for (const _ of ['once', 'again']) {
    await client.reserve(slotId, { user_id: 'bob' })
    const { stdout } = await ironsys('erase', '--user', 'bob', '--yes', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, reservations: 1, bookings: 0 })
    pseudonyms.push(JSON.parse(stdout).pseudonym)
  }
  expect(new Set(pseudonyms).size).toBe(2)
  expect(await ironsys('erase', '--user', 'nobody')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^no reservation and no booking names this person\n/),
  })
  await isInGoodOrder()
})
