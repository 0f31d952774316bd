/**
 * `./ironsys bench --streams`: what thousands of open streams cost, how soon a change has reached them all, and how soon it
 * is seen at each of two APIs. On a private stack of its own. A missed target is exit code 1. Flags: --streams --changes --visible --patience
 * --only fanout|visibility.
 */
import { LocalFault } from '@ironsys/local'
import { caveatText, keepResults } from './bench/report.ts'
import { startBenchStack } from './bench/stack.ts'
import { readStreamsConfig, type StreamsConfig } from './config.ts'
import { LoadTestFault, runMain } from './faults.ts'
import { type Bench, measureFanout } from './streams/fanout.ts'
import { caveats, fanoutTable, fanoutTargets, visibilityTable, visibilityTargets } from './streams/report.ts'
import { measureVisibility } from './streams/visibility.ts'
import { allReached, targetSummary } from './targets.ts'

/** All clients have the address of this machine. */
const settings = { STREAMS_PER_CALLER: '0', STREAMS_MAX: '20000' }

await runMain(async () => {
  const config = readStreamsConfig(process.argv.slice(2))
  const interrupted = new AbortController()
  // Also the second time, which comes when both the group and the command line pass it on: the stack must be stopped.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  try {
    return await streams(config, interrupted.signal)
  } catch (error) {
    if (error instanceof LocalFault) throw new LoadTestFault(error.message)
    throw error
  }
})

async function streams(config: StreamsConfig, signal: AbortSignal): Promise<boolean> {
  say('starting a private stack')
  const stack = await startBenchStack('bench-streams', signal, (line) => say(`  ${line}`), settings)
  try {
    const bench: Bench = { config, stack, signal, say }
    const fanout = config.only === 'visibility' ? null : await measureFanout(bench)
    const visibility = config.only === 'fanout' ? null : await measureVisibility(bench)
    if (signal.aborted) throw new LoadTestFault('interrupted')
    say('')
    if (fanout !== null) say(`${fanoutTable(fanout)}\n`)
    if (visibility !== null) say(`${visibilityTable(visibility)}\n`)
    say(caveatText(caveats))
    say(`kept in ${await keepResults('streams', { config, fanout, visibility }, caveats)}`)
    const targets = [
      ...(fanout === null ? [] : fanoutTargets(fanout)),
      ...(visibility === null ? [] : visibilityTargets(visibility)),
    ]
    say(`\n${targetSummary(targets)}`)
    return allReached(targets)
  } finally {
    await stack.stop()
  }
}

function say(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
