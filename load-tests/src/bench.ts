/**
 * `make bench`: how fast the system is, beside the bare pipeline of the same libraries, on a private stack of its own
 * under free ports. Both run in turns, so that a machine that slows down slows both. Flags: --seconds --warmup --rounds
 * --connections --pace --threads --only write|read.
 */
import { randomUUID } from 'node:crypto'
import { slotDocumentSchema } from '@ironsys/contracts'
import { LocalFault } from '@ironsys/local'
import { measureReads, type ReadRun } from './bench/read-run.ts'
import {
  caveats,
  caveatText,
  heading,
  keepResults,
  readTable,
  targetTable,
  writeTable,
} from './bench/report.ts'
import { type BenchStack, type Pipeline, startBenchStack } from './bench/stack.ts'
import { measureWrites, type WriteRun } from './bench/write-run.ts'
import { requireWrk } from './bench/wrk.ts'
import { type BenchConfig, readBenchConfig } from './config.ts'
import { LoadTestFault, runMain } from './faults.ts'

const SLOT_UNITS = 100_000_000

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
  const stack = await startBenchStack('bench', signal, (line) => say(`  ${line}`))
  try {
    const slotId = await createSlot(stack.real, 'bench, reads')
    const bare = await stack.startBare(await documentOf(stack.real, slotId))
    const writes = config.only === 'read' ? [] : await writeRounds(config, stack, bare, signal)
    const reads = config.only === 'write' ? [] : await readRounds(config, stack, bare, slotId, signal)
    const results = { config, writes, reads }
    say(`\n${heading(config)}`)
    if (writes.length > 0) say(`${writeTable(writes)}\n`)
    if (reads.length > 0) say(`${readTable(reads)}\n`)
    say(`${targetTable(results)}\n`)
    say(caveatText(caveats))
    say(`kept in ${await keepResults('bench', results, caveats)}`)
    const faults = writes.flatMap((run) => run.faults.map((fault) => `${run.pipeline}: ${fault}`))
    for (const fault of faults) say(`BROKEN: ${fault}`)
    if (faults.length === 0 && writes.length > 0)
      say('Every run: rows agree with the answers, the audit is balanced.')
    return faults.length === 0
  } finally {
    await stack.stop()
  }
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

async function readRounds(
  config: BenchConfig,
  stack: BenchStack,
  bare: Pipeline,
  slotId: string,
  signal: AbortSignal,
): Promise<readonly ReadRun[]> {
  const runs: ReadRun[] = []
  for (let round = 1; round <= config.rounds; round++) {
    for (const pipeline of [bare, stack.real]) {
      say(`round ${round}, ${pipeline.name}: cached GETs`)
      await measureReads(pipeline, slotId, config, config.warmup, signal)
      const run = await measureReads(pipeline, slotId, config, config.seconds, signal)
      say(`  ${Math.round(run.perSecond)} answers/s`)
      runs.push(run)
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

/** The bytes that the real API sends for a slot it has in its cache. */
async function documentOf({ apiUrl }: Pipeline, slotId: string): Promise<Buffer> {
  await (await fetch(`${apiUrl}/slots/${slotId}`)).arrayBuffer()
  return Buffer.from(await (await fetch(`${apiUrl}/slots/${slotId}`)).arrayBuffer())
}

function say(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
