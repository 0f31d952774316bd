/** A slot that changes, each time by one reservation. */
import { reservationDocumentSchema, slotDocumentSchema } from '@ironsys/contracts'
import { LoadTestFault } from '../faults.ts'
import type { HttpClient } from '../http-client.ts'
import { clockMs } from './clock.ts'

const SLOT_UNITS = 1_000_000
const DAY_MS = 86_400_000
const waiting = { headers: { prefer: 'wait=20' }, timeoutMs: 30_000 } as const

export interface Change {
  readonly version: number
  /** By {@link clockMs}: when it was asked for, and when its decision, which is then committed, was answered. */
  readonly askedMs: number
  readonly answeredMs: number
}

export async function createSlot(client: HttpClient): Promise<string> {
  const startMs = Date.now() + DAY_MS
  const body = {
    name: 'bench, streams',
    start_time: new Date(startMs).toISOString(),
    end_time: new Date(startMs + DAY_MS).toISOString(),
    capacity: SLOT_UNITS,
  }
  const answer = await client.send({ method: 'POST', path: '/slots', body, ...waiting })
  if (answer.status !== 201) throw new LoadTestFault(`POST /slots answered ${answer.status}`)
  return slotDocumentSchema.parse(answer.body).id
}

export async function change(client: HttpClient, slotId: string): Promise<Change> {
  const askedMs = clockMs()
  const body = { slot_id: slotId, user_id: 'bench' }
  const answer = await client.send({ method: 'POST', path: '/reservations', body, ...waiting })
  const answeredMs = clockMs()
  if (answer.status !== 201) throw new LoadTestFault(`POST /reservations answered ${answer.status}`)
  const { slot_version: version } = reservationDocumentSchema.parse(answer.body)
  if (version === null || version === undefined)
    throw new LoadTestFault('a reservation names no version of its slot')
  return { version, askedMs, answeredMs }
}
