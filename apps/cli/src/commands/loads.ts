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
  usage:
    '[--buyers 5000] [--slots 20] [--units 100] [--concurrency 128] [--patience 120] [--seed N] [--url URL]',
  details: `Starts the stack for its own duration when nothing runs.

  --buyers N        some of them impatient, fickle or late
  --slots N         they are made for this run, of --units units each
  --concurrency N   requests under way at the same time
  --patience N      seconds without any progress after which it has failed
  --seed N          the same buyers again; drawn when it is not given
  --url URL         of an API elsewhere; the stack of this checkout is needed all the same

Exit code: 0 every unit and request is accounted for, 1 one is not, or it failed, 2 wrong usage.`,
  run: runDemo,
}

/** Benches beside the one of rates, by the flag that asks for them: programs of load-tests/src. */
const benches: Readonly<Record<string, string>> = {
  '--life': 'life',
  '--limits': 'limits',
  '--lists': 'lists',
  '--streams': 'streams',
  '--overload': 'overload',
}

export const benchCommand: Command = {
  name: 'bench',
  summary: 'measure rates and latencies, beside the bare pipeline',
  usage: `[--only write|read] [--seconds 10] [--warmup 10] [--rounds 3] [--pace 10000] [--connections 256]
                       [--threads 2] [--patience 60] [--rung 3] [--climbs 5] [--mix 15] [--slots 10000]
       ./ironsys bench --life [--only rates|pairs|burst|idle] [--rows 100000] [--commands 10000] [--rounds 7]
                              [--burst 10000] [--pace 1000] [--idle 150] [--patience 120]
       ./ironsys bench --lists [--only 'an hour'] [--slots 100000] [--seconds 5] [--pace 200] [--writes 500] [--rounds 3]
       ./ironsys bench --streams [--only fanout|visibility] [--streams 5000] [--changes 60] [--visible 200]
                                 [--patience 30]
       ./ironsys bench --overload [--factors 0.5,1,1.5,2,3] [--seconds 6] [--settle 4] [--warmup 6] [--connections 2000]
                                  [--patience 30]
       ./ironsys bench --limits [--requests 500000] [--rounds 5] [--addresses 20000]`,
  details: `Starts servers and apps of its own, under free ports and with data of their own, and stops them at the end.
For figures that mean something nothing else may run, the stack of ./ironsys up included.

Writes are reservations of one hot slot for --seconds, after --warmup, over --connections connections of the load generator
wrk and its --threads threads: at full speed, then at --pace a second, each --rounds times in turns with the bare pipeline.

Reads are a ladder: bare Fastify with the same bytes, then the server with one part more at each rung (--rung seconds each,
climbed --climbs times), and what each costs; then a mix of --mix seconds over --slots slots by Zipf's law, without writes and with
5 %: hit rate, and what reads ask of Redis and Postgres.

With --life it measures what becomes of reservations, straight from the log: whether the rate falls at a slot with 100,000
holds and as many in line (--rows), what a hold and its confirmation cost, what 10,000 holds that end together (--burst) do
to other commands (--pace a second), and how soon after its end a hold of an --idle system is released.

With --lists it measures --pace pages a second of GET /slots at 100,000 slots, by filter and size, each page the first of its
kind, while buyers look at slots and make --writes reservations a second. --only: a part of a page's name.

With --streams it measures open streams of a slot: the API's memory with thousands of them, how soon a change has reached all
of them, and how soon it is seen at each of two APIs.

With --limits it measures what the rate limits of a request cost, in one process and without servers: one address, many, one
that is refused, and without Redis.

With --overload it measures what becomes of more than the system can take: a closed loop finds the rate that it sustains, then
--factors of that are offered, after --settle for --seconds each, in an open loop over --connections, whose latencies count from when each request was due: what is
accepted, committed and refused (503) a second, and how fast.

A run fails when nothing moves for --patience seconds. All figures are kept in load-tests/results. The summary at the end says
of each target whether it was reached or MISSED. Everything is measured first, then the exit code says: 0 all targets
reached, 1 one was missed, or a run failed or contradicts itself (BROKEN), 2 wrong usage.`,
  run: (args, context) => {
    if (supervisor() !== null)
      context.say('the stack is running too: its share of the machine is missing here')
    const at = args.findIndex((arg) => Object.hasOwn(benches, arg))
    const program = benches[args[at] ?? ''] ?? 'bench'
    // The first one only: --streams is also how many of them there are to be.
    return runNode(programOf(program), at < 0 ? args : args.toSpliced(at, 1), { env: context.environment })
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
