/** The tables of the reads: the ladder with what each rung costs, the targets, and the mix. */
import { quantile } from '../quantiles.ts'
import { milliseconds, table, whole } from '../table.ts'
import { type Target, verdictOf } from '../targets.ts'
import { BARE, REAL } from './ladder.ts'
import type { MixRun } from './mix-run.ts'
import type { ReadRun } from './read-run.ts'

const HIT_PERCENT_LEAST = 99

export const readCaveats: readonly string[] = [
  'Reads: the ladder asks for one slot over and over, with wrk on the same two cores. Its rungs differ by less than two runs',
  '  of the same one may: look at the medians of CPU. A part that is off still takes its calls.',
  'The mix: its requests carry no Accept, Authorization or cookies, and nothing expires or is cancelled meanwhile.',
]

/** Medians of the climbs. */
export function ladderTable(runs: readonly ReadRun[]): string {
  const rungs = [...new Set(runs.map(({ rung }) => rung))]
  const rows = rungs.map((rung, index) => {
    const [own, below] = [summaryOf(runs, rung), summaryOf(runs, rungs[index - 1] ?? '')]
    // The first two differ in what they send, not in what they do.
    const step = index < 2 ? { cpuUs: null, wallUs: null } : below
    return [
      rung,
      whole(own.perSecond),
      micros(own.cpuUs),
      added(own.cpuUs, step.cpuUs),
      micros(own.wallUs),
      added(own.wallUs, step.wallUs),
      milliseconds(own.p50Ms),
      milliseconds(own.p99Ms),
      whole(own.bytes),
    ]
  })
  return table([
    ['GET /slots/:id, cached', 'per second', 'API CPU', 'added', 'wall', 'added', 'p50', 'p99', 'bytes'],
    ...rows,
  ])
}

/** Of the whole API process, in the same run as bare Fastify. */
export function readTargets(runs: readonly ReadRun[]): readonly Target[] {
  const [bare, real] = [BARE, REAL].map((rung) => summaryOf(runs, rung))
  if (bare === undefined || real === undefined) return []
  const ratio = real.perSecond / bare.perSecond
  const target = (name: string, measured: string, wanted: string, isReached: boolean): Target => {
    return { name, measured, wanted, verdict: verdictOf(isReached) }
  }
  return [
    target('reads, of bare Fastify with the same bytes', ratio.toFixed(2), '≥ 0.75, aim 0.9', ratio >= 0.75),
    target('reads per second', whole(real.perSecond), '≥ 50,000', real.perSecond >= 50_000),
    target('reads, p99', milliseconds(real.p99Ms), '≤ 3 ms', real.p99Ms <= 3),
    target('reads, errors', whole(real.errors), '0', real.errors === 0),
  ]
}

/** Hit rates of the mixes. */
export function mixTargets(runs: readonly MixRun[]): readonly Target[] {
  return runs.map((run) => ({
    name: `hit rate of the mix, ${run.writesPercent} % writes`,
    measured: percent(hitRate(run)),
    wanted: `> ${HIT_PERCENT_LEAST} %`,
    verdict: verdictOf(hitRate(run) * 100 > HIT_PERCENT_LEAST),
  }))
}

export function mixTable(runs: readonly MixRun[], slots: number): string {
  const cells = (name: string, of: (run: MixRun) => string) => [name, ...runs.map(of)]
  const perRead = (count: number, { reads }: MixRun) => (count / reads).toFixed(4)
  const tiers = [...new Set(runs.flatMap((run) => Object.keys(run.tiers)))]
  const commands = [...new Set(runs.flatMap((run) => Object.keys(run.redisCommands)))]
    .filter((name) => runs.some((run) => (run.redisCommands[name] ?? 0) / run.reads >= 0.0001))
    .toSorted()
  return table([
    cells(`Zipf over ${whole(slots)} slots`, (run) => `${run.writesPercent} % writes`),
    cells('requests per second', (run) => whole(run.perSecond)),
    cells('p50', (run) => milliseconds(run.p50Ms)),
    cells('p99', (run) => milliseconds(run.p99Ms)),
    cells('errors', (run) => whole(run.errors)),
    cells('reads answered', (run) => whole(run.reads)),
    cells('reservations accepted', (run) => whole(run.accepted)),
    cells('hit rate', (run) => percent(hitRate(run))),
    ...tiers.map((tier) =>
      cells(`  answered by ${tier}`, (run) => percent((run.tiers[tier] ?? 0) / sum(run.tiers))),
    ),
    ...Object.keys(runs[0]?.cpuSeconds ?? {}).map((name) =>
      cells(`CPU seconds: ${name}`, (run) => run.cpuSeconds[name]?.toFixed(1) ?? '–'),
    ),
    cells('database transactions per read, all', (run) => perRead(run.transactions, run)),
    ...commands.map((name) =>
      cells(`Redis ${name} per read`, (run) => perRead(run.redisCommands[name] ?? 0, run)),
    ),
  ])
}

/** The share that was answered from memory without waiting, known absences included. */
function hitRate({ tiers }: MixRun): number {
  return ((tiers.l1 ?? 0) + (tiers.negative ?? 0)) / sum(tiers)
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function summaryOf(runs: readonly ReadRun[], rung: string) {
  const own = runs.filter((run) => run.rung === rung)
  const median = (of: (run: ReadRun) => number) => quantile(own.map(of), 0.5) ?? Number.NaN
  const known = own.every(({ apiCpuSeconds }) => apiCpuSeconds !== null)
  return {
    perSecond: median((run) => run.perSecond),
    cpuUs: known ? median((run) => ((run.apiCpuSeconds ?? 0) * 1e6) / run.answers) : null,
    wallUs: median((run) => 1e6 / run.perSecond),
    p50Ms: median((run) => run.p50Ms),
    p99Ms: median((run) => run.p99Ms),
    bytes: median((run) => run.bytesPerAnswer),
    errors: own.reduce((total, { errors }) => total + errors, 0),
  }
}

function micros(value: number | null): string {
  return value === null ? '–' : `${value.toFixed(2)} µs`
}

function added(value: number | null, below: number | null): string {
  return value === null || below === null
    ? ''
    : `${value >= below ? '+' : '−'}${Math.abs(value - below).toFixed(2)}`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`
}
