/**
 * The checks that need the log: partitions, outbox, events and outcomes, over one read of each topic.
 *
 * Order of reading: the fence's rows with the outbox (one snapshot), the logs, the fence's rows again. What had left
 * the outbox by the first look must be in the events topic; what is there must be below the second look's sequence.
 */
import type { LogRecord } from '@ironsys/engine'
import type { TopicDescription } from '@ironsys/kafka'
import type { Pool } from '@ironsys/postgres'
import { type Query, readConsistently } from './consistent-read.ts'
import { contentFaults } from './event-contents.ts'
import { type EventsSeen, type LogTopics, scanEvents } from './events.ts'
import type { LogRange, LogSource } from './log-source.ts'
import { checkOutcomes, type OutcomeRules } from './outcomes.ts'
import {
  type Bounds,
  checkFence,
  checkLastRecord,
  checkOutbox,
  checkStrangeSegments,
  type PartitionProgress,
  readClockMs,
  readFences,
  sayer,
} from './partitions.ts'
import type { Protocol } from './report.ts'
import { judgeSuspects, noteSuspects, type SuspectsByPartition } from './retired.ts'

export interface LogAuditOptions {
  readonly logRecordsMax: number
  readonly stuckAfterMs: number
  readonly statementTimeoutMs: number
  readonly eventsMax: number
}

/** `partitions` and `outcomes` of one topic. */
export async function auditCommandLog(
  pool: Pool,
  log: LogSource,
  rules: OutcomeRules,
  protocol: Protocol,
  options: LogAuditOptions,
  onRecords: (done: number, total: number) => void,
): Promise<void> {
  const { topic } = rules
  const readAll = (query: Query) => readFences(query, topic)
  const description = await log.describe(topic)
  const fences = await readConsistently(pool, options.statementTimeoutMs, readAll)
  if (description === null) throw new Error(`topic ${topic} is missing`)
  const bounds = await log.bounds(topic)
  const current = await fencesNotBelow(pool, topic, fences, bounds, options.statementTimeoutMs)
  for (const fence of current) checkFence(fence, description, bounds.get(fence.partition), protocol)
  if (current.some((fence) => !isSameLog(fence, description))) {
    protocol.skip('outcomes', 'the log is not the one that the database was written from')
    return
  }
  const seen = await readAtFences(pool, log, rules, current, bounds, protocol, options, onRecords)
  if (seen.suspects.size > 0) {
    const later = await readConsistently(pool, options.statementTimeoutMs, readAll)
    const nextOffsets = new Map(later.map(({ partition, next_offset }) => [partition, next_offset]))
    await judgeSuspects(log, rules, seen.suspects, nextOffsets, protocol)
  }
  await checkWaiting(pool, topic, current, bounds, seen.waiting, protocol, options)
}

/**
 * `outbox` of one topic, which the database alone can tell. Answers by partition the last sequence that must be in the
 * events topic.
 */
export async function auditOutbox(
  pool: Pool,
  topic: string,
  protocol: Protocol,
  options: LogAuditOptions,
): Promise<ReadonlyMap<number, number>> {
  return readConsistently(pool, options.statementTimeoutMs, async (query) =>
    checkOutbox(query, topic, await readFences(query, topic), options.stuckAfterMs, protocol),
  )
}

/** `outbox`: rows that belong to no writer. */
export async function auditStrangeOutbox(
  pool: Pool,
  protocol: Protocol,
  options: LogAuditOptions,
): Promise<void> {
  await readConsistently(pool, options.statementTimeoutMs, (query) => checkStrangeSegments(query, protocol))
}

