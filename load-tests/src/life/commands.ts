/** Commands as the API writes them into the log, and slots that lie in one partition of it. */
import { randomUUID } from 'node:crypto'
import { COMMAND_SCHEMA_VERSION, mintId, partitionOfKey } from '@ironsys/contracts'
import { PARTITIONS } from '../bench/preparation.ts'

export interface LogCommand {
  readonly id: string
  readonly key: string
  readonly value: string
}

/** What is asked of a slot; names as on the wire. */
export interface Wish {
  readonly quantity: number
  readonly mode: 'confirm' | 'hold'
  readonly hold_ttl_seconds?: number
  readonly join_waitlist?: boolean
}

const DAY_MS = 86_400_000

/** A new slot id whose commands go to `partition`. */
export function slotIdIn(partition: number): string {
  for (;;) {
    const id = randomUUID()
    if (partitionOfKey(id, PARTITIONS) === partition) return id
  }
}

export function createSlot(id: string, capacity: number, waitlist: boolean): LogCommand {
  const startMs = Date.now() + DAY_MS
  return command(id, id, 'create_slot', {
    name: 'bench of the life of a reservation',
    start_time: new Date(startMs).toISOString(),
    end_time: new Date(startMs + DAY_MS).toISOString(),
    capacity,
    overbooking_bps: 0,
    waitlist,
    sales_open_at: null,
    sales_close_at: null,
    body_hash: '0'.repeat(32),
  })
}

export function reserve(slotId: string, wish: Wish): LogCommand {
  const id = mintId(slotId, Date.now())
  return command(id, slotId, 'reserve', { slot_id: slotId, user_id: `bench-${id.slice(-6)}`, ...wish })
}

export function confirm(reservationId: string): LogCommand {
  return command(randomUUID(), reservationId, 'confirm', { reservation_id: reservationId })
}

export function cancel(reservationId: string): LogCommand {
  return command(randomUUID(), reservationId, 'cancel', { reservation_id: reservationId })
}

function command(id: string, key: string, type: string, fields: object): LogCommand {
  return { id, key, value: JSON.stringify({ v: COMMAND_SCHEMA_VERSION, id, type, ...fields }) }
}
