import { type Appended, type CommandAppender, LogUnavailableError } from '@ironsys/engine'
import { createPool, type Pool } from '@ironsys/postgres'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { PREVIEW_BYTES } from './dead-letter.ts'
import { createDeadLetters, type DeadLetters, redriveLimits } from './dead-letters.ts'

/** Where what can be read belongs, by topic. */
const homes = new Map([
  ['things', 9],
  ['others', 5],
])

let database: TestDatabase
let pool: Pool
let letters: DeadLetters
let appended: { topic: string; partition: number; key: string; value: string }[]
/** What the log does with the next append, after it took it. */
let onAppend: () => Promise<Appended>

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 4 })
  const log: CommandAppender = {
    append: async (to, key, value) => {
      appended.push({ ...to, key, value })
      return onAppend()
    },
  }
  const homePartition = (topic: string, value: Buffer) =>
    String(value).startsWith('{') ? (homes.get(topic) ?? null) : null
  letters = createDeadLetters({ pool, log, homePartition })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

beforeEach(async () => {
  await pool.query('TRUNCATE dead_letters')
  appended = []
  onAppend = async () => ({ offset: 77, timeMs: 0 })
})

let nextOffset = 0
const commandId = '11111111-1111-4111-8111-111111111111'

interface Fields {
  readonly topic?: string
  readonly partition?: number
  readonly code?: string
  readonly command?: string | null
  readonly key?: Buffer | null
  readonly value?: Buffer | null
}

async function bury(fields: Fields = {}): Promise<number> {
  const { topic = 'things', partition = 1, code = 'data-error', command = commandId } = fields
  const { key = Buffer.from('key'), value = Buffer.from('{"v":1}') } = fields
  const { rows } = await pool.query<{ id: string }>(
    `INSERT INTO dead_letters (topic, partition, "offset", command_id, code, detail, key, value, at)
     VALUES ($1, $2, $3, $4, $5, 'why', $6, $7, '2026-06-01T12:00:00Z') RETURNING id`,
    [topic, partition, nextOffset++, command, code, key, value],
  )
  return Number(rows[0]?.id)
}

const statusOf = async (id: number) => (await letters.show(id))?.status

describe('redriving', () => {
  test('appends key and value as they were, where the key belongs, and says by whom and where to', async () => {
    const id = await bury()
    const redriven = await letters.redrive(id, 'ann')
    expect(appended).toEqual([{ topic: 'things', partition: 9, key: 'key', value: '{"v":1}' }])
    const resolved = {
      status: 'redriven',
      resolved_at: expect.any(String),
      resolved_by: 'ann',
      redriven_partition: 9,
      redriven_offset: 77,
    }
    expect(redriven).toMatchObject({ result: 'redriven', letter: { id, ...resolved } })
    expect(await letters.show(id)).toMatchObject(resolved)
  })

  test('what cannot be read goes back to its own partition, for a worker that can', async () => {
    await letters.redrive(
      await bury({ partition: 3, key: null, value: Buffer.from('not JSON, grüße') }),
      'ann',
    )
    expect(appended).toEqual([{ topic: 'things', partition: 3, key: '', value: 'not JSON, grüße' }])
  })

  test('goes to the topic of the letter, where the key belongs in that one', async () => {
    await letters.redrive(await bury({ topic: 'others' }), 'ann')
    expect(appended).toEqual([{ topic: 'others', partition: 5, key: 'key', value: '{"v":1}' }])
  })

  test.each([
    ['no value', null],
    ['no text', Buffer.from([0xff, 0xfe])],
  ])('%s stays open', async (_what, value) => {
    const id = await bury({ value })
    expect(await letters.redrive(id, 'ann')).toEqual({ result: 'not-text' })
    expect(appended).toEqual([])
    expect(await statusOf(id)).toBe('open')
  })

  test('does not say so before the record is in the log', async () => {
    const id = await bury()
    let before: string | undefined
    onAppend = async () => {
      before = await statusOf(id)
      return { offset: 77, timeMs: 0 }
    }
    await letters.redrive(id, 'ann')
    expect(before).toBe('open')
  })

  test('that the log refuses leaves it open, to be redriven again', async () => {
    const id = await bury()
    onAppend = () => Promise.reject(new LogUnavailableError('down'))
    await expect(letters.redrive(id, 'ann')).rejects.toBeInstanceOf(LogUnavailableError)
    expect(await statusOf(id)).toBe('open')
    onAppend = async () => ({ offset: 78, timeMs: 0 })
    expect(await letters.redrive(id, 'ann')).toMatchObject({ result: 'redriven' })
  })

  test('whose database connection is lost after the append leaves it open', async () => {
    const id = await bury()
    onAppend = async () => {
      await pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE datname = current_database() AND state = 'idle in transaction'`)
      return { offset: 77, timeMs: 0 }
    }
    await expect(letters.redrive(id, 'ann')).rejects.toThrow()
    expect(await statusOf(id)).toBe('open')
    onAppend = async () => ({ offset: 78, timeMs: 0 })
    // The server lets the row go a moment after the connection.
    await vi.waitFor(async () => expect((await letters.redrive(id, 'ann')).result).toBe('redriven'))
  })

  test('gives the log up before the database gives up who holds the letter', async () => {
    const { rows } = await pool.query<{ held_ms: number }>(
      `SELECT setting::int AS held_ms FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'`,
    )
    // The producer looks at its deadlines in turns, and the answer has to come back.
    expect(redriveLimits.deadlineMs + 1000).toBeLessThan(rows[0]?.held_ms ?? 0)
    expect(redriveLimits.requestTimeoutMs * 2).toBeLessThanOrEqual(redriveLimits.deadlineMs)
  })

  test('by two at once appends once', async () => {
    const id = await bury()
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>()
    onAppend = async () => {
      enter()
      await held
      return { offset: 77, timeMs: 0 }
    }
    const first = letters.redrive(id, 'ann')
    await entered
    expect(await letters.redrive(id, 'bob')).toEqual({ result: 'busy' })
    expect(await letters.discard(id, 'bob', 'no use')).toEqual({ result: 'busy' })
    release()
    expect(await first).toMatchObject({ result: 'redriven' })
    expect(await letters.redrive(id, 'bob')).toEqual({ result: 'not-open', status: 'redriven' })
    expect(appended).toHaveLength(1)
  })
})

