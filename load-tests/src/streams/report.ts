/** What the bench of streams says, and its targets. */
import { quantile } from '../quantiles.ts'
import { milliseconds, table, whole } from '../table.ts'
import { type Target, targetCells, verdictOf } from '../targets.ts'
import type { FanoutResult } from './fanout.ts'
import type { VisibilityResult } from './visibility.ts'

/** What the figures do not say. */
export const caveats: readonly string[] = [
  'Clients, APIs, Kafka, worker, Postgres and Redis share this machine: a client sees a message when its process gets to it.',
  'A change is one reservation, answered once it is committed; one at a time, in a system that does nothing else.',
  'Reads look every 2 ms, through a connection of their own.',
  'Not measured: a network between the parts, TLS, slow clients, many slots at once.',
]

const MEMORY_MOST_MB = 300
const FANOUT_MOST_MS = 250
const VISIBLE_MOST_MS = 50

/** The API's memory, and the slowest change. */
export function fanoutTargets({ memory, askedToLastMs }: FanoutResult): readonly [Target, Target] {
  const peakMb = memory.after?.peakMb ?? null
  const last = quantile(askedToLastMs, 1)
  return [
    {
      name: 'API memory, peak',
      measured: megabytes(peakMb),
      wanted: `< ${MEMORY_MOST_MB} MB`,
      verdict: peakMb === null ? 'unknown' : verdictOf(peakMb < MEMORY_MOST_MB),
    },
    {
      name: 'asked for → the last stream, slowest',
      measured: milliseconds(last),
      wanted: `< ${FANOUT_MOST_MS} ms`,
      verdict: verdictOf(last !== null && last < FANOUT_MOST_MS),
    },
  ]
}

export function fanoutTable(result: FanoutResult): string {
  const { memory, cpuMicrosPerMessage } = result
  const [peak, last] = fanoutTargets(result)
  return table([
    [`${whole(result.streams)} streams, ${whole(result.changes)} changes`, '', 'target', ''],
    ['API memory before', megabytes(memory.before?.nowMb)],
    ['API memory with all open', megabytes(memory.open?.nowMb)],
    ['API memory after the changes', megabytes(memory.after?.nowMb)],
    [peak.name, peak.measured, ...targetCells(peak)],
    ['streams opened per second', whole(result.openedPerSecond)],
    ['API CPU per message', cpuMicrosPerMessage === null ? '–' : `${cpuMicrosPerMessage.toFixed(1)} µs`],
    ['milliseconds', 'p50, p99, most'],
    ['asked for → the stream in the middle', spread(result.askedToMiddleMs)],
    ['asked for → the last stream', spread(result.askedToLastMs), ...targetCells(last)],
    ['answered (201) → the last stream', spread(result.answeredToLastMs)],
    ['the first stream → the last', spread(result.spreadMs)],
  ])
}

export function visibilityTargets(result: VisibilityResult): readonly Target[] {
  return seenAt(result).map(({ name, values }) => {
    const p99 = quantile(values, 0.99)
    return {
      name: `${name}, p99`,
      measured: milliseconds(p99),
      wanted: `p99 < ${VISIBLE_MOST_MS} ms`,
      verdict: verdictOf(p99 !== null && p99 < VISIBLE_MOST_MS),
    }
  })
}

export function visibilityTable(result: VisibilityResult): string {
  const targets = visibilityTargets(result)
  const rows = seenAt(result).map(({ name, values }, index) => {
    const target = targets[index]
    return [name, spread(values), ...(target === undefined ? [] : targetCells(target))]
  })
  return table([
    [`${whole(result.changes)} changes, after their answer (201)`, 'p50, p99, most', 'target', ''],
    ...rows,
    ['reads of Redis meanwhile', whole(result.redisReads)],
  ])
}

function seenAt(result: VisibilityResult) {
  return [
    { name: 'GET at the same API', values: result.readHereMs },
    { name: 'GET at the other API', values: result.readThereMs },
    { name: 'a stream of the same API', values: result.streamedHereMs },
    { name: 'a stream of the other API', values: result.streamedThereMs },
    { name: 'asked for → seen everywhere', values: result.askedToEverywhereMs },
  ]
}

function spread(values: readonly number[]): string {
  return [0.5, 0.99, 1].map((share) => milliseconds(quantile(values, share))).join(', ')
}

function megabytes(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : `${Math.round(value)} MB`
}
