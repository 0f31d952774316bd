/** `./ironsys config <what>`: each subcommand is a command of its own, with its own help. */
import { type Command, UsageFault } from '../command.ts'
import { commandHelp } from '../help.ts'
import { configRollbackCommand, configSetCommand } from './config-change.ts'
import { configGetCommand, configHistoryCommand } from './config-look.ts'

const subcommands = [configGetCommand, configSetCommand, configHistoryCommand, configRollbackCommand]

export const configCommand: Command = {
  name: 'config',
  summary: 'look at the settings of the running API, change them, roll them back',
  usage: 'get|set|history|rollback [arguments]',
  details: `Rate limits, breakers, cache windows, shedding and logging, of every API process, within a second and without a restart.
What is stored overrides the environment of the processes; docs/settings.md lists all.

${subcommands.map((each) => `  ${each.name.padEnd(15)}  ${each.summary}`).join('\n')}

./ironsys config <subcommand> --help says more. Exit code: 0 done, 1 not done, 2 wrong usage.`,
  run: async ([name, ...args], context) => {
    if (name === undefined || name === '--help' || name === '-h') {
      context.say(commandHelp(configCommand))
      return 0
    }
    const subcommand = subcommands.find((each) => each.name === `config ${name}`)
    if (subcommand === undefined) throw new UsageFault(`config has no subcommand ${name}`)
    if (args.includes('--help') || args.includes('-h')) {
      context.say(commandHelp(subcommand))
      return 0
    }
    return subcommand.run(args, context)
  },
}
