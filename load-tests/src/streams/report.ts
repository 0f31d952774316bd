/** What the bench of streams says, and its targets. */
import { quantile } from '../quantiles.ts'
import { milliseconds, table, whole } from '../table.ts'
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

export function fanoutTable(result: FanoutResult): string {
  const { memory, cpuMicrosPerMessage } = result
  const peakMb = memory.after?.peakMb ?? null
  const last = Math.max(...result.askedToLastMs)
  return table([
    [`${whole(result.streams)} streams, ${whole(result.changes)} changes`, '', 'target', ''],
    ['API memory before', megabytes(memory.before?.nowMb)],
    ['API memory with all open', megabytes(memory.open?.nowMb)],
    ['API memory after the changes', megabytes(memory.after?.nowMb)],
    [
      'API memory, peak',
      megabytes(peakMb),
      `< ${MEMORY_MOST_MB} MB`,
      verdict(peakMb !== null && peakMb < MEMORY_MOST_MB),
    ],
    ['streams opened per second', whole(result.openedPerSecond)],
    ['API CPU per message', cpuMicrosPerMessage === null ? '–' : `${cpuMicrosPerMessage.toFixed(1)} µs`],
    ['milliseconds', 'p50, p99, most'],
    ['asked for → the stream in the middle', spread(result.askedToMiddleMs)],
    [
      'asked for → the last stream',
      spread(result.askedToLastMs),
      `< ${FANOUT_MOST_MS} ms`,
      verdict(last < FANOUT_MOST_MS),
    ],
    ['answered (201) → the last stream', spread(result.answeredToLastMs)],
    ['the first stream → the last', spread(result.spreadMs)],
  ])
}

export function visibilityTable(result: VisibilityResult): string {
  const row = (name: string, values: readonly number[]) => {
    const p99 = quantile(values, 0.99)
    return [
      name,
      spread(values),
      `p99 < ${VISIBLE_MOST_MS} ms`,
      verdict(p99 !== null && p99 < VISIBLE_MOST_MS),
    ]
  }
  return table([
    [`${whole(result.changes)} changes, after their answer (201)`, 'p50, p99, most', 'target', ''],
    row('GET at the same API', result.readHereMs),
    row('GET at the other API', result.readThereMs),
    row('a stream of the same API', result.streamedHereMs),
    row('a stream of the other API', result.streamedThereMs),
    row('asked for → seen everywhere', result.askedToEverywhereMs),
    ['reads of Redis meanwhile', whole(result.redisReads)],
  ])
}

function spread(values: readonly number[]): string {
  return [0.5, 0.99, 1].map((share) => milliseconds(quantile(values, share))).join(', ')
}

function megabytes(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : `${Math.round(value)} MB`
}

function verdict(isReached: boolean): string {
  return isReached ? 'reached' : 'MISSED'
}
