/** What the bench of a reservation's life says, and its targets. */
import { quantile } from '../quantiles.ts'
import { milliseconds, table, whole } from '../table.ts'
import type { BurstResult } from './burst.ts'
import type { IdleResult } from './idle.ts'
import { type Mix, mixes, type Size } from './mixes.ts'
import type { RateRun } from './rates.ts'

/** What the figures do not say. */
export const caveats: readonly string[] = [
  'Load generator, API, Kafka, worker, Postgres and Redis share this machine.',
  'Rates are those of one partition draining a log that was written before; commands go past the API.',
  'Time of commit is when another connection sees it, looking every 5 ms; a slot is read every 10 ms.',
  'Not measured: slots that are not in memory, several partitions at once, a full disk cache, replication.',
]

const RATIO_LEAST = 0.8
const PAIR_COST_MOST = 2
const IDLE_MOST_MS = 250

export function rateTable(runs: readonly RateRun[]): string {
  const perCommand = (mix: Mix, size: Size, name: string) =>
    median(runs, mix, size, ({ cpuSeconds, commands }) => {
      const seconds = cpuSeconds[name] ?? null
      return seconds === null ? null : (seconds * 1e6) / commands
    })
  const cpu = (mix: Mix, name: string) =>
    `${micros(perCommand(mix, 'small', name))} → ${micros(perCommand(mix, 'large', name))}`
  const rows = mixes.map((mix) => {
    const [small, large] = [rateOf(runs, mix, 'small'), rateOf(runs, mix, 'large')]
    const ratio = medianOfRounds(runs, (rate) => rate(mix, 'large') / rate(mix, 'small'))
    return [
      mix,
      small === null ? '–' : whole(small),
      large === null ? '–' : whole(large),
      ratio?.toFixed(2) ?? '–',
      `≥ ${RATIO_LEAST}`,
      verdict(ratio !== null && ratio >= RATIO_LEAST),
      cpu(mix, 'worker'),
      cpu(mix, 'postgres'),
    ]
  })
  return table([
    [
      'commands/s, median',
      'small slot',
      'large slot',
      'large / small',
      'target',
      '',
      'worker CPU, µs',
      'Postgres CPU, µs',
    ],
    ...rows,
  ])
}

export function pairTable(runs: readonly RateRun[]): string {
  const row = (name: string, size: Size, most: number | null, cost: (rate: RateOf) => number) => {
    const times = medianOfRounds(runs, cost)
    const target = most === null ? ['', ''] : [`≤ ${most}`, verdict(times !== null && times <= most)]
    return [`${name}, ${size} slot`, times?.toFixed(2) ?? '–', ...target]
  }
  const rows = (['small', 'large'] as const).flatMap((size) => [
    row('a hold and its confirmation soon after', size, PAIR_COST_MOST, (rate) => {
      return (2 * rate('reserve', size)) / rate('hold+confirm', size)
    }),
    row('a confirmation whose hold comes from the database', size, null, (rate) => {
      return rate('reserve', size) / rate('confirm', size)
    }),
  ])
  return table([['in times of one reservation', '', 'target', ''], ...rows])
}

export function burstTable(burst: BurstResult): string {
  const { perCommit, before, during } = burst
  return table([
    [`${whole(burst.holds)} holds that end within ${burst.spreadMs} ms`, ''],
    ['the last is released after', milliseconds(burst.releasedAfterMs)],
    ['commits', whole(perCommit.length)],
    [
      'released by a commit: median, most',
      `${whole(quantile(perCommit, 0.5) ?? 0)}, ${whole(Math.max(...perCommit))}`,
    ],
    [`log to commit of the others before (${whole(before.length)})`, spread(before)],
    [`log to commit of the others meanwhile (${whole(during.length)})`, spread(during)],
  ])
}

export function idleTable({ holds, decidedAfterMs, shownAfterMs }: IdleResult): string {
  const row = (name: string, values: readonly number[]) => {
    const most = Math.max(...values)
    return [name, spread(values), `< ${IDLE_MOST_MS} ms`, verdict(most < IDLE_MOST_MS)]
  }
  return table([
    [`${whole(holds)} holds of an idle system, after their end`, 'p50, p99, slowest', 'target', ''],
    row('the ledger says so (log time)', decidedAfterMs),
    row('GET /slots/:id shows it', shownAfterMs),
  ])
}

type RateOf = (mix: Mix, size: Size) => number

/** Of a figure that is worked out within each round, so that a machine that slows down does not show in it. */
function medianOfRounds(runs: readonly RateRun[], of: (rate: RateOf) => number): number | null {
  const rounds = [...new Set(runs.map(({ round }) => round))]
  const values = rounds.map((round) =>
    of((mix, size) => {
      const run = runs.find((each) => each.round === round && each.mix === mix && each.size === size)
      return run?.perSecond ?? Number.NaN
    }),
  )
  return quantile(values.filter(Number.isFinite), 0.5)
}

function rateOf(runs: readonly RateRun[], mix: Mix, size: Size): number | null {
  return median(runs, mix, size, (run) => run.perSecond)
}

function median(
  runs: readonly RateRun[],
  mix: Mix,
  size: Size,
  of: (run: RateRun) => number | null,
): number | null {
  const values = runs.filter((run) => run.mix === mix && run.size === size).flatMap((run) => of(run) ?? [])
  return quantile(values, 0.5)
}

function spread(values: readonly number[]): string {
  return [0.5, 0.99, 1].map((share) => milliseconds(quantile(values, share))).join(', ')
}

function micros(value: number | null): string {
  return value === null ? '–' : `${Math.round(value)}`
}

function verdict(isReached: boolean): string {
  return isReached ? 'reached' : 'MISSED'
}
