/** The bench's table, its targets and the file that keeps it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { checkout, run } from '@ironsys/local'
import type { BenchConfig } from '../config.ts'
import { quantile } from '../quantiles.ts'
import { milliseconds, table, whole } from '../table.ts'
import { type Target, targetCells, verdictOf } from '../targets.ts'
import type { MixRun } from './mix-run.ts'
import { READ_CONNECTIONS, type ReadRun } from './read-run.ts'
import type { PipelineName } from './stack.ts'
import type { WriteRun } from './write-run.ts'

export interface BenchResults {
  readonly config: BenchConfig
  readonly writes: readonly WriteRun[]
  readonly reads: readonly ReadRun[]
  readonly mixes: readonly MixRun[]
}

/** What the figures do not say. */
export const caveats: readonly string[] = [
  'Load generator, API, Kafka, worker, Postgres and Redis share this machine.',
  'wrk is a closed loop: when the system stalls it stops asking, so its p99 leaves out who would have come meanwhile',
  '  (coordinated omission). Accepted-to-committed is measured for every command, from the log append time.',
  'Not measured: writes to more than one hot slot, a network between the parts, TLS, cold start, sold-out slots, replication.',
]

export function writeTable(runs: readonly WriteRun[]): string {
  const cells = (name: string, of: (run: WriteRun) => string) => [name, ...runs.map(of)]
  const cpuNames = [...new Set(runs.flatMap((run) => Object.keys(run.cpuSeconds)))]
  return table([
    cells('reservations', ({ pipeline, pace }) => (pace === null ? pipeline : `${pipeline}, paced`)),
    cells('accepted (202) per second', (run) => whole(run.acceptedPerSecond)),
    cells('committed per second', (run) => whole(run.committedPerSecond)),
    cells('202: p50', (run) => milliseconds(run.acceptP50Ms)),
    cells('202: p99', (run) => milliseconds(run.acceptP99Ms)),
    cells('202: slowest', (run) => milliseconds(run.acceptMaxMs)),
    cells('accepted to committed: p50', (run) => milliseconds(run.committedP50Ms)),
    cells('accepted to committed: p99', (run) => milliseconds(run.committedP99Ms)),
    cells('not accepted (status)', (run) => whole(run.refused)),
    cells('socket errors', (run) => whole(run.socketErrors)),
    ...cpuNames.map((name) => cells(`CPU seconds: ${name}`, (run) => seconds(run.cpuSeconds[name] ?? null))),
    cells('API CPU per request', (run) => perRequest(run.cpuSeconds.api ?? null, run.accepted)),
    cells('worker CPU per row', (run) => perRequest(run.cpuSeconds.worker ?? null, run.committed)),
    cells('API memory, peak', (run) => megabytes(run.apiPeakMb)),
    cells('worker memory, peak', (run) => megabytes(run.workerPeakMb)),
  ])
}

/** Medians of the real runs against the targets, and against the bare ones. */
export function targetTable(results: BenchResults): string {
  const rows = figures(results).map((figure) => {
    const { name, bare, real } = figure
    const ratio = bare === null || bare === 0 || real === null ? '–' : (real / bare).toFixed(2)
    const target = targetOf(figure)
    return [name, orDash(bare), orDash(real), ratio, ...(target === null ? [] : targetCells(target))]
  })
  return table([['median', 'bare', 'real', 'real / bare', 'target', ''], ...rows])
}

export function writeTargets(results: BenchResults): readonly Target[] {
  return figures(results).flatMap((figure) => targetOf(figure) ?? [])
}

export function heading({ connections, pace, seconds: length, rounds, rung, climbs }: BenchConfig): string {
  const writes = `one hot slot, ${connections} keep-alive connections, ${length} s, ${rounds} rounds in turns, paced: ${whole(pace)}/s`
  return `${writes}; GETs: ${READ_CONNECTIONS} connections, ${rung} s at each rung, ${climbs} climbs\n`
}

export function caveatText(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}\n`).join('')
}

/** Writes everything that was measured and returns the file's path. */
export async function keepResults(
  name: string,
  results: object,
  notMeasured: readonly string[],
): Promise<string> {
  const folder = join(checkout, 'load-tests', 'results')
  mkdirSync(folder, { recursive: true })
  const at = new Date().toISOString()
  const path = join(folder, `${name}-${at.slice(0, 19).replaceAll(':', '-')}.json`)
  const { code, output } = await run('git', ['rev-parse', 'HEAD'], { cwd: checkout })
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, memoryMb: Math.round(totalmem() / 2 ** 20) }
  const software = { commit: code === 0 ? output.trim() : null, node: process.version, kernel: release() }
  writeFileSync(path, `${JSON.stringify({ at, machine, ...software, ...results, notMeasured }, null, 2)}\n`)
  return path
}

interface Limit {
  readonly text: string
  readonly allows: (real: number) => boolean
}

interface Figure {
  readonly name: string
  readonly bare: number | null
  readonly real: number | null
  readonly limit: Limit | null
}

const atLeast = (least: number): Limit => ({ text: `≥ ${whole(least)}`, allows: (real) => real >= least })
const below = (limit: number): Limit => ({ text: `< ${whole(limit)}`, allows: (real) => real < limit })

function figures({ config, writes }: BenchResults): readonly Figure[] {
  const full = writes.filter((run) => run.pace === null)
  const paced = writes.filter((run) => run.pace !== null)
  const at = `at ${whole(config.pace)}/s`
  const of = (
    name: string,
    runs: readonly WriteRun[],
    read: (run: WriteRun) => number | null,
    limit: Limit | null,
  ) => {
    return { name, bare: median(runs, 'bare', read), real: median(runs, 'real', read), limit }
  }
  return [
    of('accepted per second', full, (run) => run.acceptedPerSecond, atLeast(10_000)),
    of('committed per second', full, (run) => run.committedPerSecond, atLeast(10_000)),
    of('202: p99, ms, full speed', full, (run) => run.acceptP99Ms, null),
    of(`202: p99, ms, ${at}`, paced, (run) => run.acceptP99Ms, below(60)),
    of('accepted to committed: p99, ms, full speed', full, (run) => run.committedP99Ms, null),
    of(`accepted to committed: p99, ms, ${at}`, paced, (run) => run.committedP99Ms, below(100)),
    of('API memory, peak MB', full, (run) => run.apiPeakMb, below(250)),
    of('worker memory, peak MB', full, (run) => run.workerPeakMb, below(250)),
  ]
}

function targetOf({ name, real, limit }: Figure): Target | null {
  if (limit === null) return null
  const verdict = real === null ? 'unknown' : verdictOf(limit.allows(real))
  return { name, measured: orDash(real), wanted: limit.text, verdict }
}

function median(
  runs: readonly WriteRun[],
  name: PipelineName,
  of: (run: WriteRun) => number | null,
): number | null {
  const values = runs.filter((run) => run.pipeline === name).flatMap((run) => of(run) ?? [])
  return quantile(values, 0.5)
}

function orDash(value: number | null): string {
  return value === null ? '–' : whole(value)
}

function seconds(value: number | null): string {
  return value === null ? '–' : value.toFixed(1)
}

/** Says what the code costs, also where other work shares the machine. */
function perRequest(cpu: number | null, count: number): string {
  return cpu === null || count === 0 ? '–' : `${Math.round((cpu * 1e6) / count)} µs`
}

function megabytes(value: number | null): string {
  return value === null ? '–' : `${Math.round(value)} MB`
}
