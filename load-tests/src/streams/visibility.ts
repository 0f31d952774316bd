/** How soon a change is seen at each of two APIs of an idle system, by who reads the slot there and by who streams it. */
import { setTimeout as delay } from 'node:timers/promises'
import { connectRedis, redisReady } from '@ironsys/cache'
import { slotSnapshotSchema } from '@ironsys/contracts'
import { LoadTestFault } from '../faults.ts'
import { createHttpClient, type HttpClient } from '../http-client.ts'
import { change, createSlot } from './changes.ts'
import { type Clients, openClients } from './clients.ts'
import { clockMs } from './clock.ts'
import type { Bench } from './fanout.ts'

export interface VisibilityResult {
  readonly changes: number
  /** Milliseconds after the answer 201 at the first API, of each change; below 0 where it was seen before. */
  readonly readHereMs: readonly number[]
  readonly readThereMs: readonly number[]
  readonly streamedHereMs: readonly number[]
  readonly streamedThereMs: readonly number[]
  /** From when the change was asked for until it was seen everywhere. */
  readonly askedToEverywhereMs: readonly number[]
  /** Commands that read snapshots from Redis meanwhile. */
  readonly redisReads: number
}

/** Above the time in which changes of a stream are put together. */
const APART_MS = 150
const READ_EVERY_MS = 2
const WARM_UP_CHANGES = 30
const silent = { debug() {}, info() {}, warn() {}, error() {} }

export async function measureVisibility({ config, stack, signal, say }: Bench): Promise<VisibilityResult> {
  const second = await stack.startSecondApi()
  const urls = [stack.real.apiUrl, second.apiUrl]
  const [writer, ...readers] = [stack.real.apiUrl, ...urls].map((url) => createHttpClient(url, 1))
  const redis = connectRedis(stack.redisUrl, { name: 'bench', logger: silent })
  const streams: Clients[] = []
  if (writer === undefined) throw new Error('there is no client')
  try {
    if (!(await redisReady(redis, 5000))) throw new LoadTestFault('Redis does not answer')
    const slotId = await createSlot(writer)
    const patienceMs = config.patience * 1000
    for (const url of urls) {
      streams.push(await openClients(`${url}/slots/${slotId}`, { form: 'sse', streams: 1, patienceMs }))
    }
    say(`visibility: ${config.visible} changes, seen at two APIs`)
    const measure = async () => {
      const watching = new AbortController()
      const seen = readers.map((reader) => watchReads(reader, slotId, watching.signal))
      const made = await change(writer, slotId)
      const reads = await Promise.all(seen.map((each) => each.at(made.version, patienceMs)))
      watching.abort()
      const streamed = (await Promise.all(streams.map((each) => each.arrived(made.version)))).flat()
      await delay(APART_MS)
      return { made, reads, streamed }
    }
    for (let n = 0; n < WARM_UP_CHANGES; n++) await measure()
    const readsBefore = await snapshotReads(redis)
    const all: Awaited<ReturnType<typeof measure>>[] = []
    for (let n = 0; n < config.visible && !signal.aborted; n++) all.push(await measure())
    const after = (of: (each: (typeof all)[number]) => number | undefined) =>
      all.map((each) => (of(each) ?? Number.NaN) - each.made.answeredMs)
    return {
      changes: all.length,
      readHereMs: after(({ reads }) => reads[0]),
      readThereMs: after(({ reads }) => reads[1]),
      streamedHereMs: after(({ streamed }) => streamed[0]),
      streamedThereMs: after(({ streamed }) => streamed[1]),
      askedToEverywhereMs: all.map(
        ({ made, reads, streamed }) => Math.max(...reads, ...streamed) - made.askedMs,
      ),
      redisReads: (await snapshotReads(redis)) - readsBefore,
    }
  } finally {
    redis.disconnect()
    for (const client of [writer, ...readers]) client.close()
    await Promise.all(streams.map((each) => each.close()))
  }
}

/** Reads the slot every other millisecond and remembers when it was first at each version. */
function watchReads(client: HttpClient, slotId: string, signal: AbortSignal) {
  let version = 0
  let seenMs = 0
  const read = async () => {
    while (!signal.aborted) {
      const { status, body } = await client.send({ method: 'GET', path: `/slots/${slotId}` })
      if (status !== 200) throw new LoadTestFault(`GET /slots/:id answered ${status}`)
      const slot = slotSnapshotSchema.parse(body)
      if (slot.version > version) {
        version = slot.version
        seenMs = clockMs()
      }
      await delay(READ_EVERY_MS)
    }
  }
  const reading = read()
  return {
    async at(wanted: number, patienceMs: number): Promise<number> {
      const untilMs = clockMs() + patienceMs
      while (version < wanted) {
        if (clockMs() > untilMs) throw new LoadTestFault(`version ${wanted} is never read`)
        await Promise.race([reading, delay(READ_EVERY_MS)])
      }
      return seenMs
    },
  }
}

/** Of all clients since Redis started. What lies in a script is counted beside it. */
async function snapshotReads(redis: ReturnType<typeof connectRedis>): Promise<number> {
  const text = await redis.info('commandstats')
  const calls = (name: string) =>
    Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return calls('get') + calls('mget')
}
