/** Dead letters of the whole system: how they come about, and what operators do about them. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { mintId, partitionOfKey, topics } from '@ironsys/contracts'
import { type CommandProducer, createCommandProducer, silentLogger } from '@ironsys/kafka'
import { run } from '@ironsys/local'
import { createPool, type Pool } from '@ironsys/postgres'
import { type Client, createClient, startSystem, type TestApp, type TestSystem } from '@ironsys/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

const BATCH = 500
const DEADLINE = { timeout: 20_000, interval: 50 }

let system: TestSystem
let api: TestApp
let worker: TestApp
let client: Client
let admin: Client
let producer: CommandProducer
let pool: Pool

beforeAll(async () => {
  system = await startSystem()
  ;[api, worker] = await Promise.all([system.startApi(), system.startWorker()])
  client = createClient(api.url)
  admin = createClient(api.operationsUrl)
  producer = createCommandProducer({ brokers: system.kafkaBrokers, clientId: 'test', logger: silentLogger })
  pool = createPool(system.databaseUrl, { applicationName: 'test', maxConnections: 2 })
})

afterAll(async () => {
  await producer?.close()
  await pool?.end()
  await system?.close()
})

function ironsys(...args: readonly string[]) {
  const env = {
    PATH: '/usr/bin:/bin',
    DATABASE_URL: system.databaseUrl,
    REDIS_URL: system.redisUrl,
    KAFKA_BROKERS: system.kafkaBrokers.join(','),
  }
  return run(process.execPath, [join(import.meta.dirname, 'main.ts'), 'dlq', ...args], { env })
}

const partitionOf = (slotId: string) => partitionOfKey(slotId, system.partitions)

const reserveCommand = (slotId: string, more: object = {}) => ({
  v: 1,
  type: 'reserve',
  id: mintId(slotId, Date.now()),
  slot_id: slotId,
  user_id: 'ann',
  quantity: 1,
  ...more,
})

const append = (partition: number, key: string, command: object) =>
  producer.append({ topic: topics.reservationCommands, partition }, key, JSON.stringify(command))

/** Whoever is called bob cannot be stored, as long as the cause is there. */
const makeCause = () =>
  pool.query(`ALTER TABLE reservations ADD CONSTRAINT no_bob CHECK (user_id <> 'bob') NOT VALID`)
const removeCause = () => pool.query('ALTER TABLE reservations DROP CONSTRAINT no_bob')

const statusOf = async (id: string) => (await client.call('GET', `/reservations/${id}`)).body.status
const reads = (id: string, status: string) =>
  vi.waitFor(async () => expect(await statusOf(id)).toBe(status), DEADLINE)

const lettersOf = async (commandId: string) =>
  (
    await pool.query<{ id: string; code: string; status: string }>(
      'SELECT id, code, status FROM dead_letters WHERE command_id = $1 ORDER BY id',
      [commandId],
    )
  ).rows.map(({ id, code, status }) => ({ id: Number(id), code, status }))

/** Appends the command where it fails, and answers its dead letter. */
async function bury(partition: number, command: ReturnType<typeof reserveCommand>): Promise<number> {
  await append(partition, command.slot_id, command)
  await reads(command.id, 'failed')
  const letters = await lettersOf(command.id)
  return letters.at(-1)?.id ?? 0
}

describe('one poison among 500', () => {
  test.each<[string, (slotId: string) => ReturnType<typeof reserveCommand>]>([
    ['malformed', (slotId) => reserveCommand(slotId, { quantity: -1 })],
    ['data-error', (slotId) => reserveCommand(slotId, { user_id: 'bob' })],
    ['misrouted', (slotId) => reserveCommand(neighbourOf(slotId))],
  ])('that is %s is the only one that is not decided', async (code, poisonFor) => {
    const slotId = await client.createSlot(BATCH)
    const poison = poisonFor(slotId)
    await worker.end('SIGTERM')
    await makeCause()
    const commands = Array.from({ length: BATCH }, (_, i) => (i === 321 ? poison : reserveCommand(slotId)))
    await Promise.all(commands.map((command) => append(partitionOf(slotId), slotId, command)))
    worker = await system.startWorker()
    await vi.waitFor(async () => expect((await client.audit(slotId)).confirmed).toBe(BATCH - 1), DEADLINE)
    await removeCause()
    expect(await statusOf(poison.id)).toBe('failed')
    expect(await lettersOf(poison.id)).toMatchObject([{ code, status: 'open' }])
    expect((await client.audit(slotId)).balanced).toBe(true)
  })
})

/** A slot that was never made, of another partition. */
function neighbourOf(slotId: string): string {
  for (;;) {
    const id = randomUUID()
    if (partitionOf(id) !== partitionOf(slotId)) return id
  }
}

