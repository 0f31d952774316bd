import { expect, test } from 'vitest'
import { UsageFault } from './command.ts'
import { replayCommand } from './commands/replay.ts'
import { readConfig } from './config.ts'

test.each([[[]], [['--verify', '--slot', 'x']], [['--verify', '--sideways']]])(
  'arguments %j are a usage fault, before anything is asked of a server',
  async (args) => {
    const running = replayCommand.run(args, { config: readConfig({}), environment: {}, say: () => undefined })
    await expect(running).rejects.toBeInstanceOf(UsageFault)
  },
)
