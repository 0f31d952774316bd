import { settingNames } from '@ironsys/settings'
import { describe, expect, test } from 'vitest'
import { type Context, UsageFault } from './command.ts'
import { configCommand } from './commands/config.ts'
import { readConfig } from './config.ts'
import { differenceLines, historyText, settingsTable, versionLine } from './settings-text.ts'

/** Nothing listens there: what gets as far as a server fails otherwise. */
const environment = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }

function config(...args: readonly string[]) {
  const said: string[] = []
  const context: Context = { config: readConfig(environment), environment, say: (line) => said.push(line) }
  return configCommand.run(args, context).then((code) => ({ code, text: said.join('\n') }))
}

test.each([
  [['fly'], 'no subcommand fly'],
  [['set'], 'takes <name>=<value>'],
  [['set', 'slowRequestMs'], 'slowRequestMs is no <name>=<value>'],
  [['set', 'slowrequestms=5'], 'there is no setting slowrequestms: slowRequestMs is one'],
  [['set', 'nothing=5'], 'there is no setting nothing: ./ironsys config get lists all'],
  [['set', '__proto__=5'], 'there is no setting __proto__'],
  [['set', 'slowRequestMs=-1'], 'slowRequestMs: -1 is not 0 to 60000, in ms'],
  [['set', 'slowRequestMs=60001'], 'slowRequestMs: 60001 is not 0 to 60000, in ms'],
  [['set', 'slowRequestMs='], 'slowRequestMs:  is not 0 to 60000'],
  [['set', 'rateIpPerSecond=0.0001'], 'rateIpPerSecond: 0.0001 is not 0 (off), or 0.001 to'],
  [['set', 'logLevel=loud'], 'logLevel: loud is not fatal, error'],
  [['set', 'slowRequestMs=5', 'slowRequestMs=default'], 'slowRequestMs is given twice'],
  [['set', 'slowRequestMs=5', '--note', ' '], '--note: 1 to 500 printable characters'],
  [['set', 'slowRequestMs=5', '--note', 'x'.repeat(501)], '--note: 1 to 500 printable characters'],
  [['set', 'slowRequestMs=5', '--note', 'a\nb'], '--note: 1 to 500 printable characters'],
  [['get', 'nothing'], 'there is no setting nothing'],
  [['history', '--limit', '0'], '--limit: 0 is not'],
  [['rollback', 'x'], 'version: x is not a whole number'],
  [['rollback', '1', '2'], 'takes one version'],
])('%j is wrong usage, before anything is asked of a server', async (args, message) => {
  const fault = await config(...args).catch((error: unknown) => error)
  expect(fault).toBeInstanceOf(UsageFault)
  expect(String(fault)).toContain(message)
})

describe('help', () => {
  test.each([[[]], [['--help']]])('%j names the subcommands', async (args) => {
    const { code, text } = await config(...args)
    expect(code).toBe(0)
    for (const name of ['get', 'set', 'history', 'rollback']) expect(text).toMatch(`\n  config ${name} `)
  })

  test.each(['get', 'set', 'history', 'rollback'])('of %s is its own', async (name) => {
    expect((await config(name, '--help')).text).toMatch(`usage: ./ironsys config ${name} `)
  })
})

test('a database that does not answer is told in one line', async () => {
  await expect(config('set', 'slowRequestMs=5')).rejects.toThrow(
    /^the database does not answer: .*ECONNREFUSED/,
  )
})

describe('for people', () => {
  const facts = { changedBy: 'ann\u001b[31m', changedAt: '2026-06-01T12:00:00.000Z', note: 'two\nlines' }
  const version = (number: number, overrides: object) => ({ ...facts, version: number, overrides })

  test('the table has each setting with its value, or where that comes from', () => {
    const lines = settingsTable(settingNames, { slowRequestMs: 5 }).split('\n')
    expect(lines).toHaveLength(settingNames.length + 1)
    expect(lines).toContainEqual(expect.stringMatching(/^slowRequestMs +5 ms +Requests that take longer/))
    expect(lines).toContainEqual(expect.stringMatching(/^logLevel +LOG_LEVEL, else info +The least/))
  })

  test('a difference has both sides', () => {
    const changes = [{ name: 'slowRequestMs', from: null, to: 5 }] as const
    expect(differenceLines(changes)).toBe('  slowRequestMs  SLOW_REQUEST_MS, else 1000 ms  →  5 ms')
  })

  test('of each version the history has what it changed, and nothing that moves a terminal', () => {
    const unreadable = { ...facts, version: 3, overrides: null, stored: {}, why: 'odd\u001b[2J' }
    const text = historyText(
      [unreadable, version(2, { slowRequestMs: 5, logOneOf: 1 })],
      version(1, { logOneOf: 1 }),
    )
    expect(text.split('\n')).toEqual([
      expect.stringMatching(/^version 3, 2026-06-01T12:00:00.000Z, ann/),
      expect.stringContaining('cannot be read here: odd'),
      expect.stringMatching(/^version 2, /),
      '  slowRequestMs  SLOW_REQUEST_MS, else 1000 ms  →  5 ms',
    ])
    expect(text).not.toContain('\u001b')
    expect(versionLine(null)).toBe('version 0: nothing is stored')
  })
})
