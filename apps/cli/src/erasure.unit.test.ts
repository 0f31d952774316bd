import { mintId } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import { type Context, UsageFault } from './command.ts'
import { eraseCommand } from './commands/erase.ts'
import { readConfig } from './config.ts'
import { eraseCommands } from './erasure.ts'
import { type ErasureResult, erasureJson, erasureText } from './erasure-text.ts'
import { jsonForms } from './remains.ts'

/** Nothing listens there: what gets as far as a server fails otherwise. */
const environment = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', KAFKA_BROKERS: '127.0.0.1:1' }
const context: Context = { config: readConfig(environment), environment, say: () => undefined }

test.each([
  [[]],
  [['--user']],
  [['--user', '', '--yes']],
  [['--user', 'bell\u0007', '--yes']],
  [['--user', 'u'.repeat(129), '--yes']],
  [['--user', 'ann', '--json']],
  [['--user', 'ann', 'bob']],
  [['ann']],
])('%j is wrong usage, before anything is asked of a server', async (args) => {
  await expect(eraseCommand.run(args, context)).rejects.toBeInstanceOf(UsageFault)
})

test('a person that is refused is not repeated', async () => {
  const failure = await eraseCommand.run(['--user', 'ann\u0007smith'], context).catch(String)
  expect(failure).not.toContain('smith')
})

test('one command per slot, and more where there are more than 100 reservations of it', () => {
  const [a, b] = ['aaaaaaaa-1111-4111-8111-111111111111', 'bbbbbbbb-1111-4111-8111-111111111111']
  const rows = Array.from({ length: 205 }, (_, i) => {
    const key = i % 41 === 0 ? b : a
    return { id: mintId(key, i), key }
  })
  const asks = eraseCommands(rows, { userId: 'ann', pseudonym: 'erased-1' })
  const named = asks.map(({ key, command }) => {
    if (command.type !== 'erase_person') throw new Error(command.type)
    expect(command).toMatchObject({ slot_id: key, user_id: 'ann', pseudonym: 'erased-1' })
    return [key, command.reservation_ids.length]
  })
  expect(named).toEqual([
    [b, 5],
    [a, 100],
    [a, 100],
  ])
  const all = asks.flatMap(({ command }) => (command.type === 'erase_person' ? command.reservation_ids : []))
  expect(new Set(all)).toEqual(new Set(rows.map(({ id }) => id)))
})

test('an id is looked for as any JSON may write it', () => {
  expect(jsonForms('ann')).toEqual(['"ann"'])
  expect(jsonForms('a"b')).toEqual(['"a\\"b"'])
  expect(jsonForms('Zoë😀')).toEqual(['"Zoë😀"', '"Zo\\u00eb\\ud83d\\ude00"'])
})

describe('the texts', () => {
  const result: ErasureResult = {
    reservations: 12,
    bookings: 3,
    arrived: 0,
    complete: true,
    pseudonym: 'erased-1',
    remains: {
      topics: ['reservations.commands', 'bookings.events'],
      logKeptUntil: '2026-01-08T00:00:00.000Z',
      logGoneBy: '2026-01-15T00:00:00.000Z',
      deadLetters: [],
      outcomes: { rows: 0, keptUntil: null },
      sideSchemas: [],
    },
  }
  const letters = [
    { id: 4, status: 'open' },
    { id: 7, status: 'discarded' },
    { id: 9, status: 'open' },
  ] as const

  test('say what was done and what remains until when', () => {
    const text = erasureText(result)
    expect(text).toMatch(/^erased from 12 reservations and 3 bookings; the pseudonym is erased-1\n\n/)
    expect(text).toMatch(
      /the log +reservations.commands, bookings.events: kept until 2026-01-08.*gone by 2026-01-15T00:00:00.000Z/,
    )
    expect(text).toMatch(/^dead letters +none$/m)
    expect(text).not.toMatch(/^copies/m)
  })

  test('name dead letters and how to give up the open ones', () => {
    const text = erasureText({ ...result, remains: { ...result.remains, deadLetters: letters } })
    expect(text).toMatch(
      /^dead letters +3: 4 7 9; open, .*\.\/ironsys dlq discard 4 9 --reason erasure; .*retention/m,
    )
  })

  test('name remembered outcomes, their table, and until when they are kept', () => {
    expect(erasureText(result)).toMatch(/^outcomes +none$/m)
    const outcomes = { rows: 2, keptUntil: '2026-01-10T00:00:00.000Z' }
    const some = { ...result, remains: { ...result.remains, outcomes } }
    expect(erasureText(some)).toMatch(
      /^outcomes +2 rows of applied_commands.*kept until 2026-01-10T00:00:00.000Z.*retention/m,
    )
    expect(erasureJson(some)).toMatchObject({
      remains: { outcomes: { table: 'applied_commands', rows: 2, kept_until: outcomes.keptUntil } },
    })
  })

  test('say that the person goes on reserving, and that it is not complete', () => {
    const text = erasureText({ ...result, arrived: 2, complete: false })
    expect(text).toMatch(/^2 of them came while this ran/m)
    expect(text).toMatch(/^NOT COMPLETE: .*run this again$/m)
  })

  test('give no pseudonym where nothing was erased', () => {
    const empty = { ...result, reservations: 0, bookings: 0 }
    expect(erasureText(empty)).toMatch(/^no reservation and no booking names this person\n/)
    expect(erasureText(empty)).not.toContain('erased-1')
    expect(erasureJson(empty)).toMatchObject({ complete: true, pseudonym: null })
  })
})
