/** Buyers meanwhile: through them the API knows newer snapshots of slots than its pages have, and lays them over. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Client } from 'pg'
import { z } from 'zod'

export interface Traffic {
  /** Reservations that were accepted so far. */
  accepted(): number
  /** Resolves to what went wrong, when no request is under way and all that was accepted is in the database. */
  stop(): Promise<readonly string[]>
  /** At once, whatever is under way. */
  close(): Promise<void>
}

export interface TrafficPlan {
  readonly apiUrl: string
  readonly database: Client
  /** With units left, in the order of the list. */
  readonly slotIds: readonly string[]
  /** Reservations a second; with 0 nobody comes. */
  readonly pace: number
}

/** What the thread is given. */
export interface BuyersData extends Omit<TrafficPlan, 'database'> {
  /** Begins the ids of its buyers. */
  readonly tag: string
  /** One 32-bit counter. */
  readonly accepted: SharedArrayBuffer
}

const COMMIT_PATIENCE_MS = 30_000
const LOOK_EVERY_MS = 200

export function startTraffic({ database, ...plan }: TrafficPlan): Traffic {
  const tag = `lists-${randomUUID().slice(0, 8)}`
  const accepted = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const data: BuyersData = { ...plan, tag, accepted: accepted.buffer }
  const thread =
    plan.pace === 0 ? null : new Worker(new URL('./buyers-thread.ts', import.meta.url), { workerData: data })
  // An error of it ends it, and is thrown to whoever stops it.
  const ended = thread === null ? null : once(thread, 'message')
  ended?.catch(() => undefined)
  const count = () => Atomics.load(accepted, 0)
  return {
    accepted: count,
    async stop() {
      thread?.postMessage('stop')
      const [message] = (await ended) ?? [[]]
      const committed = await committedBy(database, tag, count())
      const lost = committed === count() ? [] : [`${count()} were accepted, ${committed} are in the database`]
      return [...z.array(z.string()).parse(message), ...lost]
    },
    async close() {
      await thread?.terminate()
    },
  }
}

/** Those with units left, the soonest first, as the list has them. */
export async function findOpenSlots(database: Client): Promise<readonly string[]> {
  const { rows } = await database.query<{ id: string }>(
    'SELECT id FROM slots WHERE confirmed < capacity ORDER BY start_time, id',
  )
  return rows.map(({ id }) => id)
}

/** Waits for as many as were accepted. */
async function committedBy(database: Client, tag: string, accepted: number): Promise<number> {
  const untilMs = performance.now() + COMMIT_PATIENCE_MS
  for (;;) {
    const { rows } = await database.query<{ count: string }>(
      "SELECT count(*) FROM reservations WHERE status = 'confirmed' AND starts_with(user_id, $1)",
      [`${tag}-`],
    )
    const count = Number(rows[0]?.count)
    if (count >= accepted || performance.now() > untilMs) return count
    await delay(LOOK_EVERY_MS)
  }
}
