import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, run } from '@ironsys/local'
import { describe, expect, test } from 'vitest'
import { mutants } from './mutants/index.ts'

/** A process of its own: a simulation replaces the clocks and timers of the whole process. */
async function sim(...args: string[]): Promise<{ code: number | null; output: string }> {
  const program = join(checkout, 'packages', 'testing', 'src', 'sim.ts')
  return await run(process.execPath, [program, ...args], { cwd: checkout })
}

const SEEDS = 300

describe('the simulator', () => {
  test(`finds every invariant held in ${SEEDS} seeds`, { timeout: 300_000 }, async () => {
    const { code, output } = await sim('--seeds', `${SEEDS}`)
    expect(output).toMatch(new RegExp(`^${SEEDS} seeds, 0 failed`, 'm'))
    expect(code).toBe(0)
  })

  test('gives the same run for the same seed, and another for another', async () => {
    const [first, again, other] = await Promise.all([
      sim('--seed', '11'),
      sim('--seed', '11'),
      sim('--seed', '12'),
    ])
    expect(first.output.split('\n').length).toBeGreaterThan(500)
    expect(again.output).toBe(first.output)
    expect(other.output).not.toBe(first.output)
  })

  test('names the seed, the invariant and the command that runs it again, when one breaks', async () => {
    const { code, output } = await sim('--seeds', '20', '--mutant', 'dedupe-forgotten')
    expect(code).toBe(1)
    const [, seed = ''] = /^seed (\d+): I\d: /m.exec(output) ?? []
    expect(output).toContain(`./ironsys sim --seed ${seed} --mutant dedupe-forgotten`)
    const replayed = await sim('--seed', seed, '--mutant', 'dedupe-forgotten')
    expect(replayed.code).toBe(1)
    expect(replayed.output).toMatch(/^I\d: /m)
  })

  test('refuses a mutant that nobody knows, and a seed that is none', async () => {
    expect(await sim('--seed', '1', '--mutant', 'nonsense')).toMatchObject({ code: 2 })
    expect(await sim('--seed', 'x')).toMatchObject({ code: 2 })
  })

  test('has a name for each planted bug', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
  })

  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
    'can still plant %s: each edit fits its source once',
    (_name, { edits }) => {
      for (const { file, find } of edits) {
        const source = readFileSync(join(checkout, file), 'utf8')
        expect(source.split(find)).toHaveLength(2)
      }
    },
  )
})
