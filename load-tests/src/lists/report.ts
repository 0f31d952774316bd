/** What the bench of lists says, and its target. */
import { quantile } from '../quantiles.ts'
import { milliseconds, table } from '../table.ts'
import { listings } from './listings.ts'
import type { ListRun } from './runs.ts'
import type { Sale } from './slots.ts'

/** What the figures do not say. */
export const caveats: readonly string[] = [
  'Load generator, API, Kafka, worker, Postgres and Redis share this machine.',
  'Times are from when a page was due to the last byte of its answer, at a steady pace: nobody waits for the one before.',
  'Each page is read from the database, but for "the same page again". The statistics of Postgres are those of before the sale.',
  'Not measured: reservations meanwhile, a database larger than memory, snapshots to lay over, a full second of each page.',
]

const P99_MOST_MS = 20

export function listTable(runs: readonly ListRun[]): string {
  const sales = [...new Set(runs.map(({ sale }) => sale))]
  const names = listings
    .map(({ name }) => name)
    .filter((name) => runs.some(({ listing }) => listing === name))
  const rows = sales.flatMap((sale) => names.map((name) => rowOf(runs, name, sale)))
  return table([['GET /slots', 'slots a page', 'p50', 'p99', 'slowest', 'target', ''], ...rows])
}

/** Of all rounds together. */
function rowOf(runs: readonly ListRun[], name: string, sale: Sale): readonly string[] {
  const mine = runs.filter((run) => run.listing === name && run.sale === sale)
  const latencies = mine.flatMap((run) => run.latenciesMs)
  const [p50, p99, most] = [0.5, 0.99, 1].map((share) => quantile(latencies, share))
  const items = mine.reduce((sum, run) => sum + run.itemsPerPage, 0) / mine.length
  const isReached = p99 !== null && p99 !== undefined && p99 < P99_MOST_MS
  return [
    `${name} (${sale})`,
    items.toFixed(1),
    milliseconds(p50 ?? null),
    milliseconds(p99 ?? null),
    milliseconds(most ?? null),
    `p99 < ${P99_MOST_MS} ms`,
    isReached ? 'reached' : 'MISSED',
  ]
}
