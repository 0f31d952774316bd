/** `./ironsys <command>`: finds the command, runs it, and turns faults into one line and an exit code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, LocalFault } from '@ironsys/local'
import { type Command, type Context, UsageFault } from './command.ts'
import { apiKeyCommand } from './commands/api-key.ts'
import { auditCommand } from './commands/audit.ts'
import { chaosCommand } from './commands/chaos.ts'
import { cleanCommand } from './commands/clean.ts'
import { psqlCommand, redisCliCommand } from './commands/clients.ts'
import { configCommand } from './commands/config.ts'
import { dlqCommand } from './commands/dlq.ts'
import { downCommand } from './commands/down.ts'
import { eraseCommand } from './commands/erase.ts'
import { fuzzCommand } from './commands/fuzz.ts'
import { openApiCommand, schemaCommand } from './commands/generate.ts'
import { lagCommand } from './commands/lag.ts'
import { lintCommand } from './commands/lint.ts'
import { benchCommand, demoCommand } from './commands/loads.ts'
import { logsCommand } from './commands/logs.ts'
import { migrateCommand } from './commands/migrate.ts'
import { rebuildCommand } from './commands/rebuild.ts'
import { replayCommand } from './commands/replay.ts'
import { retentionCommand } from './commands/retention.ts'
import { seedCommand } from './commands/seed.ts'
import { simCommand } from './commands/sim.ts'
import { testCommand } from './commands/test.ts'
import { tokenCommand } from './commands/token.ts'
import { topicsCommand } from './commands/topics.ts'
import { upCommand } from './commands/up.ts'
import { verifyCommand } from './commands/verify.ts'
import { processEnvironment, readConfig } from './config.ts'
import { commandHelp, generalHelp } from './help.ts'

const USAGE_EXIT_CODE = 2

const helpCommand: Command = {
  name: 'help',
  summary: 'list the commands, or say more about one',
  usage: '[command]',
  details: 'The Makefile has the same commands by name: make up, make test, …',
  run: async ([name], { say }) => {
    if (name === undefined) say(generalHelp(commands))
    else say(commandHelp(findCommand(name)))
    return 0
  },
}

const versionCommand: Command = {
  name: 'version',
  summary: 'show the versions of IronSys and Node',
  usage: '',
  details: 'Also gets what is missing of the toolchain and the dependencies, as every command does.',
  run: async (_args, { say }) => {
    const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
    say(`ironsys ${version}, Node ${process.version}`)
    return 0
  },
}

const commands: readonly Command[] = [
  ...[
    upCommand,
    downCommand,
    logsCommand,
    demoCommand,
    benchCommand,
    psqlCommand,
    redisCliCommand,
    lagCommand,
    auditCommand,
    replayCommand,
    dlqCommand,
  ],
  ...[tokenCommand, apiKeyCommand, configCommand],
  ...[retentionCommand, eraseCommand],
  ...[migrateCommand, topicsCommand, seedCommand, cleanCommand, rebuildCommand],
  ...[
    testCommand,
    simCommand,
    chaosCommand,
    fuzzCommand,
    verifyCommand,
    lintCommand,
    schemaCommand,
    openApiCommand,
    helpCommand,
    versionCommand,
  ],
]

/** These hand `--help` on: to programs that are not ours, and to subcommands. */
const passesHelp = new Set(['psql', 'redis-cli', 'dlq', 'api-key', 'config'])

/** Commands that everybody tries as flags first. */
const commandFlags: Readonly<Record<string, string>> = {
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-v': 'version',
}

function findCommand(name: string): Command {
  const command = commands.find((each) => each.name === name)
  if (command === undefined) throw new UsageFault(`there is no command ${name}`)
  return command
}

async function main(args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args
  let command: Command | null = null
  try {
    command = findCommand(commandFlags[name] ?? name)
    const environment = processEnvironment()
    const context: Context = { config: readConfig(environment), environment, say }
    const wantsHelp = !passesHelp.has(command.name) && rest.some((arg) => arg === '--help' || arg === '-h')
    return await (wantsHelp ? helpCommand.run([command.name], context) : command.run(rest, context))
  } catch (error) {
    return tell(error, command)
  }
}

function tell(error: unknown, command: Command | null): number {
  if (error instanceof UsageFault) {
    const help = command === null ? generalHelp(commands) : commandHelp(command)
    process.stderr.write(`ironsys: ${error.message}\n\n${help}\n`)
    return USAGE_EXIT_CODE
  }
  if (error instanceof LocalFault) {
    const tail = error.logTail === '' ? '' : `${error.logTail.trimEnd()}\n`
    process.stderr.write(`${tail}ironsys: ${error.message}\n`)
    return 1
  }
  process.stderr.write(`ironsys: this is a bug: ${error instanceof Error ? error.stack : error}\n`)
  return 1
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

// A terminal or a pipe that is gone must not keep `up` from stopping what it started.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

process.exitCode = await main(process.argv.slice(2))
