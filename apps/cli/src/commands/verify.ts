import { relative } from 'node:path'
import { checkout, run } from '@ironsys/local'
import { lintApi } from '../api-lint.ts'
import { requireNoArguments } from '../arguments.ts'
import type { Command, Context } from '../command.ts'
import { generatedFiles } from '../generated.ts'
import { turboCommand } from '../turbo.ts'
import { chaosProgram, shortChaosArguments } from './chaos.ts'
import { simProgram } from './sim.ts'

export const verifyCommand: Command = {
  name: 'verify',
  summary:
    'lint, typecheck, dependency rules, whether generated files are up to date, nginx, Chromium, three crashes',
  usage: '',
  details: 'What is slower than the tests or needs outside tools. All of it runs, also after a failure.',
  run: async (args, context) => {
    requireNoArguments(args)
    const failed: string[] = []
    for (const step of steps(context)) {
      const began = performance.now()
      const fault = await step.check()
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      context.say(`${fault === null ? 'ok    ' : 'FAILED'}  ${step.name} (${seconds} s)`)
      if (fault === null) continue
      failed.push(step.name)
      context.say(fault.trimEnd())
    }
    context.say(failed.length === 0 ? 'verified' : `not verified: ${failed.join(', ')}`)
    return failed.length === 0 ? 0 : 1
  },
}

interface Step {
  readonly name: string
  /** Null when all is well, else what is wrong. */
  readonly check: () => Promise<string | null>
}

/** Enough for the rarest of them. */
const SEEDS_PER_MUTANT = 400

function steps(context: Context): readonly Step[] {
  return [
    {
      name: 'lint and typecheck',
      check: () => checkCommand(turboCommand(['lint', 'typecheck'], context.environment)),
    },
    {
      name: 'conventions and dependency rules',
      check: () =>
        checkCommand({
          command: process.execPath,
          args: ['node_modules/vitest/vitest.mjs', 'run', '--project=pure', 'scripts/'],
          env: context.environment,
        }),
    },
    ...generatedFiles.map((file) => ({
      name: `${relative(checkout, file.path)} is up to date`,
      check: () => file.drift(context),
    })),
    { name: 'the OpenAPI description under redocly and spectral', check: () => lintApi(context) },
    {
      name: 'tests with nginx and Chromium',
      check: () =>
        checkCommand({
          command: process.execPath,
          args: ['node_modules/vitest/vitest.mjs', 'run', '--project=tools'],
          env: context.environment,
        }),
    },
    {
      name: `the simulator finds every planted bug, in at most ${SEEDS_PER_MUTANT} seeds`,
      check: () =>
        checkCommand({
          command: process.execPath,
          args: [simProgram, '--mutants', '--seeds', String(SEEDS_PER_MUTANT)],
          env: context.environment,
        }),
    },
    {
      name: `chaos: ${shortChaosArguments.join(' ')}`,
      check: () =>
        checkCommand({
          command: process.execPath,
          args: [chaosProgram, ...shortChaosArguments],
          env: context.environment,
        }),
    },
  ]
}

interface CheckedCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

async function checkCommand({ command, args, env }: CheckedCommand): Promise<string | null> {
  const outcome = await run(command, args, { cwd: checkout, env })
  return outcome.code === 0 ? null : outcome.output
}
