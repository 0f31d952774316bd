/**
 * `make bench`: how fast the system is, beside the bare pipeline of the same libraries, on a private stack of its own
 * under free ports. Both run in turns, so that a machine that slows down slows both. A missed target is exit code 1, at the
 * end. Flags: --seconds --warmup --rounds
 * --connections --pace --threads --only write|read; of the reads --rung --climbs --mix --slots.
 */
import { randomUUID } from 'node:crypto'
import { slotDocumentSchema } from '@ironsys/contracts'
import { LocalFault } from '@ironsys/local'
import { type DiscardingCollector, startCollector } from './bench/collector.ts'
import { climbLadder } from './bench/ladder.ts'
import { runMixes } from './bench/mix-run.ts'
import { ladderTable, mixTable, mixTargets, readCaveats, readTargets } from './bench/read-report.ts'
import {
  type BenchResults,
  caveats,
  caveatText,
  heading,
  keepResults,
  targetTable,
  writeTable,
  writeTargets,
} from './bench/report.ts'
import { type Answer, type BenchStack, type Pipeline, startBenchStack } from './bench/stack.ts'
import { measureWrites, type WriteRun } from './bench/write-run.ts'
import { requireWrk } from './bench/wrk.ts'
import { type BenchConfig, readBenchConfig } from './config.ts'
import { LoadTestFault, runMain } from './faults.ts'
import { allReached, type Target, targetSummary } from './targets.ts'

const SLOT_UNITS = 100_000_000
const REQUEST_ID_LENGTH = 17
/** Headers that the server puts there itself. */
const ofTheServer = ['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding']

await runMain(async () => {
  const config = readBenchConfig(process.argv.slice(2))
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
  try {
    return await bench(config, interrupted.signal)
  } catch (error) {
    if (error instanceof LocalFault) throw new LoadTestFault(error.message)
    throw error
  }
})

async function bench(config: BenchConfig, signal: AbortSignal): Promise<boolean> {
  await requireWrk(say)
  say('starting a private stack')
  const collector = await startCollector()
  const settings = {
    LOG_ONE_OF: '1000',
    TRACE_RATIO: '0.01',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  }
  let stack: BenchStack | null = null
  try {
    stack = await startBenchStack('bench', signal, (line) => say(`  ${line}`), settings)
    const results = await measure(config, stack, collector, signal)
    return await report(results)
  } finally {
    await stack?.stop()
    await collector.close()
  }
}

async function measure(
  config: BenchConfig,
  stack: BenchStack,
  collector: DiscardingCollector,
  signal: AbortSignal,
): Promise<BenchResults> {
  const slotId = await createSlot(stack.real, 'bench, reads')
  const answer = await answerOf(stack.real, slotId)
  const bare = await stack.startBare(answer)
  const writes = config.only === 'read' ? [] : await writeRounds(config, stack, bare, signal)
  if (config.only === 'write') return { config, writes, reads: [], mixes: [] }
  const ladder = { stack, bare, slotId, answer, collector: collector.endpoint }
  const reads = await climbLadder(ladder, config, signal, say)
  const mixes = await runMixes(stack, config, signal, say)
  if (collector.bytes() === 0) throw new LoadTestFault('no span reached the collector: tracing was off')
  return { config, writes, reads, mixes }
}

/** False when a run contradicts itself or misses a target. */
async function report(results: BenchResults): Promise<boolean> {
  const { config, writes, reads, mixes } = results
  say(`\n${heading(config)}`)
  if (writes.length > 0) say(`${writeTable(writes)}\n${targetTable(results)}\n`)
  if (reads.length > 0) say(`${ladderTable(reads)}\n${mixTable(mixes, config.slots)}\n`)
  const notMeasured = reads.length > 0 ? [...caveats, ...readCaveats] : caveats
  say(caveatText(notMeasured))
  say(`kept in ${await keepResults('bench', results, notMeasured)}`)
  const faults = writes.flatMap((run) => run.faults.map((fault) => `${run.pipeline}: ${fault}`))
  for (const fault of faults) say(`BROKEN: ${fault}`)
  if (faults.length === 0 && writes.length > 0)
    say('Every run: rows agree with the answers, the audit is balanced.')
  const targets = targetsOf(results)
  say(`\n${targetSummary(targets)}`)
  return faults.length === 0 && allReached(targets)
}

function targetsOf(results: BenchResults): readonly Target[] {
  const { writes, reads, mixes } = results
  return [...(writes.length > 0 ? writeTargets(results) : []), ...readTargets(reads), ...mixTargets(mixes)]
}

async function writeRounds(
  config: BenchConfig,
  stack: BenchStack,
  bare: Pipeline,
  signal: AbortSignal,
): Promise<readonly WriteRun[]> {
  const runs: WriteRun[] = []
  for (let round = 1; round <= config.rounds; round++) {
    for (const pipeline of [bare, stack.real]) {
      const slotId =
        pipeline.name === 'bare' ? randomUUID() : await createSlot(pipeline, `bench, round ${round}`)
      const target = { stack, pipeline, slotId, config, signal }
      say(`round ${round}, ${pipeline.name}: ${config.warmup} s of warm-up, ${config.seconds} s measured`)
      await measureWrites(target, config.warmup, null)
      // At full speed the machine is the limit and every latency is a queue; the paced run shows them below it.
      for (const pace of pipeline.name === 'bare' ? [null] : [null, config.pace]) {
        const run = await measureWrites(target, config.seconds, pace)
        const rates = [run.acceptedPerSecond, run.committedPerSecond].map(Math.round)
        say(`  ${rates[0]} accepted/s, ${rates[1]} committed/s${pace === null ? '' : ', paced'}`)
        runs.push(run)
      }
    }
  }
  return runs
}

async function createSlot({ apiUrl }: Pipeline, name: string): Promise<string> {
  const startMs = Date.now() + 86_400_000
  const answer = await fetch(`${apiUrl}/slots`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=20' },
    body: JSON.stringify({
      name,
      start_time: new Date(startMs).toISOString(),
      end_time: new Date(startMs + 3_600_000).toISOString(),
      capacity: SLOT_UNITS,
    }),
  })
  const body: unknown = await answer.json()
  const slot = slotDocumentSchema.safeParse(body)
  if (answer.status !== 201 || !slot.success) {
    throw new LoadTestFault(`POST /slots answered ${answer.status}: ${JSON.stringify(body)}`)
  }
  return slot.data.id
}

/** What the real API sends for a slot that it has in its cache. */
async function answerOf({ apiUrl }: Pipeline, slotId: string): Promise<Answer> {
  await (await fetch(`${apiUrl}/slots/${slotId}`)).arrayBuffer()
  const answer = await fetch(`${apiUrl}/slots/${slotId}`)
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => !ofTheServer.includes(name)))
  // Ids grow with the count of requests: this is their length in the measured runs.
  const requestId = headers['x-request-id']?.padEnd(REQUEST_ID_LENGTH, '0') ?? ''
  return { headers: { ...headers, 'x-request-id': requestId }, body: await answer.text() }
}

function say(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