/** `events`, after {@link auditOutbox}, whose answer is `published`. */
export async function auditEvents(
  pool: Pool,
  log: LogSource,
  topics: LogTopics,
  published: ReadonlyMap<number, number>,
  protocol: Protocol,
  options: LogAuditOptions,
): Promise<void> {
  const bounds = await log.bounds(topics.events)
  const contentFaultsOf = (records: readonly LogRecord[]) =>
    readConsistently(pool, options.statementTimeoutMs, (query) => contentFaults(query, records))
  const seen = await scanEvents(log, contentFaultsOf, topics, bounds, options.eventsMax, protocol)
  const later = await readConsistently(pool, options.statementTimeoutMs, (query) =>
    readFences(query, topics.commands),
  )
  for (const fence of later) {
    const must = published.get(fence.partition) ?? 0
    checkEventsEnd(fence, must, seen.get(fence.partition), bounds.get(fence.partition), protocol)
  }
  for (const partition of seen.keys()) {
    if (!later.some((fence) => fence.partition === partition))
      sayer(
        'events',
        { topic: topics.commands, partition },
        protocol,
      )('it has events, but no row in partition_progress')
  }
}

function checkEventsEnd(
  fence: PartitionProgress,
  published: number,
  seen: EventsSeen | undefined,
  bounds: Bounds | undefined,
  protocol: Protocol,
): void {
  const say = sayer('events', fence, protocol)
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
  topic: string,
  fences: readonly PartitionProgress[],
  bounds: ReadonlyMap<number, Bounds>,
  timeoutMs: number,
): Promise<readonly PartitionProgress[]> {
  const isBelow = (fence: PartitionProgress) => fence.next_offset < (bounds.get(fence.partition)?.low ?? 0)
  if (!fences.some(isBelow)) return fences
  const later = await readConsistently(pool, timeoutMs, (query) => readFences(query, topic))
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
  topic: string,
  before: readonly PartitionProgress[],
  bounds: ReadonlyMap<number, Bounds>,
  waiting: ReadonlyMap<number, LogRecord>,
  protocol: Protocol,
  { stuckAfterMs, statementTimeoutMs }: LogAuditOptions,
): Promise<void> {
  const { later, nowMs } = await readConsistently(pool, statementTimeoutMs, async (query) => ({
    later: await readFences(query, topic),
    nowMs: await readClockMs(query),
  }))
  const nextOf = (fences: readonly PartitionProgress[], of: number) =>
    fences.find(({ partition }) => partition === of)?.next_offset ?? null
  for (const [partition, { low, high }] of bounds) {
    const id = { topic, partition }
    const next = nextOf(later, partition)
    if (next !== nextOf(before, partition)) continue
    const record = waiting.get(partition)
    const ageMs = record === undefined ? 0 : nowMs - record.timeMs
    const old = ageMs > stuckAfterMs
    if (next === null && (old || low > 0))
      sayer('partitions', id, protocol)(`the log ends at ${high}, but it has no row in partition_progress`)
    if (record !== undefined && old)
      sayer(
        'outcomes',
        id,
        protocol,
      )(
        `offset ${record.offset} and those after it are undecided for ${Math.round(ageMs / 1000)} s`,
        waitingRemedy,
      )
  }
}

interface SeenAtFences {
  /** The first record above each fence. */
  readonly waiting: ReadonlyMap<number, LogRecord>
  readonly suspects: SuspectsByPartition
}

/** What is below each fence is checked. */
async function readAtFences(
  pool: Pool,
  log: LogSource,
  rules: OutcomeRules,
  fences: readonly PartitionProgress[],
  bounds: ReadonlyMap<number, Bounds>,
  protocol: Protocol,
  options: LogAuditOptions,
  onRecords: (done: number, total: number) => void,
): Promise<SeenAtFences> {
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
  const suspects: SuspectsByPartition = new Map()
  let done = 0
  await log.read(rules.topic, ranges, async (partition, records) => {
    const fence = byPartition.get(partition)
    const next = fence?.next_offset ?? 0
    const last = records.find(({ offset }) => offset + 1 === next)
    const above = records.find(({ offset }) => offset >= next)
    if (above !== undefined) waiting.set(partition, above)
    const below = records.filter(({ offset }) => offset < next)
    if (fence !== undefined && last !== undefined) checkLastRecord(fence, last, protocol)
    if (protocol.wants('outcomes') && below.length > 0) {
      const missing = await readConsistently(pool, options.statementTimeoutMs, (query) =>
        checkOutcomes(query, rules, partition, below, protocol),
      )
      noteSuspects(suspects, partition, missing, protocol)
    }
    done += records.length
    onRecords(done, total)
  })
  return { waiting, suspects }
}
