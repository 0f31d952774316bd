/** The slots of one on-sale: made before it, proved after it. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type AuditDocument,
  auditDocumentSchema,
  slotDocumentSchema,
  slotSnapshotSchema,
} from '@ironsys/contracts'
import type { z } from 'zod'
import { LoadTestFault } from '../faults.ts'
import { ConnectionFault } from '../http-client.ts'
import { checkPatience, forEachAtMost, type Persistence, sendUntilAnswered } from './persistent.ts'
import { progressed } from './tally.ts'

const HOUR_MS = 3_600_000
/** Of who gets units while waiting in line. */
const HOLD_SECONDS = 60

/** Makes fresh slots, `Prefer: wait`, and returns their ids. */
export async function createSlots(
  how: Persistence,
  count: number,
  units: number,
): Promise<readonly string[]> {
  await requireApi(how)
  const ids: string[] = []
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  await forEachAtMost(numbers, 8, async (number) => void ids.push(await createSlot(how, number, units)))
  return ids
}

async function requireApi({ client }: Persistence): Promise<void> {
  try {
    await client.send({ method: 'GET', path: '/health/ready', timeoutMs: 5000 })
  } catch (error) {
    if (!(error instanceof ConnectionFault)) throw error
    throw new LoadTestFault(`no API answers (${error.message}): start it with \`make up\`, or set API_URL`)
  }
}

async function createSlot(how: Persistence, number: number, units: number): Promise<string> {
  const startMs = Date.now() + 24 * HOUR_MS
  const request = {
    method: 'POST',
    path: '/slots',
    headers: { 'idempotency-key': randomUUID(), prefer: 'wait=20' },
    body: {
      name: `demo on-sale, slot ${number}`,
      start_time: new Date(startMs).toISOString(),
      end_time: new Date(startMs + HOUR_MS).toISOString(),
      capacity: units,
      waitlist: true,
      hold_ttl_seconds: HOLD_SECONDS,
    },
    timeoutMs: 30_000,
  } as const
  for (;;) {
    const answer = await sendUntilAnswered(how, request)
    const slot = slotDocumentSchema.safeParse(answer.body)
    if (answer.status === 201 && slot.success) {
      progressed(how.tally)
      return slot.data.id
    }
    if (answer.status !== 202) {
      throw new LoadTestFault(`POST /slots answered ${answer.status}: ${JSON.stringify(answer.body)}`)
    }
    checkPatience(how, 'the slots are accepted but not decided; is a worker running?')
  }
}

/** The audit is cached for a second by the API: the answer is at most that old. */
export async function readAudit(how: Persistence, slotId: string): Promise<AuditDocument> {
  return read(how, `/slots/${slotId}/audit`, auditDocumentSchema)
}

export interface SeenSlot {
  readonly available: number
  readonly version: number
}

/** The slot as readers see it, once it has reached `version`; as it is after ten seconds otherwise. */
export async function readSlotAt(how: Persistence, slotId: string, version: number): Promise<SeenSlot> {
  for (let attempt = 1; ; attempt++) {
    const slot = await read(how, `/slots/${slotId}`, slotSnapshotSchema)
    if (slot.version >= version || attempt === 50) return slot
    await delay(200)
  }
}

async function read<T>(how: Persistence, path: string, schema: z.ZodType<T>): Promise<T> {
  const answer = await sendUntilAnswered(how, { method: 'GET', path })
  const document = schema.safeParse(answer.body)
  if (answer.status === 200 && document.success) return document.data
  throw new LoadTestFault(`GET ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`)
}