describe('discarding', () => {
  test('keeps who and why, and is final', async () => {
    const id = await bury()
    expect(await letters.discard(id, 'ann', 'a test of ours')).toMatchObject({
      result: 'discarded',
      letter: {
        status: 'discarded',
        resolved_by: 'ann',
        resolution: 'a test of ours',
        redriven_offset: null,
      },
    })
    expect(await letters.redrive(id, 'bob')).toEqual({ result: 'not-open', status: 'discarded' })
    expect(await letters.discard(id, 'bob', 'again')).toEqual({ result: 'not-open', status: 'discarded' })
    expect((await letters.show(id))?.resolved_by).toBe('ann')
    expect(appended).toEqual([])
  })
})

test('what does not exist is not found', async () => {
  expect(await letters.show(1)).toBeNull()
  expect(await letters.redrive(1, 'ann')).toEqual({ result: 'not-found' })
  expect(await letters.discard(1, 'ann', 'x')).toEqual({ result: 'not-found' })
})

describe('looking', () => {
  test('pages the newest first, each letter once', async () => {
    const ids: number[] = []
    for (let i = 0; i < 5; i++) ids.push(await bury())
    const seen: number[] = []
    for (let before: number | undefined; ; ) {
      const page = await letters.list({}, 2, before)
      seen.push(...page.items.map((letter) => letter.id))
      if (page.next === null) break
      before = page.next
    }
    expect(seen).toEqual(ids.toReversed())
  })

  test('filters by status, code, topic and partition', async () => {
    const malformed = await bury({ code: 'malformed', partition: 2 })
    const refused = await bury({ topic: 'others', partition: 3 })
    const given = await bury({ partition: 2 })
    await letters.discard(given, 'ann', 'x')
    const ids = async (filter: Parameters<DeadLetters['list']>[0]) =>
      (await letters.list(filter, 10)).items.map((letter) => letter.id)
    expect(await ids({ status: 'open' })).toEqual([refused, malformed])
    expect(await ids({ status: 'discarded' })).toEqual([given])
    expect(await ids({ code: 'malformed' })).toEqual([malformed])
    expect(await ids({ partition: 2 })).toEqual([given, malformed])
    expect(await ids({ topic: 'others' })).toEqual([refused])
    expect(await ids({ topic: 'others', partition: 2 })).toEqual([])
    expect(await ids({ partition: 2, status: 'open', code: 'data-error' })).toEqual([])
    expect(await letters.openIds({}, 10)).toEqual({ ids: [malformed, refused], total: 2 })
    expect(await letters.openIds({}, 1)).toEqual({ ids: [malformed], total: 2 })
    expect(await letters.openIds({ code: 'data-error' }, 1)).toEqual({ ids: [refused], total: 1 })
    expect(await letters.openIds({ topic: 'things' }, 10)).toEqual({ ids: [malformed], total: 1 })
    expect(await letters.openIds({ partition: 9 }, 1)).toEqual({ ids: [], total: 0 })
  })

  test('shows key and value, and all letters of the same command', async () => {
    const first = await bury()
    await letters.redrive(first, 'ann')
    const second = await bury({ value: Buffer.from([0xff]) })
    await bury({ command: null })
    const shown = await letters.show(second)
    expect(shown).toMatchObject({
      key: { bytes: 3, truncated: false, encoding: 'utf-8', text: 'key' },
      value: { bytes: 1, truncated: false, encoding: 'base64', text: '/w==' },
    })
    expect(shown?.chain.map(({ id, status }) => [id, status])).toEqual([
      [first, 'redriven'],
      [second, 'open'],
    ])
  })

  test('cuts a long value, not within a character', async () => {
    const id = await bury({ command: null, value: Buffer.from(`a${'ü'.repeat(PREVIEW_BYTES)}`) })
    const shown = await letters.show(id)
    expect(shown?.value).toMatchObject({ bytes: 1 + PREVIEW_BYTES * 2, truncated: true, encoding: 'utf-8' })
    expect(shown?.value?.text).toMatch(/^aü+$/)
    expect(shown?.chain).toEqual([])
  })
})
