/**
 * The checks that need the log: partitions, outbox, events and outcomes, over one read of each topic.
 *
 * Order of reading: the fence's rows with the outbox (one snapshot), the logs, the fence's rows again. What had left
 * the outbox by the first look must be in the events topic; what is there must be below the second look's sequence.
 */
import { topics } from '@ironsys/contracts'
import type { LogRecord } from '@ironsys/engine'
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
  readClockMs,
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
  const waiting = await readAtFences(pool, log, current, bounds, protocol, options, onRecords)
  await checkWaiting(pool, current, bounds, waiting, protocol, options)
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

const waitingRemedy =
  "start a worker, or see in the worker's log why the partition halted: ironsys_halted_partitions"

/**
 * What is above the fences: `waiting` is the oldest record of each. It is stuck when it is old and the fence has not
 * moved while the log was read. A partition of which the log has records needs a row, once they are old or removed.
 */
async function checkWaiting(
  pool: Pool,
  before: readonly PartitionProgress[],
  bounds: ReadonlyMap<number, Bounds>,
  waiting: ReadonlyMap<number, LogRecord>,
  protocol: Protocol,
  { stuckAfterMs, statementTimeoutMs }: LogAuditOptions,
): Promise<void> {
  const { later, nowMs } = await readConsistently(pool, statementTimeoutMs, async (query) => ({
    later: await readFences(query),
    nowMs: await readClockMs(query),
  }))
  const nextOf = (fences: readonly PartitionProgress[], of: number) =>
    fences.find(({ partition }) => partition === of)?.next_offset ?? null
  for (const [partition, { low, high }] of bounds) {
    const next = nextOf(later, partition)
    if (next !== nextOf(before, partition)) continue
    const record = waiting.get(partition)
    const ageMs = record === undefined ? 0 : nowMs - record.timeMs
    const old = ageMs > stuckAfterMs
    if (next === null && (old || low > 0))
      sayer(
        'partitions',
        partition,
        protocol,
      )(`the log ends at ${high}, but it has no row in partition_progress`)
    if (record !== undefined && old)
      sayer(
        'outcomes',
        partition,
        protocol,
      )(
        `offset ${record.offset} and those after it are undecided for ${Math.round(ageMs / 1000)} s`,
        waitingRemedy,
      )
  }
}

/** What is below each fence is checked; answers the first record above each. */
async function readAtFences(
  pool: Pool,
  log: LogSource,
  fences: readonly PartitionProgress[],
  bounds: ReadonlyMap<number, Bounds>,
  protocol: Protocol,
  options: LogAuditOptions,
  onRecords: (done: number, total: number) => void,
): Promise<ReadonlyMap<number, LogRecord>> {
  const wanted = protocol.wants('outcomes') ? Math.max(1, options.logRecordsMax) : 1
  const byPartition = new Map(fences.map((fence) => [fence.partition, fence]))
  const ranges = new Map(
    [...bounds].map(([partition, { low, high }]): [number, LogRange] => {
      const next = byPartition.get(partition)?.next_offset ?? 0
      const end = Math.max(low, Math.min(next, high))
      return [partition, { from: Math.max(low, end - wanted), to: Math.min(high, end + 1) }]
    }),
  )
  const total = [...ranges.values()].reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0)
  const waiting = new Map<number, LogRecord>()
  let done = 0
  await log.read(topics.reservationCommands, ranges, async (partition, records) => {
    const fence = byPartition.get(partition)
    const next = fence?.next_offset ?? 0
    const last = records.find(({ offset }) => offset + 1 === next)
    const above = records.find(({ offset }) => offset >= next)
    if (above !== undefined) waiting.set(partition, above)
    const below = records.filter(({ offset }) => offset < next)
    if (fence !== undefined && last !== undefined) checkLastRecord(fence, last, protocol)
    if (protocol.wants('outcomes') && below.length > 0) {
      await readConsistently(pool, options.statementTimeoutMs, (query) =>
        checkOutcomes(query, partition, below, protocol),
      )
    }
    done += records.length
    onRecords(done, total)
  })
  return waiting
}
