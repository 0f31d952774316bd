/** The log as an audit sees it: bounds, and any range of records, without a group's offsets being touched. */
import { randomUUID } from 'node:crypto'
import { type LogRecord, LogUnavailableError, type PartitionLog } from '@ironsys/engine'
import {
  createCommandConsumer,
  createLogAdmin,
  type KafkaSettings,
  type TopicDescription,
} from '@ironsys/kafka'

/** Offsets `from` … `to` − 1. */
export interface LogRange {
  readonly from: number
  readonly to: number
}

export type RecordsHandler = (partition: number, records: readonly LogRecord[]) => Promise<void>

/** Everything throws LogUnavailableError when the log does not answer. */
export interface LogSource {
  /** Null when the topic does not exist. */
  describe(topic: string): Promise<TopicDescription | null>
  bounds(topic: string): Promise<ReadonlyMap<number, { readonly low: number; readonly high: number }>>
  /**
   * Reads the ranges, each in offset order, at most {@link RECORDS_AT_ONCE} per call of the handler, one call at a time. Ranges must lie
   * within the bounds; records that retention removes meanwhile are left out. What the handler throws ends it.
   */
  read(topic: string, ranges: ReadonlyMap<number, LogRange>, handle: RecordsHandler): Promise<void>
  close(): Promise<void>
}

const RECORDS_AT_ONCE = 2000
/** No record for this long means that the log does not answer, milliseconds. */
const SILENCE_MS = 30_000
const SILENCE_LOOK_MS = 1000

export function createLogSource(settings: KafkaSettings): LogSource {
  const admin = createLogAdmin(settings)
  return {
    describe: (topic) => admin.describe(topic),
    bounds: (topic) => admin.offsets(topic),
    read: (topic, ranges, handle) => readRanges(settings, topic, ranges, handle),
    close: () => admin.close(),
  }
}

/** kafkajs reads through groups only: this one is named at random, commits nothing and is gone with its member. */
async function readRanges(
  settings: KafkaSettings,
  topic: string,
  ranges: ReadonlyMap<number, LogRange>,
  handle: RecordsHandler,
): Promise<void> {
  const wanted = new Map([...ranges].filter(([, { from, to }]) => from < to))
  if (wanted.size === 0) return
  const ended = Promise.withResolvers<void>()
  // It may fail while the consumer still starts, and that may fail too: then the latter is what is thrown.
  ended.promise.catch(() => undefined)
  const handling = oneAtATime(handle)
  const silence = setInterval(() => {
    if (handling.idleMs() < SILENCE_MS) return
    ended.reject(new LogUnavailableError(`topic ${topic} gave no record for ${SILENCE_MS / 1000} s`))
  }, SILENCE_LOOK_MS)
  const positions = new Map([...wanted].map(([partition, { from }]) => [partition, from]))
  const readers = new Map<number, Promise<void>>()
  const consumer = createCommandConsumer(
    { ...settings, topic, groupId: `ironsys-audit-${randomUUID()}` },
    {
      assigned: (log, partition) => {
        const to = wanted.get(partition)?.to
        if (to === undefined) return
        // A partition that comes back goes on where its reader before has stopped.
        const before = readers.get(partition) ?? Promise.resolve()
        const reading = before
          .then(() => readPartition(log, partition, positions, to, handling.handle))
          .then((done) => {
            if (done) wanted.delete(partition)
            if (wanted.size === 0) ended.resolve()
          })
          .catch(ended.reject)
        readers.set(partition, reading)
      },
      revoked: () => undefined,
      crashed: ended.reject,
    },
  )
  try {
    await consumer.start()
    await ended.promise
  } finally {
    clearInterval(silence)
    await consumer.close()
    await Promise.all(readers.values())
  }
}

/** True when the range was read to its end, false when the partition was taken away before. */
async function readPartition(
  log: PartitionLog,
  partition: number,
  positions: Map<number, number>,
  to: number,
  handle: RecordsHandler,
): Promise<boolean> {
  log.seek(positions.get(partition) ?? 0)
  for (;;) {
    const position = positions.get(partition) ?? 0
    if (position >= to) return true
    const records = await log.next(RECORDS_AT_ONCE)
    if (records === null) return false
    const fresh = records.filter(({ offset }) => offset >= position && offset < to)
    if (fresh.length > 0) await handle(partition, fresh)
    positions.set(partition, Math.max(position, (records.at(-1)?.offset ?? position) + 1))
  }
}

/** Partitions are read beside each other; what is done with their records is not. */
function oneAtATime(handle: RecordsHandler) {
  let last: Promise<void> = Promise.resolve()
  let waiting = 0
  let idleSinceMs = performance.now()
  return {
    handle: async (partition: number, records: readonly LogRecord[]): Promise<void> => {
      waiting++
      last = last.then(() => handle(partition, records))
      try {
        await last
      } finally {
        waiting--
        idleSinceMs = performance.now()
      }
    },
    /** How long nothing has come and nothing is being done, milliseconds. */
    idleMs: () => (waiting > 0 ? 0 : performance.now() - idleSinceMs),
  }
}
