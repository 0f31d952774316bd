/**
 * The checks `partitions` and `outbox`: the fence's rows against the command log.
 *
 * Order of reading: the fence's row first, the log's bounds after it. The log only grows, so that a fence beyond its
 * end is never a race; a fence below its beginning is looked at again.
 */
import { commandTopics } from '@ironsys/contracts'
import { type LogRecord, type PartitionId, recordDigest } from '@ironsys/engine'
import type { TopicDescription } from '@ironsys/kafka'
import { z } from 'zod'
import type { Query } from './consistent-read.ts'
import type { CheckName, Protocol } from './report.ts'

const progressRows = z.array(
  z.object({
    topic: z.string(),
    partition: z.int(),
    cluster_id: z.string(),
    partition_count: z.int(),
    next_offset: z.coerce.number(),
    event_seq: z.coerce.number(),
    digest: z.string().nullable(),
    log_time: z.coerce.number(),
    record_time: z.coerce.number().nullable(),
    /** By the database's clock, Unix milliseconds. */
    now: z.coerce.number(),
  }),
)
export type PartitionProgress = z.infer<typeof progressRows>[number]

/** The fence's rows of a command topic, in the order of their partitions. */
export async function readFences(query: Query, topic: string): Promise<readonly PartitionProgress[]> {
  const text = `
SELECT topic, partition, cluster_id, partition_count, next_offset, event_seq, last_record_digest AS digest,
       (extract(epoch FROM log_time) * 1000)::bigint AS log_time,
       (extract(epoch FROM last_record_time) * 1000)::bigint AS record_time,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
  FROM partition_progress WHERE topic = $1 ORDER BY partition`
  return progressRows.parse(await query(text, [topic]))
}

/** The database's clock, Unix milliseconds. */
export async function readClockMs(query: Query): Promise<number> {
  const text = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now'
  return clockRow.parse((await query(text))[0]).now
}

const clockRow = z.object({ now: z.coerce.number() })

/** A broker's clock may be this far ahead of the database's. */
const CLOCK_TOLERANCE_MS = 60_000

export interface Bounds {
  readonly low: number
  readonly high: number
}

/** The fence against the log as a whole; its last record is compared by {@link checkLastRecord}. */
export function checkFence(
  fence: PartitionProgress,
  log: TopicDescription,
  bounds: Bounds | undefined,
  protocol: Protocol,
): void {
  const { next_offset: next, log_time: logTimeMs, record_time: recordTimeMs } = fence
  const say = sayer('partitions', fence, protocol)
  protocol.count('partitions', 1)
  if (fence.cluster_id !== log.clusterId)
    say(`it was written from Kafka cluster ${fence.cluster_id}, this is ${log.clusterId}`)
  if (fence.partition_count !== log.partitions)
    say(`it was written with ${fence.partition_count} partitions, the topic has ${log.partitions}`)
  if (bounds === undefined) say('the log has no such partition')
  else if (next > bounds.high)
    say(`next_offset is ${next}, but the log ends at ${bounds.high}: it has lost its tail`)
  else if (next < bounds.low)
    say(`next_offset is ${next}, but the log begins at ${bounds.low}: undecided commands were removed`)
  if (next > 0 && (fence.digest === null || recordTimeMs === null))
    say(`next_offset is ${next}, but no last record is remembered`)
  if (next === 0 && (fence.digest !== null || fence.event_seq > 0))
    say(`next_offset is 0, but the partition has decided before and is at event ${fence.event_seq}`)
  if (recordTimeMs !== null && recordTimeMs > logTimeMs)
    say(`log_time is before the time of the last record: ${timeOf(logTimeMs)}, ${timeOf(recordTimeMs)}`)
  if (logTimeMs > fence.now + CLOCK_TOLERANCE_MS)
    say(`log_time is ahead of the database's clock: ${timeOf(logTimeMs)}, ${timeOf(fence.now)}`)
}

/** The record at `next_offset` − 1 against what the fence remembers of it. */
export function checkLastRecord(fence: PartitionProgress, record: LogRecord, protocol: Protocol): void {
  if (fence.digest === null || fence.record_time === null) return
  const say = sayer('partitions', fence, protocol)
  const digest = recordDigest(record)
  if (digest !== fence.digest)
    say(
      `the record at offset ${record.offset} is not the one that was applied: digest ${digest}, applied ${fence.digest}`,
    )
  else if (record.timeMs !== fence.record_time)
    say(
      `the record at offset ${record.offset} has time ${timeOf(record.timeMs)}, applied ${timeOf(fence.record_time)}`,
    )
}

