import { requireNoArguments } from '../arguments.ts'
import type { Command } from '../command.ts'
import { runProgram } from '../programs.ts'
import { turboCommand } from '../turbo.ts'

export const lintCommand: Command = {
  name: 'lint',
  summary: 'check format and style (Biome) and types (tsc)',
  usage: '',
  details: 'pnpm format repairs what can be repaired.',
  run: async (args, { environment }) => {
    requireNoArguments(args)
    const turbo = turboCommand(['lint', 'typecheck'], environment)
    return runProgram(turbo.command, turbo.args, { env: turbo.env })
  },
}
