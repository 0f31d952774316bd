/** What a reservation costs that is held first and then confirmed, beside one that is confirmed at once: over HTTP. */
import { randomUUID } from 'node:crypto'
import { cpuOf, differences } from '../bench/processes.ts'
import { requireWrk, runWrk } from '../bench/wrk.ts'
import { type CommandLog, createCommandLog } from './command-log.ts'
import { createSlot, slotIdIn } from './commands.ts'
import { reaches, watchProgress } from './progress.ts'
import { BENCH_PARTITION, type Bench, watchOf } from './rates.ts'

export const ways = ['at-once', 'held'] as const
export type Way = (typeof ways)[number]

export interface PairRun {
  readonly way: Way
  readonly round: number
  readonly confirmed: number
  /** From the first request to the last commit. */
  readonly confirmedPerSecond: number
  /** Seconds of CPU by process, meanwhile; the load generator's not among them. */
  readonly cpuSeconds: Readonly<Record<string, number | null>>
}

export interface PairsResult {
  readonly runs: readonly PairRun[]
  readonly faults: readonly string[]
}

const CONNECTIONS = 64
const SECONDS = 6
const WARM_UP_SECONDS = 4
const UNITS = 1_000_000

export async function measurePairs(bench: Bench): Promise<PairsResult> {
  const { config, stack, say } = bench
  await requireWrk(say)
  const log = await createCommandLog(stack.brokers, BENCH_PARTITION)
  const runs: PairRun[] = []
  const faults: string[] = []
  try {
    say('pairs: reservations over HTTP, at once and held first')
    for (const way of ways) await measureRun(bench, log, { way, round: 0, seconds: WARM_UP_SECONDS })
    for (let round = 1; round <= config.rounds; round++) {
      // Who comes first takes turns, so that a machine that slows down slows both.
      for (const way of round % 2 === 1 ? ways : ways.toReversed()) {
        const { run, fault } = await measureRun(bench, log, { way, round, seconds: SECONDS })
        say(`  round ${round}, ${way}: ${Math.round(run.confirmedPerSecond)} confirmed/s`)
        runs.push(run)
        if (fault !== null) faults.push(fault)
      }
    }
    return { runs, faults }
  } finally {
    await log.close()
  }
}

interface Asked {
  readonly way: Way
  readonly round: number
  readonly seconds: number
}

async function measureRun({ config, stack, database, signal }: Bench, log: CommandLog, asked: Asked) {
  const { way, round, seconds } = asked
  const slotId = slotIdIn(BENCH_PARTITION)
  const bench = { config, database, signal }
  await decided(bench, (await log.appendAll([createSlot(slotId, UNITS, false)])).last)
  const before = cpuOf(stack, stack.real)
  const startedMs = Date.now()
  const wrk = await runWrk({
    url: stack.real.apiUrl,
    script: 'lives',
    args: [slotId, `p${randomUUID().slice(0, 8)}`, way],
    seconds,
    connections: CONNECTIONS,
    threads: 2,
    signal,
  })
  // Behind everything that was accepted.
  const end = await log.appendAll([createSlot(slotIdIn(BENCH_PARTITION), 1, false)])
  const endedMs = await decided(bench, end.last)
  const cpuSeconds = differences(before, cpuOf(stack, stack.real))
  const { rows } = await database.query<{ status: string; count: string }>(
    'SELECT status, count(*) FROM reservations WHERE slot_id = $1 GROUP BY status',
    [slotId],
  )
  const counts = new Map(rows.map((row) => [row.status, Number(row.count)]))
  const confirmed = counts.get('confirmed') ?? 0
  const run: PairRun = {
    way,
    round,
    confirmed,
    confirmedPerSecond: (confirmed * 1000) / (endedMs - startedMs),
    cpuSeconds,
  }
  return { run, fault: faultOf(asked, counts, wrk) }
}

interface Answers {
  readonly requests: number
  readonly status_errors: number
}

/** wrk hangs up at the end: of each connection one request may be decided that was not counted. */
function faultOf({ way, round }: Asked, counts: ReadonlyMap<string, number>, answers: Answers) {
  const { requests, status_errors } = answers
  const held = counts.get('held') ?? 0
  const confirmed = counts.get('confirmed') ?? 0
  const effects = way === 'held' ? held + 2 * confirmed : confirmed
  const others = [...counts.keys()].filter((status) => status !== 'held' && status !== 'confirmed')
  const isRight =
    others.length === 0 && status_errors === 0 && effects >= requests && effects <= requests + CONNECTIONS
  const said = [...counts].map(([status, count]) => `${count} ${status}`).join(', ')
  return isRight
    ? null
    : `round ${round}, ${way}: ${requests} answers, ${status_errors} of them errors, and ${said}`
}

async function decided(
  bench: Pick<Bench, 'config' | 'database' | 'signal'>,
  offset: number,
): Promise<number> {
  const samples = await watchProgress(watchOf(bench), reaches(offset))
  return samples.at(-1)?.atMs ?? Date.now()
}
