import { limits } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import { type Context, UsageFault } from './command.ts'
import { retentionCommand } from './commands/retention.ts'
import { readConfig } from './config.ts'
import { groupsOf } from './retention.ts'
import { isNothing, type RetentionPlan, retentionPlanText, retentionResultText } from './retention-text.ts'

/** Nothing listens there: what gets as far as a server fails otherwise. */
const environment = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', KAFKA_BROKERS: '127.0.0.1:1' }
const context: Context = { config: readConfig(environment), environment, say: () => undefined }

test.each([
  [['--keep-days', '7']],
  [['--keep-days', '36501']],
  [['--keep-days', 'long']],
  [['--keep-days', '8.5']],
  [['--dry-run', '--yes']],
  [['--json']],
  [['--all']],
  [['now']],
])('%j is wrong usage, before anything is asked of a server', async (args) => {
  await expect(retentionCommand.run(args, context)).rejects.toBeInstanceOf(UsageFault)
})

test('help says what is kept for how long, and why reservations do not go by the calendar', () => {
  expect(retentionCommand.details).toContain(`${limits.keepDaysMin} to ${limits.keepDaysMax}`)
  expect(retentionCommand.details).toMatch(/outcome .* after 8 days/)
  expect(retentionCommand.details).toMatch(/Reservations do not: .* refused by the id/)
})

describe('what is asked at once', () => {
  const items = (...sizes: readonly number[]) => sizes.map((rows, i) => ({ id: `${i}`, rows }))
  const sizes = (...rows: readonly number[]) => groupsOf(items(...rows)).map((group) => group.length)

  test('is fifty at most', () => {
    expect(sizes(...Array<number>(120).fill(1))).toEqual([50, 50, 20])
  })

  test('is one where it has many rows, and goes on with the small ones', () => {
    expect(sizes(60_000, 40_000, 1, 5_000_000, 3, 4)).toEqual([2, 1, 1, 2])
  })

  test('keeps the order and loses nothing', () => {
    const all = items(99_999, 2, 3, 100_000, 1)
    expect(groupsOf(all).flat()).toEqual(all)
  })
})

describe('the texts', () => {
  const plan: RetentionPlan = {
    keepDays: 30,
    slots: 12,
    bookings: 3,
    deadLetters: 1,
    outcomePartitions: ['applied_commands_20260101'],
    strayOutcomes: 2,
    ledgerPartitions: [],
  }
  const none = { slots: 0, bookings: 0, deadLetters: 0, outcomePartitions: [], strayOutcomes: 0 }

  test('the plan has a line per kind', () => {
    expect(retentionPlanText(plan).split('\n')).toEqual([
      'what          over                 kept for',
      'slots         12                   30 days from their end, with reservations and ledger',
      'bookings      3                    30 days from the end of their last slot',
      'dead letters  1                    30 days from when they were resolved; open ones for ever',
      'outcomes      1 days and 2 single  8 days',
      'ledger        0 empty months       30 days, and until the last of their slots has gone',
    ])
    expect(isNothing(plan)).toBe(false)
    expect(isNothing({ ...plan, ...none })).toBe(true)
    expect(isNothing({ ...plan, ...none, ledgerPartitions: ['slot_ledger_202501'] })).toBe(false)
  })

  test('the result names what was left and says what to do', () => {
    const left = Array.from({ length: 11 }, (_, i) => `slot-${i}`)
    const text = retentionResultText({
      ...plan,
      slots: { over: 14, removed: 1, left, tooLarge: ['large-1', 'large-2'] },
      bookings: { over: 3, removed: 3, left: [], tooLarge: [] },
      inUse: ['slot_ledger_202501'],
    })
    expect(text).toMatch(
      /^removed 1 slots, 3 bookings, 1 dead letters, 1 days of outcomes, 0 months of the ledger\n/,
    )
    expect(text).toMatch(/11 slots were not removed: .*dlq list.*slot-0, .*slot-9, …\n/)
    expect(text).toMatch(
      /^2 slots are too large .*1000000 .*left: large-1, large-2; .*rejected.*operating\.md.*run this again$/m,
    )
    expect(text).toMatch(/in use, so left: slot_ledger_202501; run this again$/)
  })
})
