import { describe, expect, test } from 'vitest'
import { type Context, UsageFault } from './command.ts'
import { dlqCommand } from './commands/dlq.ts'
import { readConfig } from './config.ts'

/** Nothing listens there: what gets as far as a server fails otherwise. */
const environment = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', KAFKA_BROKERS: '127.0.0.1:1' }

function dlq(...args: readonly string[]) {
  const said: string[] = []
  const context: Context = { config: readConfig(environment), environment, say: (line) => said.push(line) }
  return dlqCommand.run(args, context).then((code) => ({ code, text: said.join('\n') }))
}

test.each([
  [['redrive']],
  [['redrive', '1', '--all']],
  [['redrive', '1', '--limit', '3']],
  [['redrive', '--all', '--limit', '0']],
  [['redrive', '--all', '--code', 'odd']],
  [['redrive', '--all', '--partition', '-1']],
  [['redrive', '--all', '--topic', 'bookings.events']],
  [['redrive', '1', '--topic', 'bookings.commands']],
  [['redrive', 'x']],
  [['discard', '1', '--yes']],
  [['discard', '--reason', 'why', '--yes']],
  [['discard', '1', '--reason', 'x'.repeat(501), '--yes']],
  [['list', '--status', 'lost']],
  [['list', '--topic', 'odd']],
  [['list', '--limit', '1001']],
  [['show', '1', '2']],
  [['show', '0']],
  [['fly']],
])('%j is wrong usage, before anything is asked of a server', async (args) => {
  await expect(dlq(...args)).rejects.toBeInstanceOf(UsageFault)
})

describe('help', () => {
  test.each([[[]], [['--help']]])('%j names the subcommands', async (args) => {
    const { code, text } = await dlq(...args)
    expect(code).toBe(0)
    for (const name of ['list', 'show', 'redrive', 'discard']) expect(text).toMatch(`\n  dlq ${name} `)
  })

  test.each(['list', 'show', 'redrive', 'discard'])('of %s is its own', async (name) => {
    expect((await dlq(name, '--help')).text).toMatch(`usage: ./ironsys dlq ${name} `)
  })
})

test('a database that does not answer is told in one line', async () => {
  await expect(dlq('list')).rejects.toThrow(/^the database does not answer: .*ECONNREFUSED/)
})
