/** What the bench of lists says, and its target. */
import { quantile } from '../quantiles.ts'
import { milliseconds, table, whole } from '../table.ts'
import { type Target, targetCells, verdictOf } from '../targets.ts'
import { listings } from './listings.ts'
import type { ListRun } from './runs.ts'
import type { Sale } from './slots.ts'

/** What the figures do not say. */
export const caveats: readonly string[] = [
  'Load generator, API, Kafka, worker, Postgres and Redis share this machine.',
  'Times are from when a page was due to the last byte of its answer, at a steady pace: nobody waits for the one before.',
  'Each page is read from the database, but for "the same page again". The statistics of Postgres are those of before the sale.',
  'Buyers meanwhile look at a slot and reserve it, the sooner ones more often, by Zipf’s law: the load generator sends theirs too.',
  'Not measured: a database larger than memory, a full second of each page, several APIs.',
]

const P99_MOST_MS = 20

export function listTable(runs: readonly ListRun[]): string {
  const rows = figures(runs).map((figure) => [
    figure.name,
    figure.items.toFixed(1),
    ...[figure.p50Ms, figure.p99Ms, figure.maxMs].map(milliseconds),
    perSecond(figure.queries),
    perSecond(figure.changes),
    perSecond(figure.writes),
    ...targetCells(targetOf(figure)),
  ])
  const columns = [
    'slots a page',
    'p50',
    'p99',
    'slowest',
    'queries/s',
    'changes/s',
    'writes/s',
    'target',
    '',
  ]
  return table([['GET /slots', ...columns], ...rows])
}

export function listTargets(runs: readonly ListRun[]): readonly Target[] {
  return figures(runs).map(targetOf)
}

/** What each process takes of one core; null when that is not known. */
export interface CpuShares {
  readonly sale: Sale
  readonly shares: Readonly<Record<string, number | null>>
}

export function cpuTable(all: readonly CpuShares[]): string {
  const names = Object.keys(all[0]?.shares ?? {})
  const percent = (share: number | null) => (share === null ? '–' : `${Math.round(share * 100)} %`)
  return table([
    ['CPU, of one core', ...all.map(({ sale }) => sale)],
    ...names.map((name) => [name, ...all.map(({ shares }) => percent(shares[name] ?? null))]),
  ])
}

/** Of all rounds together. */
interface Figure {
  readonly name: string
  readonly items: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly maxMs: number | null
  readonly queries: number | null
  readonly changes: number | null
  readonly writes: number | null
}

function figures(runs: readonly ListRun[]): readonly Figure[] {
  const sales = [...new Set(runs.map(({ sale }) => sale))]
  const names = listings
    .map(({ name }) => name)
    .filter((name) => runs.some(({ listing }) => listing === name))
  return sales.flatMap((sale) => names.map((name) => figureOf(runs, name, sale)))
}

function figureOf(runs: readonly ListRun[], name: string, sale: Sale): Figure {
  const mine = runs.filter((run) => run.listing === name && run.sale === sale)
  const latencies = mine.flatMap((run) => run.latenciesMs)
  const median = (of: (run: ListRun) => number | null) => {
    return quantile(
      mine.flatMap((run) => of(run) ?? []),
      0.5,
    )
  }
  return {
    name: `${name} (${sale})`,
    items: mine.reduce((sum, run) => sum + run.itemsPerPage, 0) / mine.length,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    maxMs: quantile(latencies, 1),
    queries: median((run) => run.queriesPerSecond),
    changes: median((run) => run.changesPerSecond),
    writes: median((run) => run.writesPerSecond),
  }
}

function targetOf({ name, p99Ms }: Figure): Target {
  return {
    name: `${name}, p99`,
    measured: milliseconds(p99Ms),
    wanted: `p99 < ${P99_MOST_MS} ms`,
    verdict: verdictOf(p99Ms !== null && p99Ms < P99_MOST_MS),
  }
}

function perSecond(value: number | null): string {
  return value === null ? '' : whole(value)
}
