import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { dockerLogsCommand, dockerStarted, folders, LocalFault, logPath, tailOf } from '@ironsys/local'
import { readArguments } from '../arguments.ts'
import type { Command } from '../command.ts'
import { followFiles } from '../follow.ts'
import { wholeNumber } from '../option-values.ts'
import { runProgram } from '../programs.ts'

const LINES_MAX = 10_000

export const logsCommand: Command = {
  name: 'logs',
  summary: 'show the end of the logs; --follow goes on showing what comes',
  usage: '[api | worker | postgres | redis | kafka | up]… [--lines N] [--follow]',
  details: `Without a name: all of them. The files are in .ironsys/stack/logs.

  --lines N   of each log, default 30
  --follow    goes on with what is appended, until Ctrl-C
Short: -n and -f.`,
  run: async (args, { say }) => {
    const { values, positionals } = readArguments(args, {
      lines: { type: 'string', short: 'n', default: '30' },
      follow: { type: 'boolean', short: 'f', default: false },
    })
    const lines = wholeNumber('--lines', values.lines, 1, LINES_MAX)
    const names = positionals.length > 0 ? positionals : knownLogs()
    if (names.length === 0) throw new LocalFault('there are no logs yet: nothing was started here')
    for (const name of names) showTail(name, lines, names.length > 1, say)
    if (dockerStarted(folders.stack) && positionals.length === 0) {
      const [command = '', ...rest] = dockerLogsCommand(folders.stack, values.follow)
      return runProgram(command, rest, {})
    }
    if (values.follow)
      await followFiles(
        names.map((name) => ({ name, path: logPath(folders.stack, name) })),
        say,
      )
    return 0
  },
}

function knownLogs(): readonly string[] {
  const folder = join(folders.stack, 'logs')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((file) => file.endsWith('.log') && statSync(join(folder, file)).size > 0)
    .map((file) => file.slice(0, -'.log'.length))
}

function showTail(name: string, lines: number, withTitle: boolean, say: (line: string) => void): void {
  const path = logPath(folders.stack, name)
  if (!existsSync(path))
    throw new LocalFault(`there is no log of ${name}; there are: ${knownLogs().join(', ')}`)
  if (withTitle) say(`== ${name}`)
  say(tailOf(path, lines))
}
