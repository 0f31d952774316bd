/**
 * Records of keyed requests that were accepted, in Redis: what lets a repeat be answered at once. Best effort, and never what
 * makes two requests one effect: that is the id (identity.ts) and the writer, whatever is remembered here.
 *
 * It asks Redis, or cools down: after a failure or a late answer Redis is left alone for {@link replayLimits}.coolDownMs.
 *
 *  K1  Nobody waits longer than `patienceMs` for a record, and nobody for one to be kept.
 *  K2  It never throws. What is not there, cannot be read or comes too late is no record.
 *  K3  Nothing of a caller is in Redis in clear: names are MACs, places in the log are sealed.
 */

export interface ReplayRecord {
  /** Of the command. */
  readonly id: string
  /** Of the request; empty where its path says all. */
  readonly bodyHash: string
  /** Its place in the log, sealed. */
  readonly cursor: string
}

export interface ReplayRecords {
  /** Null when there is none, or none is to be had now. */
  find(name: string): Promise<ReplayRecord | null>
  /** In the background. */
  keep(name: string, record: ReplayRecord): void
}

/** The part of a connection that is needed here; ioredis's is one. */
export interface ReplayRedis {
  get(name: string): Promise<string | null>
  set(name: string, text: string, px: 'PX', ttlMs: number): Promise<unknown>
}

export interface ReplayRecordsDeps {
  readonly redis: ReplayRedis
  readonly nowMs: () => number
  readonly observe: (result: RecordResult) => void
}

/** `skipped`: Redis was not asked. */
export type RecordResult = 'found' | 'none' | 'failed' | 'skipped'

export const replayLimits = {
  patienceMs: 50,
  coolDownMs: 1000,
  /** Commands under way; beyond it Redis is not asked. A batch may need {@link limits}.batchMax at once. */
  underWay: 5000,
} as const

/** `ttlMs`: how long a record is kept. Later repeats are produced again, and refused by the writer. */
export function createReplayRecords(
  { redis, nowMs, observe }: ReplayRecordsDeps,
  { ttlMs }: { readonly ttlMs: number },
): ReplayRecords {
  let avoidUntilMs = Number.NEGATIVE_INFINITY
  let underWay = 0
  const isAvoided = () => nowMs() < avoidUntilMs || underWay >= replayLimits.underWay
  const avoid = () => {
    avoidUntilMs = nowMs() + replayLimits.coolDownMs
  }
  const run = async <T>(command: () => Promise<T>): Promise<T | typeof FAILED> => {
    underWay++
    try {
      return await command()
    } catch (error) {
      // A server that refuses (it is full) answers others.
      if (!(error instanceof Error && error.name === 'ReplyError')) avoid()
      return FAILED
    } finally {
      underWay--
    }
  }
  return {
    async find(name) {
      if (isAvoided()) {
        observe('skipped')
        return null
      }
      const text = await within(
        run(() => redis.get(name)),
        replayLimits.patienceMs,
      )
      if (text === LATE) avoid()
      if (text === LATE || text === FAILED) {
        observe('failed')
        return null
      }
      const record = text === null ? null : parseRecord(text)
      observe(record === null ? 'none' : 'found')
      return record
    },
    keep(name, { id, bodyHash, cursor }) {
      if (isAvoided()) return
      void run(() => redis.set(name, [id, bodyHash, cursor].join(' '), 'PX', ttlMs))
    },
  }
}

/** With records switched off. */
export const noReplayRecords: ReplayRecords = { find: async () => null, keep: () => undefined }

const FAILED = Symbol('failed')
const LATE = Symbol('late')

function parseRecord(text: string): ReplayRecord | null {
  const [, id, bodyHash, cursor] = /^([0-9a-f-]{36}) ([0-9a-f]*) ([\w-]+)$/.exec(text) ?? []
  if (id === undefined || bodyHash === undefined || cursor === undefined) return null
  return { id, bodyHash, cursor }
}

async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T | typeof LATE> {
  const { promise, resolve } = Promise.withResolvers<typeof LATE>()
  const timer = setTimeout(resolve, timeoutMs, LATE)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
