/** `./ironsys dlq <what>`: each subcommand is a command of its own, with its own help. */
import { type Command, UsageFault } from '../command.ts'
import { commandHelp } from '../help.ts'
import { dlqListCommand, dlqShowCommand } from './dlq-look.ts'
import { dlqDiscardCommand, dlqRedriveCommand } from './dlq-resolve.ts'

const subcommands = [dlqListCommand, dlqShowCommand, dlqRedriveCommand, dlqDiscardCommand]

export const dlqCommand: Command = {
  name: 'dlq',
  summary: 'look at dead letters, redrive or discard them',
  usage: 'list|show|redrive|discard [arguments]',
  details: `A dead letter is a record of the log that could not be applied; the command in it reads failed.

${subcommands.map((each) => `  ${each.name.padEnd(11)}  ${each.summary}`).join('\n')}

./ironsys dlq <subcommand> --help says more. Exit code: 0 done, 1 not or not all done, 2 wrong usage.`,
  run: async ([name, ...args], context) => {
    if (name === undefined || name === '--help' || name === '-h') {
      context.say(commandHelp(dlqCommand))
      return 0
    }
    const subcommand = subcommands.find((each) => each.name === `dlq ${name}`)
    if (subcommand === undefined) throw new UsageFault(`dlq has no subcommand ${name}`)
    if (args.includes('--help') || args.includes('-h')) {
      context.say(commandHelp(subcommand))
      return 0
    }
    return subcommand.run(args, context)
  },
}
