/** One point of the curve: so many requests a second are offered, and what becomes of them once the system has settled. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Cpu, cpuOf, differences } from '../bench/processes.ts'
import type { BenchStack } from '../bench/stack.ts'
import type { OverloadConfig } from '../config.ts'
import { readCounters } from '../counters.ts'
import { LoadTestFault } from '../faults.ts'
import { quantile, readBuckets } from '../quantiles.ts'
import { generateLoad, type LoadResult } from './open-loop.ts'

export interface Point {
  /** Of the sustainable rate; null: the closed loop that found it. */
  readonly factor: number | null
  readonly offeredPerSecond: number
  readonly acceptedPerSecond: number
  readonly refusedPerSecond: number
  readonly committedPerSecond: number
  readonly acceptedP50Ms: number | null
  readonly acceptedP99Ms: number | null
  readonly refusedP50Ms: number | null
  readonly refusedP99Ms: number | null
  /** By how much more was accepted than committed meanwhile; negative: a backlog became less. */
  readonly behind: number
  /** In parts of its threshold, in the middle of the looks at it. */
  readonly pressures: Readonly<Record<string, number>>
  readonly shedBy: Readonly<Record<string, number>>
  readonly unanswered: number
  readonly generatorLateP99Ms: number | null
  readonly cpuSeconds: Cpu
  /** Where the run contradicts itself. */
  readonly faults: readonly string[]
}

export interface Bench {
  readonly stack: BenchStack
  readonly config: OverloadConfig
  readonly slotId: string
  readonly signal: AbortSignal
}

const METRIC = 'ironsys_accepted_to_committed_seconds'
const LOOK_MS = 100
const PRESSURE_LOOK_MS = 250
/** Enough to keep the system busy, few enough that none of it waits for long. */
const CLOSED_LOOP_CONNECTIONS = 128
const ACCEPTED = '202'
const OVERLOADED = '503 overloaded'
/** It may have been accepted. */
const UNKNOWN = '503 outcome-unknown'

export async function measurePoint(
  bench: Bench,
  factor: number | null,
  perSecond: number | null,
  seconds: number,
): Promise<Point> {
  const { stack, config, slotId, signal } = bench
  const tag = `o${randomUUID().slice(0, 8)}`
  const before = await countsOf(stack)
  const cpuBefore = cpuOf(stack, stack.real)
  const ownBefore = ownCpuSeconds()
  const start = Promise.withResolvers<void>()
  const watched = start.promise.then(() => watchSystem(stack, config.settle, seconds))
  // Whoever waits for it is told; a generator that fails first ends the bench.
  watched.catch(() => undefined)
  const load = await generateLoad({
    url: stack.real.apiUrl,
    path: '/reservations',
    body: (n) => `{"slot_id":"${slotId}","user_id":"${tag}-${String(n).padStart(9, '0')}"}`,
    connections: perSecond === null ? CLOSED_LOOP_CONNECTIONS : config.connections,
    seconds: config.settle + seconds,
    settleSeconds: config.settle,
    perSecond,
    started: start.resolve,
    signal,
  })
  const { before: atStart, after: atEnd, pressures } = await watched
  const cpuSeconds = {
    'load generator': ownCpuSeconds() - ownBefore,
    ...differences(cpuBefore, cpuOf(stack, stack.real)),
  }
  const of = (name: string) => load.latenciesMs.get(name) ?? []
  const [accepted, refused] = [of(ACCEPTED), of(OVERLOADED)]
  const acceptedInAll = load.answers.get(ACCEPTED) ?? 0
  const committedInAll = await drain(bench, before.committed, acceptedInAll)
  const committed = atEnd.committed - atStart.committed
  return {
    factor,
    offeredPerSecond: load.offered / (config.settle + seconds),
    acceptedPerSecond: (load.inTime.get(ACCEPTED) ?? 0) / seconds,
    refusedPerSecond: (load.inTime.get(OVERLOADED) ?? 0) / seconds,
    committedPerSecond: committed / seconds,
    acceptedP50Ms: quantile(accepted, 0.5),
    acceptedP99Ms: quantile(accepted, 0.99),
    refusedP50Ms: quantile(refused, 0.5),
    refusedP99Ms: quantile(refused, 0.99),
    behind: (load.inTime.get(ACCEPTED) ?? 0) - committed,
    pressures,
    shedBy: subtract(atEnd.shed, atStart.shed),
    unanswered: load.unanswered,
    generatorLateP99Ms: quantile(load.lateMs, 0.99),
    cpuSeconds,
    faults: faultsOf(load, acceptedInAll, committedInAll),
  }
}

