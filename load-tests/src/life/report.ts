/** What the bench of a reservation's life says, and its targets. */
import { quantile } from '../quantiles.ts'
import { milliseconds, table, whole } from '../table.ts'
import { type Target, targetCells, verdictOf } from '../targets.ts'
import type { BurstResult } from './burst.ts'
import type { IdleResult } from './idle.ts'
import { type Mix, mixes, type Size } from './mixes.ts'
import { type PairRun, ways } from './pairs.ts'
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

function rateTarget(runs: readonly RateRun[], mix: Mix): Target {
  const ratio = medianOfRounds(runs, (rate) => rate(mix, 'large') / rate(mix, 'small'))
  return {
    name: `rate at a large slot, of a small one’s: ${mix}`,
    measured: ratio?.toFixed(2) ?? '–',
    wanted: `≥ ${RATIO_LEAST}`,
    verdict: verdictOf(ratio !== null && ratio >= RATIO_LEAST),
  }
}

export function rateTargets(runs: readonly RateRun[]): readonly Target[] {
  return mixes.map((mix) => rateTarget(runs, mix))
}

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
    const target = rateTarget(runs, mix)
    return [
      mix,
      small === null ? '–' : whole(small),
      large === null ? '–' : whole(large),
      target.measured,
      ...targetCells(target),
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

/** The writer alone: what a hold and a confirmation take of its time. */
export function confirmationTable(runs: readonly RateRun[]): string {
  const row = (name: string, cost: (rate: RateOf, size: Size) => number) => {
    const of = (size: Size) => medianOfRounds(runs, (rate) => cost(rate, size))?.toFixed(2) ?? '–'
    return [name, of('small'), of('large')]
  }
  return table([
    ['writer’s time, in times of one reservation', 'small slot', 'large slot'],
    row('a hold and its confirmation soon after', (rate, size) => {
      return (2 * rate('reserve', size)) / rate('hold+confirm', size)
    }),
    row('a confirmation whose hold comes from the database', (rate, size) => {
      return rate('reserve', size) / rate('confirm', size)
    }),
  ])
}

interface PairCost {
  readonly name: string
  readonly of: (run: PairRun) => number
  readonly most: number | null
}

const pairCosts: readonly PairCost[] = [
  { name: 'time, everything busy', of: (run) => 1e6 / run.confirmedPerSecond, most: PAIR_COST_MOST },
  { name: 'CPU of all processes', of: (run) => cpuMicros(run), most: PAIR_COST_MOST },
  ...['api', 'worker', 'postgres', 'kafka'].map((name) => {
    return { name: `  ${name}`, of: (run: PairRun) => cpuMicros(run, name), most: null }
  }),
]

function cpuMicros({ cpuSeconds, confirmed }: PairRun, name?: string): number {
  const seconds = Object.entries(cpuSeconds).map(([process, each]) => {
    return name === undefined || process === name ? (each ?? 0) : 0
  })
  return (seconds.reduce((sum, each) => sum + each, 0) * 1e6) / confirmed
}

/** How many times as much those that are held first take: the median of the rounds. */
function timesOf(runs: readonly PairRun[], of: PairCost['of']): number | null {
  const rounds = [...new Set(runs.map(({ round }) => round))]
  const ratios = rounds.flatMap((round) => {
    const [plain, pair] = ways.map((way) => runs.find((run) => run.round === round && run.way === way))
    return plain === undefined || pair === undefined ? [] : of(pair) / of(plain)
  })
  // Without any CPU that is known there is no ratio.
  return quantile(ratios.filter(Number.isFinite), 0.5)
}

function pairTarget(runs: readonly PairRun[], { name, of, most }: PairCost): Target | null {
  if (most === null) return null
  const times = timesOf(runs, of)
  return {
    name: `held first, in times of at once: ${name}`,
    measured: times?.toFixed(2) ?? '–',
    wanted: `≤ ${most}`,
    verdict: times === null ? 'unknown' : verdictOf(times <= most),
  }
}

export function pairTargets(runs: readonly PairRun[]): readonly Target[] {
  return pairCosts.flatMap((cost) => pairTarget(runs, cost) ?? [])
}

/** Over HTTP, of everything that takes part: medians of the rounds. */
export function pairTable(runs: readonly PairRun[]): string {
  const rows = pairCosts.map((cost) => {
    const [plain, pair] = ways.map((way) => {
      const own = runs.filter((run) => run.way === way)
      return quantile(
        own.map((run) => cost.of(run)),
        0.5,
      )
    })
    const times = timesOf(runs, cost.of)?.toFixed(2) ?? '–'
    const target = pairTarget(runs, cost)
    const cells = [cost.name, micros(plain ?? null), micros(pair ?? null), times]
    return [...cells, ...(target === null ? [] : targetCells(target))]
  })
  return table([
    ['µs of each confirmed reservation, over HTTP', 'at once', 'held first', 'times', 'target', ''],
    ...rows,
  ])
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

export function idleTargets(result: IdleResult): readonly Target[] {
  return idleDelays(result).map(({ name, values }) => {
    const most = quantile(values, 1)
    return {
      name: `a hold of an idle system: ${name}`,
      measured: milliseconds(most),
      wanted: `< ${IDLE_MOST_MS} ms`,
      verdict: verdictOf(most !== null && most < IDLE_MOST_MS),
    }
  })
}

export function idleTable(result: IdleResult): string {
  const targets = idleTargets(result)
  const rows = idleDelays(result).map(({ name, values }, index) => {
    const target = targets[index]
    return [name, spread(values), ...(target === undefined ? [] : targetCells(target))]
  })
  return table([
    [`${whole(result.holds)} holds of an idle system, after their end`, 'p50, p99, slowest', 'target', ''],
    ...rows,
  ])
}

function idleDelays({ decidedAfterMs, shownAfterMs }: IdleResult) {
  return [
    { name: 'the ledger says so (log time)', values: decidedAfterMs },
    { name: 'GET /slots/:id shows it', values: shownAfterMs },
  ]
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
