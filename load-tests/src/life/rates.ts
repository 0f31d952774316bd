/** How fast the writer decides each block of commands, draining what was written while there was no worker. */
import type { RunningProcess } from '@ironsys/local'
import type { Client } from 'pg'
import { type Cpu, cpuSeconds, differences } from '../bench/processes.ts'
import type { BenchStack } from '../bench/stack.ts'
import type { LifeConfig } from '../config.ts'
import { LoadTestFault } from '../faults.ts'
import { type CommandLog, createCommandLog, type Span } from './command-log.ts'
import { createSlot, type LogCommand, reserve, slotIdIn } from './commands.ts'
import { type Block, type Mix, planBlocks, type Size } from './mixes.ts'
import { reaches, type Sample, watchProgress } from './progress.ts'

export interface RateRun {
  readonly mix: Mix
  readonly size: Size
  readonly round: number
  readonly commands: number
  readonly perSecond: number
  /** Seconds of CPU by process, over these commands; null where that is not known. */
  readonly cpuSeconds: Readonly<Record<string, number | null>>
}

export interface RatesResult {
  readonly runs: readonly RateRun[]
  readonly faults: readonly string[]
}

export interface Bench {
  readonly config: LifeConfig
  readonly stack: BenchStack
  readonly database: Client
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

/** Where everything happens: one partition has one writer. */
export const BENCH_PARTITION = 5

/** At each end of a block: the batches there have commands of its neighbours. */
const TRIMMED_COMMANDS = 1000
/** A new process has to compile first. */
const WARM_UP_COMMANDS = 20_000

export async function measureRates(bench: Bench): Promise<RatesResult> {
  const { config, stack, database, say } = bench
  if (config.commands * config.rounds > config.rows) {
    throw new LoadTestFault(
      '--rows must be at least --commands × --rounds: that many holds are confirmed, and waiters promoted',
    )
  }
  const log = await createCommandLog(stack.brokers, BENCH_PARTITION)
  try {
    const plan = planBlocks(BENCH_PARTITION, config)
    say(`rates: making two slots with ${config.rows} holds and ${config.rows} in line`)
    const { last } = await log.appendAll(plan.setup)
    await showDrain(bench, last)
    await database.query('VACUUM (ANALYZE) reservations, slots, slot_ledger')
    await database.query('CHECKPOINT')
    await stack.stopWorker()
    const blocks = plan.blocks()
    say(`rates: ${blocks.length} blocks of ${config.commands} commands into the log`)
    const spans = await appendBlocks(log, blocks)
    const worker = await stack.startWorker()
    const runs = await drain(bench, worker, blocks, spans)
    return { runs, faults: await misfits(database, plan.expected) }
  } finally {
    await log.close()
  }
}

async function appendBlocks(log: CommandLog, blocks: readonly Block[]): Promise<readonly Span[]> {
  await log.appendAll(warmUp())
  const spans: Span[] = []
  for (const { commands } of blocks) spans.push(await log.appendAll(commands))
  return spans
}

function* warmUp(): Iterable<LogCommand> {
  const slotId = slotIdIn(BENCH_PARTITION)
  yield createSlot(slotId, WARM_UP_COMMANDS, false)
  for (let n = 0; n < WARM_UP_COMMANDS; n++) yield reserve(slotId, { quantity: 1, mode: 'confirm' })
}

async function drain(
  bench: Bench,
  worker: RunningProcess,
  blocks: readonly Block[],
  spans: readonly Span[],
): Promise<readonly RateRun[]> {
  const { stack, say } = bench
  const borders = spans.flatMap(({ first, last }) => [first + TRIMMED_COMMANDS, last - TRIMMED_COMMANDS])
  const crossed: (Sample & { readonly cpu: Cpu })[] = []
  const pids = { worker: worker.pid, ...stack.serverPids }
  const cpuOf = (): Cpu =>
    Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)]))
  await watchProgress(watchOf(bench), reaches(spans.at(-1)?.last ?? 0), (sample) => {
    const border = borders[crossed.length]
    if (border !== undefined && sample.nextOffset >= border) crossed.push({ ...sample, cpu: cpuOf() })
  })
  return blocks.flatMap(({ mix, size, round }, index) => {
    const [from, to] = crossed.slice(index * 2)
    if (from === undefined || to === undefined) return []
    const commands = to.nextOffset - from.nextOffset
    const perSecond = (commands * 1000) / (to.atMs - from.atMs)
    say(`  round ${round}, ${mix}, ${size}: ${Math.round(perSecond)}/s`)
    return [{ mix, size, round, commands, perSecond, cpuSeconds: differences(from.cpu, to.cpu) }]
  })
}

const SHOWN_EVERY_MS = 5000

async function showDrain(bench: Bench, last: number): Promise<void> {
  let shownMs = Date.now()
  await watchProgress(watchOf(bench), reaches(last), ({ atMs, nextOffset }) => {
    if (atMs - shownMs < SHOWN_EVERY_MS) return
    shownMs = atMs
    bench.say(`  ${nextOffset} of ${last + 1}`)
  })
}

export function watchOf(
  { config, database, signal }: Pick<Bench, 'config' | 'database' | 'signal'>,
  slotId: string | null = null,
) {
  return { database, partition: BENCH_PARTITION, slotId, patienceMs: config.patience * 1000, signal }
}

/** A fast wrong answer is worth nothing. */
async function misfits(
  database: Client,
  expected: ReadonlyMap<string, Readonly<Record<string, number>>>,
): Promise<readonly string[]> {
  const { rows } = await database.query<{ slot_id: string; status: string; count: string }>(
    'SELECT slot_id, status, count(*) FROM reservations WHERE slot_id = ANY ($1) GROUP BY slot_id, status',
    [[...expected.keys()]],
  )
  const found = new Map(rows.map((row) => [`${row.slot_id} ${row.status}`, Number(row.count)]))
  const wanted = [...expected].flatMap(([slotId, counts]) =>
    Object.entries(counts).map(([status, count]) => [`${slotId} ${status}`, count] as const),
  )
  const wrong = wanted.filter(([name, count]) => (found.get(name) ?? 0) !== count)
  const total = (counts: Iterable<number>) => [...counts].reduce((sum, count) => sum + count, 0)
  const faults = wrong.map(([name, count]) => `slot ${name}: ${found.get(name) ?? 0} instead of ${count}`)
  const isMore = total(found.values()) !== total(wanted.map(([, count]) => count))
  return isMore && faults.length === 0 ? ['there are more reservations than were asked for'] : faults
}
