import { LocalFault } from '@ironsys/local'
import { requireNoArguments } from '../arguments.ts'
import type { Command } from '../command.ts'
import { apiUrl, runningState } from '../running.ts'
import { seed, seedSlots } from '../seed.ts'

export const seedCommand: Command = {
  name: 'seed',
  summary: 'create the example slots through the API',
  usage: '',
  details: 'Their ids are fixed: seeding again changes nothing. ./ironsys up does this by itself.',
  run: async (args, { config, say }) => {
    requireNoArguments(args)
    if (runningState() === null) throw new LocalFault('nothing runs here: ./ironsys up first')
    const created = await seed(apiUrl(config))
    say(`${created} of ${seedSlots.length} example slots are new`)
    return 0
  },
}