function faultsOf(load: LoadResult, accepted: number, committed: number): readonly string[] {
  const unknown = load.answers.get(UNKNOWN) ?? 0
  const others = [...load.answers].filter(([name]) => name !== ACCEPTED && name !== OVERLOADED)
  return [
    ...others.map(([name, count]) => `${count} were answered ${name}`),
    ...(load.faults > 0 ? [`${load.faults} connections broke`] : []),
    ...(committed < accepted ? [`${accepted} were accepted, only ${committed} committed`] : []),
    ...(committed > accepted + load.faults + load.unanswered + unknown
      ? [`${committed} were committed, only ${accepted} accepted`]
      : []),
  ]
}

/** Resolves to how many are committed when all that was accepted is, and no more come. */
async function drain({ stack, config, signal }: Bench, base: number, accepted: number): Promise<number> {
  let movedMs = performance.now()
  let last = -1
  for (;;) {
    if (signal.aborted) throw new LoadTestFault('interrupted')
    const committed = (await countsOf(stack)).committed - base
    if (committed !== last) movedMs = performance.now()
    last = committed
    const quietMs = performance.now() - movedMs
    if (committed >= accepted && quietMs > LOOK_MS * 3) return committed
    if (quietMs > config.patience * 1000) return committed
    await delay(LOOK_MS)
  }
}

/** Between the settling and the last request: what is counted, and what the shedder sees. */
async function watchSystem(stack: BenchStack, settleSeconds: number, seconds: number) {
  await delay(settleSeconds * 1000)
  const before = await countsOf(stack)
  const pressures = await watchPressure(stack, seconds)
  return { before, after: await countsOf(stack), pressures }
}

async function watchPressure({ real }: BenchStack, seconds: number): Promise<Point['pressures']> {
  const seen = new Map<string, number[]>()
  const untilMs = performance.now() + seconds * 1000
  while (performance.now() < untilMs) {
    const text = await (await fetch(real.apiMetricsUrl ?? '')).text()
    for (const { labels, value } of readCounters(text, 'ironsys_shed_pressure')) {
      const values = seen.get(labels.reason ?? '') ?? []
      seen.set(labels.reason ?? '', [...values, value])
    }
    await delay(Math.max(0, Math.min(PRESSURE_LOOK_MS, untilMs - performance.now())))
  }
  return Object.fromEntries([...seen].map(([reason, values]) => [reason, quantile(values, 0.5) ?? 0]))
}

interface Counts {
  readonly committed: number
  readonly shed: Readonly<Record<string, number>>
}

async function countsOf({ real }: BenchStack): Promise<Counts> {
  const [worker, api] = await Promise.all(
    [real.workerMetricsUrl, real.apiMetricsUrl ?? ''].map(async (url) => (await fetch(url)).text()),
  )
  const committed = readBuckets(worker ?? '', METRIC).get(Number.POSITIVE_INFINITY) ?? 0
  const shed = readCounters(api ?? '', 'ironsys_shed_total')
  const byReason = Map.groupBy(shed, ({ labels }) => labels.reason ?? '')
  const sums = [...byReason].map(([reason, cells]) => [
    reason,
    cells.reduce((sum, { value }) => sum + value, 0),
  ])
  return { committed, shed: Object.fromEntries(sums) }
}

function subtract(after: Counts['shed'], before: Counts['shed']): Counts['shed'] {
  const grown = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)] as const)
  return Object.fromEntries(grown.filter(([, value]) => value > 0))
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
