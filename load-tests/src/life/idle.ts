/** How soon after its end a hold is released while nothing else happens: in the ledger, and for who reads the slot. */
import { setTimeout as delay } from 'node:timers/promises'
import { reservationDocumentSchema, slotDocumentSchema, slotSnapshotSchema } from '@ironsys/contracts'
import { LoadTestFault } from '../faults.ts'
import { createHttpClient, type HttpClient } from '../http-client.ts'
import type { Bench } from './rates.ts'

export interface IdleResult {
  readonly holds: number
  /** From `expires_at` to the log time of the ledger's entry, milliseconds. */
  readonly decidedAfterMs: readonly number[]
  /** From `expires_at` to the first GET /slots/:id that shows the unit free, milliseconds. */
  readonly shownAfterMs: readonly number[]
  readonly faults: readonly string[]
}

const TTLS_SECONDS = [1, 2, 3]
/** Between two holds: few slots are read at the same time, the system stays idle. */
const APART_MS = 40
const READ_BEFORE_MS = 100
const READ_EVERY_MS = 10
const CONNECTIONS = 64
const DAY_MS = 86_400_000

interface Shown {
  readonly slotId: string
  readonly expiresMs: number
  readonly shownMs: number
}

export async function measureIdle(bench: Bench): Promise<IdleResult> {
  const { config, stack, database, say } = bench
  const client = createHttpClient(stack.real.apiUrl, CONNECTIONS)
  try {
    say(`idle: ${config.idle} slots with one hold each`)
    const slotIds: string[] = []
    for (let n = 0; n < config.idle; n++) slotIds.push(await createSlot(client))
    const watched: Promise<Shown>[] = []
    for (const [index, slotId] of slotIds.entries()) {
      watched.push(holdAndWatch(bench, client, slotId, TTLS_SECONDS[index % TTLS_SECONDS.length] ?? 1))
      await delay(APART_MS)
    }
    const shown = await Promise.all(watched)
    const { rows } = await database.query<{ slot_id: string; at: string }>(
      `SELECT slot_id, (extract(epoch FROM at) * 1000)::bigint AS at
         FROM slot_ledger WHERE slot_id = ANY ($1) AND type = 'hold_expired'`,
      [slotIds],
    )
    const expiresMs = new Map(shown.map((each) => [each.slotId, each.expiresMs]))
    const faults =
      rows.length === slotIds.length ? [] : [`${rows.length} of ${slotIds.length} holds were released`]
    return {
      holds: config.idle,
      decidedAfterMs: rows.map((row) => Number(row.at) - (expiresMs.get(row.slot_id) ?? 0)),
      shownAfterMs: shown.map((each) => each.shownMs - each.expiresMs),
      faults,
    }
  } finally {
    client.close()
  }
}

async function createSlot(client: HttpClient): Promise<string> {
  const startMs = Date.now() + DAY_MS
  const answer = await client.send({
    method: 'POST',
    path: '/slots',
    headers: { prefer: 'wait=20' },
    body: {
      name: 'bench, idle',
      start_time: new Date(startMs).toISOString(),
      end_time: new Date(startMs + DAY_MS).toISOString(),
      capacity: 1,
    },
    timeoutMs: 30_000,
  })
  if (answer.status !== 201) throw new LoadTestFault(`POST /slots answered ${answer.status}`)
  return slotDocumentSchema.parse(answer.body).id
}

async function holdAndWatch(
  { config, signal }: Bench,
  client: HttpClient,
  slotId: string,
  ttlSeconds: number,
): Promise<Shown> {
  const answer = await client.send({
    method: 'POST',
    path: '/reservations',
    headers: { prefer: 'wait=20' },
    body: { slot_id: slotId, user_id: 'bench', mode: 'hold', hold_ttl_seconds: ttlSeconds },
    timeoutMs: 30_000,
  })
  if (answer.status !== 201) throw new LoadTestFault(`POST /reservations answered ${answer.status}`)
  const { expires_at: expiresAt } = reservationDocumentSchema.parse(answer.body)
  const expiresMs = Date.parse(String(expiresAt))
  await delay(Math.max(0, expiresMs - READ_BEFORE_MS - Date.now()))
  while (!signal.aborted) {
    const { body } = await client.send({ method: 'GET', path: `/slots/${slotId}` })
    const shownMs = Date.now()
    if (slotSnapshotSchema.parse(body).available === 1) return { slotId, expiresMs, shownMs }
    if (shownMs - expiresMs > config.patience * 1000) {
      throw new LoadTestFault(`slot ${slotId} never shows its unit as free`)
    }
    await delay(READ_EVERY_MS)
  }
  throw new LoadTestFault('interrupted')
}