describe('a redriven command', () => {
  test('fails again as a new letter while its cause is there, and is decided once under its id afterwards', async () => {
    const slotId = await client.createSlot(10)
    const command = reserveCommand(slotId, { user_id: 'bob' })
    await makeCause()
    const first = await bury(partitionOf(slotId), command)
    expect((await admin.call('POST', `/admin/dead-letters/${first}/redrive`)).status).toBe(202)
    await vi.waitFor(async () => expect(await lettersOf(command.id)).toHaveLength(2), DEADLINE)
    const second = (await lettersOf(command.id)).at(-1)?.id ?? 0
    expect(await statusOf(command.id)).toBe('failed')
    await removeCause()

    const answer = await admin.call('POST', `/admin/dead-letters/${second}/redrive`)
    expect(answer).toMatchObject({
      status: 202,
      body: { id: second, command_id: command.id, status: 'redriven' },
    })
    expect(answer.headers.get('location')).toBe(`/reservations/${command.id}`)
    await reads(command.id, 'confirmed')

    // As after a crash between the append and the commit: the letter is open, and redriven once more.
    await pool.query(
      `UPDATE dead_letters SET status = 'open', resolved_at = NULL, redriven_partition = NULL, redriven_offset = NULL
        WHERE id = $1`,
      [second],
    )
    expect(await ironsys('redrive', String(second))).toMatchObject({ code: 0 })
    // The next command of the same partition is decided after it.
    expect((await client.reserve(slotId)).status).toBe(201)
    expect(await client.audit(slotId)).toMatchObject({ confirmed: 2, version: 3, balanced: true })
    type Shown = { chain: { id: number }[]; value: { text: string } }
    const shown = await admin.call<Shown>('GET', `/admin/dead-letters/${first}`)
    expect(shown.body.chain.map(({ id }) => id)).toEqual([first, second])
    expect(shown.body.value.text).toBe(JSON.stringify(command))
  })

  test('of the wrong partition is decided in the right one', async () => {
    const slotId = await client.createSlot(10)
    const command = reserveCommand(slotId)
    const wrong = (partitionOf(slotId) + 1) % system.partitions
    const letter = await bury(wrong, command)
    const { code, output } = await ironsys('redrive', String(letter))
    expect(output).toMatch(
      `dead letter ${letter} is redriven to reservations.commands ${partitionOf(slotId)}:`,
    )
    expect(code).toBe(0)
    await reads(command.id, 'confirmed')
    expect(await lettersOf(command.id)).toMatchObject([{ code: 'misrouted', status: 'redriven' }])
  })

  test('of bookings goes to its own topic, where the booking belongs', async () => {
    const bookingId = randomUUID()
    const command = { v: 2, type: 'cancel_booking', id: randomUUID(), booking_id: bookingId }
    const home = partitionOf(bookingId)
    const wrong = { topic: topics.bookingCommands, partition: (home + 1) % system.partitions }
    await producer.append(wrong, bookingId, JSON.stringify(command))
    await vi.waitFor(async () => {
      expect(await lettersOf(command.id)).toMatchObject([{ code: 'misrouted', status: 'open' }])
    }, DEADLINE)
    const [letter] = await lettersOf(command.id)
    expect(await ironsys('redrive', '--all', '--topic', 'bookings.commands', '--yes')).toEqual({
      code: 0,
      output: 'redriven 1 of 1 dead letters\n',
    })
    const { body } = await admin.call('GET', '/admin/dead-letters?topic=bookings.commands')
    expect(body.items).toMatchObject([{ id: letter?.id, status: 'redriven', redriven_partition: home }])
    await vi.waitFor(async () => {
      const { rows } = await pool.query(
        `SELECT next_offset FROM partition_progress WHERE topic = 'bookings.commands' AND partition = $1`,
        [home],
      )
      expect(rows).toEqual([{ next_offset: '1' }])
    }, DEADLINE)
    expect(await lettersOf(command.id)).toHaveLength(1)
  })

  test('is pending, not failed, until it is decided', async () => {
    const slotId = await client.createSlot(10)
    const command = reserveCommand(slotId)
    const letter = await bury((partitionOf(slotId) + 1) % system.partitions, command)
    await worker.end('SIGTERM')
    await admin.call('POST', `/admin/dead-letters/${letter}/redrive`)
    expect(await client.call('GET', `/reservations/${command.id}`)).toMatchObject({
      status: 404,
      body: { code: 'not-decided-or-unknown' },
    })
    worker = await system.startWorker()
    await reads(command.id, 'confirmed')
  })
})

