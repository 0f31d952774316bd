/**
 * The checks that need the log: partitions, outbox, events and outcomes, over one read of each topic.
 *
 * Order of reading: the fence's rows with the outbox (one snapshot), the logs, the fence's rows again. What had left
 * the outbox by the first look must be in the events topic; what is there must be below the second look's sequence.
 */
import { topics } from '@ironsys/contracts'
import type { TopicDescription } from '@ironsys/kafka'
import type { Pool } from '@ironsys/postgres'
import { readConsistently } from './consistent-read.ts'
import { type EventsSeen, scanEvents } from './events.ts'
import type { LogRange, LogSource } from './log-source.ts'
import { checkOutcomes } from './outcomes.ts'
import {
  type Bounds,
  checkFence,
  checkLastRecord,
  checkOutbox,
  type PartitionProgress,
  readFences,
  sayer,
} from './partitions.ts'
import type { Protocol } from './report.ts'

export interface LogAuditOptions {
  readonly logRecordsMax: number
  readonly stuckAfterMs: number
  readonly statementTimeoutMs: number
  readonly eventsMax: number
}

/** `partitions` and `outcomes`. */
export async function auditCommandLog(
  pool: Pool,
  log: LogSource,
  protocol: Protocol,
  options: LogAuditOptions,
  onRecords: (done: number, total: number) => void,
): Promise<void> {
  const topic = topics.reservationCommands
  const description = await log.describe(topic)
  const fences = await readConsistently(pool, options.statementTimeoutMs, readFences)
  if (description === null) throw new Error(`topic ${topic} is missing`)
  const bounds = await log.bounds(topic)
  const current = await fencesNotBelow(pool, fences, bounds, options.statementTimeoutMs)
  for (const fence of current) checkFence(fence, description, bounds.get(fence.partition), protocol)
  if (current.some((fence) => !isSameLog(fence, description))) {
    protocol.skip('outcomes', 'the log is not the one that the database was written from')
    return
  }
  await readBelowFences(pool, log, current, bounds, protocol, options, onRecords)
}

/**
 * `outbox`, which the database alone can tell. Answers by partition the last sequence that must be in the events topic.
 */
export async function auditOutbox(
  pool: Pool,
  protocol: Protocol,
  options: LogAuditOptions,
): Promise<ReadonlyMap<number, number>> {
  return readConsistently(pool, options.statementTimeoutMs, async (query) =>
    checkOutbox(query, await readFences(query), options.stuckAfterMs, protocol),
  )
}

/** `events`, after {@link auditOutbox}, whose answer is `published`. */
export async function auditEvents(
  pool: Pool,
  log: LogSource,
  published: ReadonlyMap<number, number>,
  protocol: Protocol,
  options: LogAuditOptions,
): Promise<void> {
  const bounds = await log.bounds(topics.reservationEvents)
  const seen = await scanEvents(log, bounds, options.eventsMax, protocol)
  const later = await readConsistently(pool, options.statementTimeoutMs, readFences)
  for (const fence of later) {
    const must = published.get(fence.partition) ?? 0
    checkEventsEnd(fence, must, seen.get(fence.partition), bounds.get(fence.partition), protocol)
  }
  for (const partition of seen.keys()) {
    if (!later.some((fence) => fence.partition === partition))
      sayer('events', partition, protocol)('it has events, but no row in partition_progress')
  }
}

function checkEventsEnd(
  fence: PartitionProgress,
  published: number,
  seen: EventsSeen | undefined,
  bounds: Bounds | undefined,
  protocol: Protocol,
): void {
  const say = sayer('events', fence.partition, protocol)
  // Nothing is kept any more: retention has taken all there was.
  if (seen === undefined && bounds !== undefined && bounds.low > 0) return
  const last = seen?.lastSeq ?? 0
  if (last < published)
    say(`events ${last + 1} to ${published} have left the outbox, but are not in the events topic`)
  if (last > fence.event_seq)
    say(`the events topic has event ${last}, but the partition is at ${fence.event_seq}`)
}

function isSameLog(fence: PartitionProgress, log: TopicDescription): boolean {
  return fence.cluster_id === log.clusterId && fence.partition_count === log.partitions
}

/** Retention may have passed a fence that has moved on meanwhile: then what it is now counts. */
async function fencesNotBelow(
  pool: Pool,
  fences: readonly PartitionProgress[],
  bounds: ReadonlyMap<number, Bounds>,
  timeoutMs: number,
): Promise<readonly PartitionProgress[]> {
  const isBelow = (fence: PartitionProgress) => fence.next_offset < (bounds.get(fence.partition)?.low ?? 0)
  if (!fences.some(isBelow)) return fences
  const later = await readConsistently(pool, timeoutMs, readFences)
  return fences.map((fence) => {
    return isBelow(fence) ? (later.find(({ partition }) => partition === fence.partition) ?? fence) : fence
  })
}

async function readBelowFences(
  pool: Pool,
  log: LogSource,
  fences: readonly PartitionProgress[],
  bounds: ReadonlyMap<number, Bounds>,
  protocol: Protocol,
  options: LogAuditOptions,
  onRecords: (done: number, total: number) => void,
): Promise<void> {
  const wanted = protocol.wants('outcomes') ? Math.max(1, options.logRecordsMax) : 1
  const ranges = new Map(
    fences.map((fence): [number, LogRange] => {
      const { low, high } = bounds.get(fence.partition) ?? { low: 0, high: 0 }
      const to = Math.min(fence.next_offset, high)
      return [fence.partition, { from: Math.max(low, to - wanted), to }]
    }),
  )
  const total = [...ranges.values()].reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0)
  const byPartition = new Map(fences.map((fence) => [fence.partition, fence]))
  let done = 0
  await log.read(topics.reservationCommands, ranges, async (partition, records) => {
    const fence = byPartition.get(partition)
    const last = records.find(({ offset }) => offset + 1 === fence?.next_offset)
    if (fence !== undefined && last !== undefined) checkLastRecord(fence, last, protocol)
    if (protocol.wants('outcomes')) {
      await readConsistently(pool, options.statementTimeoutMs, (query) =>
        checkOutcomes(query, partition, records, protocol),
      )
    }
    done += records.length
    onRecords(done, total)
  })
}
