/** `demo` and `bench`: programs of load-tests/ on the running system. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, LocalFault } from '@ironsys/local'
import type { Command, Context } from '../command.ts'
import { startDetached } from '../detached.ts'
import { runNode } from '../programs.ts'
import { currentAddresses, runningState, stackEnvironment, supervisor } from '../running.ts'
import { stopEverything } from './down.ts'

export const demoCommand: Command = {
  name: 'demo',
  summary: 'an on-sale with 5,000 buyers on the running system, then the audit',
  usage: '[arguments of load-tests/src/demo.ts]',
  details: 'Starts the stack for its own duration when nothing runs. Fails when an invariant does.',
  run: (args, context) => onRunningStack('demo', args, context),
}

export const benchCommand: Command = {
  name: 'bench',
  summary: 'measure rates and latencies, beside the bare pipeline',
  usage: '[arguments of load-tests/src/bench.ts]',
  details: 'Starts the stack for its own duration when nothing runs.',
  run: (args, context) => onRunningStack('bench', args, context),
}

async function onRunningStack(name: string, args: readonly string[], context: Context): Promise<number> {
  const file = join(checkout, 'load-tests', 'src', `${name}.ts`)
  if (!existsSync(file)) throw new LocalFault(`${file} is missing`)
  if (supervisor() !== null && runningState() === null) {
    throw new LocalFault('the stack is starting or stopping: try again when it is ready')
  }
  const own = runningState() === null
  if (own) {
    context.say(`nothing runs yet: starting the stack for the ${name}`)
    const code = await startDetached(context)
    if (code !== 0) return code
  }
  try {
    const env = stackEnvironment(context, currentAddresses(context.config))
    return await runNode(file, args, { env })
  } finally {
    if (own) await stopEverything(context.say)
  }
}
