/**
 * `./ironsys bench --life`: that work per command does not grow with the item, what a hold and its confirmation cost, what
 * thousands of holds that end together do to others, and how soon a hold is released. On a private stack of its own.
 * A missed target is exit code 1. Flags: --rows --commands --rounds --burst --pace --idle --patience --only rates|pairs|burst|idle.
 */
import { LocalFault } from '@ironsys/local'
import { Client } from 'pg'
import { caveatText, keepResults } from './bench/report.ts'
import { startBenchStack } from './bench/stack.ts'
import { type LifeConfig, readLifeConfig } from './config.ts'
import { LoadTestFault, runMain } from './faults.ts'
import { measureBurst } from './life/burst.ts'
import { measureIdle } from './life/idle.ts'
import { measurePairs } from './life/pairs.ts'
import { type Bench, measureRates } from './life/rates.ts'
import {
  burstTable,
  caveats,
  confirmationTable,
  idleTable,
  idleTargets,
  pairTable,
  pairTargets,
  rateTable,
  rateTargets,
} from './life/report.ts'
import { allReached, targetSummary } from './targets.ts'

await runMain(async () => {
  const config = readLifeConfig(process.argv.slice(2))
  const interrupted = new AbortController()
  // Also the second time, which comes when both the group and the command line pass it on: the stack must be stopped.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  try {
    return await life(config, interrupted.signal)
  } catch (error) {
    if (error instanceof LocalFault) throw new LoadTestFault(error.message)
    throw error
  }
})

async function life(config: LifeConfig, signal: AbortSignal): Promise<boolean> {
  say('starting a private stack')
  const stack = await startBenchStack('bench-life', signal, (line) => say(`  ${line}`))
  const database = new Client({ connectionString: stack.databaseUrl })
  try {
    await database.connect()
    const bench: Bench = { config, stack, database, signal, say }
    const wants = (part: LifeConfig['only']) => config.only === 'all' || config.only === part
    // The idle system first, while there is next to nothing in it.
    const idle = wants('idle') ? await measureIdle(bench) : null
    const burst = wants('burst') ? await measureBurst(bench) : null
    const pairs = wants('pairs') ? await measurePairs(bench) : null
    const rates = wants('rates') ? await measureRates(bench) : null
    say('')
    if (rates !== null) say(`${rateTable(rates.runs)}\n${confirmationTable(rates.runs)}\n`)
    if (pairs !== null) say(`${pairTable(pairs.runs)}\n`)
    if (burst !== null) say(`${burstTable(burst)}\n`)
    if (idle !== null) say(`${idleTable(idle)}\n`)
    say(caveatText(caveats))
    say(`kept in ${await keepResults('life', { config, rates, pairs, burst, idle }, caveats)}`)
    const faults = [rates, pairs, burst, idle].flatMap((part) => part?.faults ?? [])
    for (const fault of faults) say(`BROKEN: ${fault}`)
    const targets = [
      ...(rates === null ? [] : rateTargets(rates.runs)),
      ...(pairs === null ? [] : pairTargets(pairs.runs)),
      ...(idle === null ? [] : idleTargets(idle)),
    ]
    say(`\n${targetSummary(targets)}`)
    return faults.length === 0 && allReached(targets)
  } finally {
    await database.end()
    await stack.stop()
  }
}

function say(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
