/** `chaos`: the crash tests of packages/testing, on servers of their own. */
import { join } from 'node:path'
import { checkout } from '@ironsys/local'
import type { Command } from '../command.ts'
import { runNode } from '../programs.ts'

export const chaosProgram = join(checkout, 'packages', 'testing', 'src', 'chaos.ts')

/** What `verify` runs: one fault of each kind that recovery is promised for, under a seed that never changes. */
export const shortChaosArguments = [
  ...['--seed', '1', '--count', '3', '--minutes', '3', '--rate', '120'],
  ...['--faults', 'kill-worker,kill-kafka,kill-postgres'],
] as const

export const chaosCommand: Command = {
  name: 'chaos',
  summary:
    'kill, freeze and cut off real servers under load, then check that nothing is lost, doubled or oversold',
  usage:
    '[--minutes 5] [--seed N] [--rate 300] [--faults worker,api,…] [--count N] [--rolling] [--json file]',
  details: `Starts servers, two APIs and two workers of its own, each server behind a proxy, and sends them requests over HTTP:
slots, reservations, short holds, confirmations in time and late, waitlists, bookings of several slots.
What is done to them follows from the seed, which is printed; when real servers answer does not. Then a rolling restart
under load, in which no request may fail; then everything is healed, drained and checked against what the clients were told.

  --minutes   how long faults are injected
  --seed      repeats a run; drawn when it is not given
  --rate      requests a second
  --faults    targets (worker, api, kafka, redis, postgres) or kinds (kill-worker, stall-kafka, flush-redis, …)
  --count     no more faults than this
  --rolling   only the rolling restart
  --json      writes the report to this file too

Exit code 0: everything holds. 1: a check failed; logs and data are kept and named. 2: the arguments are wrong.
Needs Linux: what is killed must be processes of this machine.`,
  run: (args, { environment }) => runNode(chaosProgram, args, { env: environment }),
}
