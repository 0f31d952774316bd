import { join } from 'node:path'
import { checkout, run } from '@ironsys/local'
import { expect, test } from 'vitest'

function ironsys(...args: readonly string[]) {
  return run(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    cwd: checkout,
  })
}

test('without a command it lists the commands', async () => {
  const { code, output } = await ironsys()
  expect(code).toBe(0)
  for (const name of ['up', 'down', 'test', 'verify', 'demo', 'lag'])
    expect(output).toMatch(new RegExp(`^  ${name} `, 'm'))
})

test('an unknown command is named, with usage and exit code 2', async () => {
  const { code, output } = await ironsys('fly')
  expect(code).toBe(2)
  expect(output).toMatch(/^ironsys: there is no command fly\n\nusage: /)
})

test('an unknown option shows the usage of its command', async () => {
  const { code, output } = await ironsys('up', '--sideways')
  expect(code).toBe(2)
  expect(output).toContain("Unknown option '--sideways'")
  expect(output).toContain('usage: ./ironsys up [--detach]')
})

test('every command explains itself', async () => {
  const { code, output } = await ironsys('down', '--help')
  expect(code).toBe(0)
  expect(output).toMatch(/^usage: .\/ironsys down\n\nStop what/)
})

test.each(['demo', 'bench', 'test', 'up', 'clean'])(
  '%s --help says what it would do, and does nothing',
  async (name) => {
    const { code, output } = await ironsys(name, '--help')
    expect(code).toBe(0)
    expect(output).toMatch(new RegExp(`^usage: ./ironsys ${name}`))
  },
)

test('a bench that does not know a flag names it and those it knows, with exit code 2', async () => {
  const { code, output } = await ironsys('bench', '--lists', '--page', '7')
  expect(code).toBe(2)
  expect(output).toMatch(/^Unknown option '--page'[^\n]*\nflags: --slots .*--only$/m)
})

test('a number of lines that is none is wrong usage', async () => {
  const { code, output } = await ironsys('logs', '--lines', 'many')
  expect(code).toBe(2)
  expect(output).toMatch(/^ironsys: --lines: many is not a whole number from 1 to 10000/)
})

test('an environment that is wrong is told in one line', async () => {
  const args = [join(import.meta.dirname, 'main.ts'), 'migrate']
  const outcome = await run(process.execPath, args, { env: { DATABASE_URL: 'nonsense', PATH: '' } })
  expect(outcome).toEqual({
    code: 1,
    output: expect.stringMatching(/^ironsys: the environment is wrong: DATABASE_URL: [^\n]+\n$/),
  })
})

test('the flag that chooses the bench of streams is not taken for the number of them', async () => {
  const { code, output } = await ironsys('bench', '--streams', '--streams', '1')
  expect(code).toBe(2)
  expect(output).toMatch(/^--streams: Too small/m)
})
