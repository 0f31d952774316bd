/** The seeded simulator: a program of packages/testing. It needs no servers. */
import { join } from 'node:path'
import { checkout } from '@ironsys/local'
import { readOptions } from '../arguments.ts'
import { type Command, UsageFault } from '../command.ts'
import { wholeNumber } from '../option-values.ts'
import { runNode } from '../programs.ts'

export const simProgram = join(checkout, 'packages', 'testing', 'src', 'sim.ts')
const COUNT_MAX = 999_999_999

export const simCommand: Command = {
  name: 'sim',
  summary: 'simulate crashes and faults by seed and check every invariant',
  usage:
    '[--seeds 1000] [--from 1] | --seed N | --mutants [--seeds 200]\n       ./ironsys sim --mutant M [--seeds 1000 | --seed N]',
  details: `The real engine, deciders, queues and caches run in virtual time on twins of Kafka, Postgres and Redis; the seed chooses
every interleaving and every fault. The same seed gives the same run.

  --seeds N    so many seeds, from 1 or from --from on, on all cores; fails when an invariant breaks in one
  --seed N     one seed, with everything that happens in it
  --mutants    plants known bugs, one after the other, each until 3 seeds have found it or --seeds were tried (200), and
               says how many of the first seeds that took; fails when one is missed
  --mutant M   the code with that bug, one of those that --mutants names`,
  run: (args, { environment }) => {
    const options = readOptions(args, {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      from: { type: 'string' },
      mutants: { type: 'boolean', default: false },
      mutant: { type: 'string' },
    })
    for (const name of ['seeds', 'seed', 'from'] as const) {
      const text = options[name]
      if (text !== undefined) wholeNumber(`--${name}`, text, 1, COUNT_MAX)
    }
    const many = options.seeds !== undefined || options.from !== undefined || options.mutants
    if (options.seed !== undefined && many) {
      throw new UsageFault('--seed is one seed: it goes with none of --seeds, --from and --mutants')
    }
    if (options.mutants && options.mutant !== undefined) {
      throw new UsageFault('--mutants is all of them, --mutant one: give one of the two')
    }
    return runNode(simProgram, args, { env: environment })
  },
}
