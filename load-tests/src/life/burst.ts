/** Thousands of holds of one slot that end within a few milliseconds, while other commands of its partition go on. */
import { setTimeout as delay } from 'node:timers/promises'
import { type CommandLog, createCommandLog, type Place } from './command-log.ts'
import { createSlot, reserve, slotIdIn } from './commands.ts'
import { reaches, type Sample, watchProgress } from './progress.ts'
import { BENCH_PARTITION, type Bench, watchOf } from './rates.ts'

export interface BurstResult {
  readonly holds: number
  /** From the first hold that ends to the last, milliseconds. */
  readonly spreadMs: number
  /** From the end of the first to the commit that released the last, milliseconds. */
  readonly releasedAfterMs: number
  /** Released by each commit. */
  readonly perCommit: readonly number[]
  /** From the log to the commit, milliseconds, of each of the other commands: before, and while holds were released. */
  readonly before: readonly number[]
  readonly during: readonly number[]
  readonly faults: readonly string[]
}

const TTL_SECONDS = 12
const OTHER_SLOTS = 20
const ROOM_UNITS = 1_000_000
const TICK_MS = 10
/** After the last hold was made until the quiet time before the burst begins. */
const SETTLE_MS = 1000
/** How long the other commands go on after the last hold was released. */
const AFTER_MS = 500

export async function measureBurst(bench: Bench): Promise<BurstResult> {
  const { config, stack, say } = bench
  const log = await createCommandLog(stack.brokers, BENCH_PARTITION)
  try {
    const slotId = slotIdIn(BENCH_PARTITION)
    const others = Array.from({ length: OTHER_SLOTS }, () => slotIdIn(BENCH_PARTITION))
    const slots = [
      createSlot(slotId, config.burst, false),
      ...others.map((id) => createSlot(id, ROOM_UNITS, false)),
    ]
    const { last } = await log.appendAll(slots)
    await watchProgress(watchOf(bench), reaches(last))
    say(`burst: ${config.burst} holds of ${TTL_SECONDS} s, ${config.pace} other commands a second`)
    const holds = Array.from({ length: config.burst }, () =>
      reserve(slotId, { quantity: 1, mode: 'hold', hold_ttl_seconds: TTL_SECONDS }),
    )
    const span = await log.appendAll(holds)
    await watchProgress(watchOf(bench), reaches(span.last))
    const quietMs = Date.now() + SETTLE_MS
    const pacing = new AbortController()
    const places = pace(log, others, config.pace, pacing.signal)
    let emptyMs = 0
    const samples = await watchProgress(watchOf(bench, slotId), ({ heldUnits, atMs }) => {
      if (heldUnits === 0 && emptyMs === 0) emptyMs = atMs
      return emptyMs > 0 && atMs > emptyMs + AFTER_MS
    })
    pacing.abort()
    return await resultOf(bench, slotId, { quietMs, emptyMs, samples, places: await places })
  } finally {
    await log.close()
  }
}

/** Sends at an even pace, whatever the answers do. */
async function pace(
  log: CommandLog,
  slotIds: readonly string[],
  perSecond: number,
  signal: AbortSignal,
): Promise<readonly Place[]> {
  const appends: Promise<Place>[] = []
  const startedMs = performance.now()
  while (!signal.aborted) {
    const due = ((performance.now() - startedMs) * perSecond) / 1000
    while (appends.length < due) {
      const slotId = slotIds[appends.length % slotIds.length] ?? ''
      appends.push(log.append(reserve(slotId, { quantity: 1, mode: 'confirm' })))
    }
    await delay(TICK_MS)
  }
  return Promise.all(appends)
}

interface Seen {
  readonly quietMs: number
  readonly emptyMs: number
  readonly samples: readonly Sample[]
  readonly places: readonly Place[]
}

async function resultOf(
  bench: Bench,
  slotId: string,
  { quietMs, emptyMs, samples, places }: Seen,
): Promise<BurstResult> {
  const { database, config } = bench
  const made = await database.query<{ first: string; last: string }>(
    `SELECT min((event ->> 'expiresMs')::bigint) AS first, max((event ->> 'expiresMs')::bigint) AS last
       FROM slot_ledger WHERE slot_id = $1 AND type = 'reservation_held'`,
    [slotId],
  )
  const commits = await database.query<{ count: string }>(
    `SELECT count(*) FROM slot_ledger WHERE slot_id = $1 AND type = 'hold_expired'
      GROUP BY xmin::text ORDER BY min(version)`,
    [slotId],
  )
  const [firstMs, lastMs] = [Number(made.rows[0]?.first), Number(made.rows[0]?.last)]
  const perCommit = commits.rows.map(({ count }) => Number(count))
  const released = perCommit.reduce((sum, count) => sum + count, 0)
  return {
    holds: config.burst,
    spreadMs: lastMs - firstMs,
    releasedAfterMs: emptyMs - firstMs,
    perCommit,
    before: lagsOf(places, samples, quietMs, firstMs),
    during: lagsOf(places, samples, firstMs, emptyMs),
    faults: released === config.burst ? [] : [`${released} of ${config.burst} holds were released`],
  }
}

/** Of the commands that came to lie in the log from `fromMs` to `toMs`. Both lists are in the order of offsets. */
function lagsOf(
  places: readonly Place[],
  samples: readonly Sample[],
  fromMs: number,
  toMs: number,
): readonly number[] {
  let index = 0
  return [...places]
    .sort((a, b) => a.offset - b.offset)
    .flatMap(({ offset, timeMs }) => {
      while ((samples[index]?.nextOffset ?? Number.POSITIVE_INFINITY) <= offset) index++
      const sample = samples[index]
      return sample === undefined || timeMs < fromMs || timeMs >= toMs ? [] : [sample.atMs - timeMs]
    })
}
