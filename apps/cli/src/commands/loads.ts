/** `demo` and `bench`: programs of load-tests/. The demo needs the running system, the bench brings its own. */
import { join } from 'node:path'
import { checkout, LocalFault } from '@ironsys/local'
import type { Command, Context } from '../command.ts'
import { startDetached } from '../detached.ts'
import { runNode } from '../programs.ts'
import { currentAddresses, runningState, stackEnvironment, supervisor } from '../running.ts'
import { stopEverything } from './down.ts'

const programOf = (name: string): string => join(checkout, 'load-tests', 'src', `${name}.ts`)

export const demoCommand: Command = {
  name: 'demo',
  summary: 'an on-sale with 5,000 buyers on the running system, then the audit',
  usage: '[arguments of load-tests/src/demo.ts]',
  details: 'Starts the stack for its own duration when nothing runs. Fails when an invariant does.',
  run: runDemo,
}

/** Benches beside the one of rates, by the flag that asks for them: programs of load-tests/src. */
const benches: Readonly<Record<string, string>> = {
  '--life': 'life',
  '--lists': 'lists',
  '--streams': 'streams',
}

export const benchCommand: Command = {
  name: 'bench',
  summary: 'measure rates and latencies, beside the bare pipeline',
  usage: `[--seconds 10] [--warmup 10] [--rounds 3] [--only write|read] [--pace 10000]
                       [--rung 3] [--climbs 5] [--mix 15] [--slots 10000]
       ./ironsys bench --life [--rows 100000] [--commands 10000] [--rounds 7] [--burst 10000] [--pace 1000] [--idle 150]
                              [--only rates|pairs|burst|idle]
       ./ironsys bench --lists [--slots 100000] [--seconds 5] [--pace 200] [--rounds 3] [--only 'an hour']
       ./ironsys bench --streams [--streams 5000] [--changes 60] [--visible 200] [--only fanout|visibility]`,
  details: `Starts servers and apps of its own, under free ports and with data of their own, and stops them at the end.
For figures that mean something nothing else may run, the stack of ./ironsys up included.

Reads are a ladder: bare Fastify with the same bytes, then the server with one part more at each rung (--rung seconds each,
climbed --climbs times), and what each costs; then a mix of --mix seconds over --slots slots by Zipf's law, without writes and with
5 %: hit rate, and what reads ask of Redis and Postgres.

With --life it measures what becomes of reservations, straight from the log: whether the rate falls at a slot with 100,000
holds and as many in line, what a hold and its confirmation cost, what 10,000 holds that end together do to other commands,
and how soon after its end a hold is released.

With --lists it measures pages of GET /slots at 100,000 slots, by filter, each page the first of its kind.

With --streams it measures open streams of a slot: the API's memory with thousands of them, how soon a change has reached all
of them, and how soon it is seen at each of two APIs.`,
  run: (args, context) => {
    if (supervisor() !== null)
      context.say('the stack is running too: its share of the machine is missing here')
    const flag = args.find((arg) => Object.hasOwn(benches, arg))
    const others = args.filter((arg) => arg !== flag)
    const program = (flag && benches[flag]) ?? 'bench'
    return runNode(programOf(program), others, { env: context.environment })
  },
}

async function runDemo(args: readonly string[], context: Context): Promise<number> {
  if (supervisor() !== null && runningState() === null) {
    throw new LocalFault('the stack is starting or stopping: try again when it is ready')
  }
  const own = runningState() === null
  if (own) {
    context.say('nothing runs yet: starting the stack for the demo')
    const code = await startDetached(context)
    if (code !== 0) return code
  }
  try {
    const env = stackEnvironment(context, currentAddresses(context.config))
    return await runNode(programOf('demo'), args, { env })
  } finally {
    if (own) await stopEverything(context.say)
  }
}
