/**
 * `./ironsys bench --overload`: what becomes of more than the system can take, from half of its sustainable rate to three times
 * as much. On a private stack of its own. A missed target is exit code 1. Flags: --seconds --warmup --factors --connections
 * --patience.
 */
import { slotDocumentSchema } from '@ironsys/contracts'
import { LocalFault } from '@ironsys/local'
import { caveatText, keepResults } from './bench/report.ts'
import { startBenchStack } from './bench/stack.ts'
import { type OverloadConfig, readOverloadConfig } from './config.ts'
import { LoadTestFault, runMain } from './faults.ts'
import { measurePoint, type Point } from './overload/points.ts'
import { caveats, curveTable, curveTargets, nameOf } from './overload/report.ts'
import { whole } from './table.ts'
import { allReached, targetSummary } from './targets.ts'

const SLOT_UNITS = 100_000_000

await runMain(async () => {
  const config = readOverloadConfig(process.argv.slice(2))
  const interrupted = new AbortController()
  // Also the second time, which comes when both the group and the command line pass it on: the stack must be stopped.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  try {
    return await overload(config, interrupted.signal)
  } catch (error) {
    if (interrupted.signal.aborted) throw new LoadTestFault('interrupted')
    if (error instanceof LocalFault) throw new LoadTestFault(error.message)
    throw error
  }
})

async function overload(config: OverloadConfig, signal: AbortSignal): Promise<boolean> {
  say('starting a private stack')
  const stack = await startBenchStack('bench-overload', signal, (line) => say(`  ${line}`))
  try {
    const bench = { stack, config, slotId: await createSlot(stack.real.apiUrl), signal }
    say(`warming up for ${config.warmup} s, then a closed loop of ${config.seconds} s`)
    await measurePoint(bench, null, null, config.warmup)
    const closed = tell(await measurePoint(bench, null, null, config.seconds))
    const points: Point[] = [closed]
    for (const factor of config.factors) {
      const perSecond = Math.round(closed.committedPerSecond * factor)
      points.push(tell(await measurePoint(bench, factor, perSecond, config.seconds)))
    }
    return await report(config, points)
  } finally {
    await stack.stop()
  }
}

/** False when a run contradicts itself or misses a target. */
async function report(config: OverloadConfig, points: readonly Point[]): Promise<boolean> {
  say(`\n${curveTable(points)}\n`)
  say(caveatText(caveats))
  say(`kept in ${await keepResults('overload', { config, points }, caveats)}`)
  const faults = points.flatMap((point) => point.faults.map((fault) => `${nameOf(point)}: ${fault}`))
  for (const fault of faults) say(`BROKEN: ${fault}`)
  const targets = curveTargets(points)
  say(`\n${targetSummary(targets)}`)
  return faults.length === 0 && allReached(targets)
}

function tell(point: Point): Point {
  const { offeredPerSecond, acceptedPerSecond, committedPerSecond, refusedPerSecond } = point
  const rates = `${whole(acceptedPerSecond)} accepted/s, ${whole(committedPerSecond)} committed/s, ${whole(refusedPerSecond)} refused/s`
  say(`  ${nameOf(point)}: ${whole(offeredPerSecond)} offered/s, ${rates}`)
  return point
}

async function createSlot(apiUrl: string): Promise<string> {
  const startMs = Date.now() + 86_400_000
  const answer = await fetch(`${apiUrl}/slots`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=20' },
    body: JSON.stringify({
      name: 'bench, overload',
      start_time: new Date(startMs).toISOString(),
      end_time: new Date(startMs + 3_600_000).toISOString(),
      capacity: SLOT_UNITS,
    }),
  })
  const body: unknown = await answer.json()
  const slot = slotDocumentSchema.safeParse(body)
  if (!slot.success) throw new LoadTestFault(`POST /slots answered ${answer.status}: ${JSON.stringify(body)}`)
  return slot.data.id
}

function say(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