describe('the command line', () => {
  test('lists, shows and discards; a discarded letter stays as it is', async () => {
    const slotId = await client.createSlot(10)
    const command = reserveCommand(slotId, { quantity: -1, user_id: 'esc\u001b[31m' })
    const letter = await bury(partitionOf(slotId), command)
    const listed = await ironsys('list', '--code', 'malformed')
    expect(listed.output).toMatch(new RegExp(`^${letter} .*malformed +open +${command.id}`, 'm'))
    const shown = await ironsys('show', String(letter))
    expect(shown.output).toContain('"quantity": -1')
    expect(shown.output).not.toContain('\u001b')

    expect(await ironsys('discard', String(letter), '--reason', 'a test')).toMatchObject({
      code: 2,
      output: expect.stringContaining('add --yes'),
    })
    const discarded = await ironsys('discard', String(letter), '--reason', 'a test', '--yes')
    expect(discarded).toMatchObject({ code: 0, output: `dead letter ${letter} is discarded\n` })
    expect(await ironsys('redrive', String(letter))).toMatchObject({
      code: 1,
      output: `dead letter ${letter} is discarded already\n`,
    })
    expect((await ironsys('show', String(letter))).output).toMatch(/status +discarded .* by .*: a test/)
    expect(await statusOf(command.id)).toBe('failed')
  })

  test('redrives all of a kind, up to a bound, once somebody agreed', async () => {
    await pool.query(
      `UPDATE dead_letters SET status = 'discarded', resolved_at = now() WHERE status = 'open'`,
    )
    const slotId = await client.createSlot(10)
    await makeCause()
    const commands = Array.from({ length: 3 }, () => reserveCommand(slotId, { user_id: 'bob' }))
    for (const command of commands) await bury(partitionOf(slotId), command)
    await removeCause()
    const all = ['redrive', '--all', '--code', 'data-error']
    expect((await ironsys(...all)).code).toBe(2)
    expect(await ironsys(...all, '--yes', '--limit', '2')).toEqual({
      code: 1,
      output: 'redriven 2 of 2 dead letters\n1 of 3 are left: repeat, or raise --limit\n',
    })
    const [one, two, three] = commands.map(({ id }) => id)
    await reads(one ?? '', 'confirmed')
    await reads(two ?? '', 'confirmed')
    expect(await statusOf(three ?? '')).toBe('failed')
    expect(await ironsys(...all, '--yes', '--json')).toMatchObject({
      code: 0,
      output: expect.stringMatching(/"result":"redriven"/),
    })
    expect((await ironsys(...all, '--yes')).output).toBe('no open dead letters\n')
  })

  test('says what does not exist', async () => {
    expect(await ironsys('show', '999999')).toEqual({
      code: 1,
      output: 'ironsys: there is no dead letter 999999\n',
    })
  })
})

describe('the operations port', () => {
  test('pages and filters', async () => {
    const all = await admin.call('GET', '/admin/dead-letters?limit=100')
    const page = await admin.call('GET', '/admin/dead-letters?limit=1')
    const next = await admin.call('GET', `/admin/dead-letters?limit=1&cursor=${page.body.next_cursor}`)
    expect([page.body.items[0], next.body.items[0]]).toEqual(all.body.items.slice(0, 2))
    const { body } = await admin.call('GET', '/admin/dead-letters?code=malformed&status=discarded')
    expect(body.items.length).toBeGreaterThan(0)
    for (const item of body.items) expect(item).toMatchObject({ code: 'malformed', status: 'discarded' })
  })

  test('refuses in problem documents', async () => {
    const [discarded] = (await admin.call('GET', '/admin/dead-letters?status=discarded')).body.items
    const redrive = (id: unknown) => admin.call('POST', `/admin/dead-letters/${id}/redrive`)
    expect(await redrive(discarded?.id)).toMatchObject({
      status: 409,
      body: { code: 'dead-letter-not-open', detail: 'It is discarded', request_id: expect.any(String) },
    })
    expect(await redrive(999_999)).toMatchObject({ status: 404, body: { code: 'dead-letter-not-found' } })
    expect(await redrive('x')).toMatchObject({ status: 422, body: { code: 'invalid-request' } })
    const get = (path: string) => admin.call('GET', `/admin/dead-letters${path}`)
    expect(await get('/999999')).toMatchObject({ status: 404, body: { code: 'dead-letter-not-found' } })
    expect(await get('?code=odd')).toMatchObject({ status: 422, body: { code: 'invalid-request' } })
    expect(await admin.call('GET', '/nowhere')).toMatchObject({ status: 404, body: { code: 'not-found' } })
  })

  test('logs each action', () => {
    const action = '"action":"POST /admin/dead-letters/:id/redrive"'
    const lines = api.log().split('\n')
    const outcomes = lines.flatMap((line) => (line.includes(action) ? [JSON.parse(line).outcome] : []))
    expect(outcomes).toEqual(
      expect.arrayContaining(['dead-letter-not-open', 'dead-letter-not-found', 'invalid-request']),
    )
  })
})