const segmentRows = z.array(
  z.object({
    partition: z.int(),
    first: z.coerce.number(),
    last: z.coerce.number(),
    age: z.coerce.number(),
  }),
)

/**
 * What is unpublished, oldest first, at most {@link SEGMENTS_MAX} segments. Answers by partition the last sequence that
 * must be in the events topic, because its segment has left the outbox.
 */
export async function checkOutbox(
  query: Query,
  topic: string,
  fences: readonly PartitionProgress[],
  stuckAfterMs: number,
  protocol: Protocol,
): Promise<ReadonlyMap<number, number>> {
  const text = `
SELECT partition, first_seq AS first, last_seq AS last, (extract(epoch FROM clock_timestamp() - created_at) * 1000)::bigint AS age
  FROM outbox WHERE topic = $1 ORDER BY partition, last_seq LIMIT ${SEGMENTS_MAX}`
  const all = segmentRows.parse(await query(text, [topic]))
  if (all.length === SEGMENTS_MAX)
    protocol.skip('outbox', `only the first ${SEGMENTS_MAX} segments were read`)
  protocol.count('outbox', all.length)
  return new Map(
    fences.map((fence) => {
      const segments = all.filter(({ partition }) => partition === fence.partition)
      checkSegments(fence, segments, all.length < SEGMENTS_MAX, stuckAfterMs, protocol)
      return [fence.partition, (segments[0]?.first ?? fence.event_seq + 1) - 1]
    }),
  )
}

const SEGMENTS_MAX = 100_000
/** Partitions without progress whose segments are named. */
const STRANGE_MAX = 100

const strangeRows = z.array(z.object({ topic: z.string(), partition: z.int(), segments: z.int() }))

/** Segments that no writer reads, because nobody writes their partition. */
export async function checkStrangeSegments(query: Query, protocol: Protocol): Promise<void> {
  const text = `
SELECT topic, partition, count(*)::int AS segments FROM outbox o
 WHERE topic <> ALL ($1) OR NOT EXISTS (SELECT FROM partition_progress p WHERE p.topic = o.topic AND p.partition = o.partition)
 GROUP BY topic, partition ORDER BY topic, partition LIMIT ${STRANGE_MAX}`
  for (const row of strangeRows.parse(await query(text, [commandTopics]))) {
    const subject = `partition ${row.partition} of ${row.topic}`
    const detail = `${row.segments} segments in the outbox are of a partition that nobody writes: they are never published`
    protocol.add({ check: 'outbox', subject, slotId: null, detail, repairable: null })
  }
}

function checkSegments(
  fence: PartitionProgress,
  segments: z.infer<typeof segmentRows>,
  whole: boolean,
  stuckAfterMs: number,
  protocol: Protocol,
): void {
  const say = sayer('outbox', fence, protocol)
  for (const [index, segment] of segments.entries()) {
    const before = segments[index - 1]
    if (before !== undefined && segment.first !== before.last + 1)
      say(`events ${before.last + 1} to ${segment.first - 1} are neither published nor in the outbox`)
  }
  const [oldest, newest] = [segments[0], segments.at(-1)]
  if (whole && newest !== undefined && newest.last !== fence.event_seq)
    say(`the outbox ends at event ${newest.last}, but the partition is at ${fence.event_seq}`)
  if (oldest !== undefined && oldest.age > stuckAfterMs)
    say(
      `event ${oldest.first} and those after it are unpublished for ${Math.round(oldest.age / 1000)} s; is the worker running?`,
    )
}

/** Reports about one partition of a command topic. */
export function sayer(
  check: CheckName,
  { topic, partition }: PartitionId,
  protocol: Protocol,
): (detail: string, remedy?: string) => void {
  return (detail, remedy) => {
    const subject = `partition ${partition} of ${topic}`
    const finding = { check, subject, slotId: null, detail, repairable: null }
    protocol.add(remedy === undefined ? finding : { ...finding, remedy })
  }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
