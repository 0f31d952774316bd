/**
 * The check `events`: the end of the events topic (I8). First occurrences come in order and without gaps; what comes
 * again is a repeat and fine.
 *
 * A window that begins in the middle of repeats may show a gap where there is none: before a gap becomes a finding,
 * a window {@link WIDER} times as long is looked at.
 */
import type { LogRecord } from '@ironsys/engine'
import { z } from 'zod'
import type { LogRange, LogSource, RecordsHandler } from './log-source.ts'
import type { Bounds } from './partitions.ts'
import { sayer } from './partitions.ts'
import type { Protocol } from './report.ts'

const WIDER = 8
/** Gaps of one partition that are listed. */
const GAPS_MAX = 20

/** A topic of commands, and that of what was decided about them. */
export interface LogTopics {
  readonly commands: string
  readonly events: string
}

/** What is wrong with what events say, as findings say it. */
export type ContentFaults = (records: readonly LogRecord[]) => Promise<readonly string[]>

/** What the end of one partition of the events topic shows. */
export interface EventsSeen {
  readonly lastSeq: number
}

interface Scan {
  firstSeq: number | null
  lastSeq: number
  events: number
  readonly faults: string[]
}

/** Reads the newest `eventsMax` events of each partition. Answers the highest sequence of those that have events. */
export async function scanEvents(
  log: LogSource,
  contentFaultsOf: ContentFaults,
  { commands, events: topic }: LogTopics,
  bounds: ReadonlyMap<number, Bounds>,
  eventsMax: number,
  protocol: Protocol,
): Promise<ReadonlyMap<number, EventsSeen>> {
  const scans = await scanRanges(log, topic, newest(bounds, eventsMax), async (partition, records) => {
    const say = sayer('events', { topic: commands, partition }, protocol)
    for (const fault of await contentFaultsOf(records)) say(fault)
  })
  const doubtful = [...scans].flatMap(([partition, { faults }]) => {
    const bound = bounds.get(partition)
    return faults.length > 0 && bound !== undefined && bound.high - bound.low > eventsMax
      ? [[partition, bound] as const]
      : []
  })
  const wider = await scanRanges(log, topic, newest(new Map(doubtful), eventsMax * WIDER))
  const seen = new Map<number, EventsSeen>()
  for (const [partition, first] of scans) {
    const scan = wider.get(partition) ?? first
    const say = sayer('events', { topic: commands, partition }, protocol)
    protocol.count('events', scan.events)
    for (const fault of scan.faults) say(fault)
    const wholeTopic = bounds.get(partition)?.low === 0 && scan.events === bounds.get(partition)?.high
    if (wholeTopic && scan.firstSeq !== 1) say(`the topic begins with event ${scan.firstSeq} instead of 1`)
    seen.set(partition, { lastSeq: scan.lastSeq })
  }
  return seen
}

function newest(bounds: ReadonlyMap<number, Bounds>, count: number): ReadonlyMap<number, LogRange> {
  return new Map(
    [...bounds].map(([partition, { low, high }]) => [
      partition,
      { from: Math.max(low, high - count), to: high },
    ]),
  )
}

const eventEnvelope = z.object({ seq: z.int() })

async function scanRanges(
  log: LogSource,
  topic: string,
  ranges: ReadonlyMap<number, LogRange>,
  handle: RecordsHandler = async () => {},
): Promise<ReadonlyMap<number, Scan>> {
  const scans = new Map<number, Scan>()
  await log.read(topic, ranges, async (partition, records) => {
    const scan = scans.get(partition) ?? { firstSeq: null, lastSeq: 0, events: 0, faults: [] }
    scans.set(partition, scan)
    for (const { offset, value } of records) take(scan, offset, seqOf(value))
    await handle(partition, records)
  })
  return scans
}

function take(scan: Scan, offset: number, seq: number | null): void {
  scan.events++
  const fault = faultOf(scan, seq)
  if (fault !== null && scan.faults.length < GAPS_MAX)
    scan.faults.push(`offset ${offset} of the events topic: ${fault}`)
  scan.firstSeq ??= seq
  scan.lastSeq = Math.max(scan.lastSeq, seq ?? 0)
}

function faultOf({ firstSeq, lastSeq }: Scan, seq: number | null): string | null {
  if (seq === null) return 'the event cannot be read'
  return firstSeq !== null && seq > lastSeq + 1 ? `event ${seq} follows event ${lastSeq}` : null
}

function seqOf(value: Buffer | null): number | null {
  try {
    return eventEnvelope.parse(JSON.parse(String(value))).seq
  } catch {
    return null
  }
}
