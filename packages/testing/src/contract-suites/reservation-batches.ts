/** Batches of reservations as a writer decides them, with the commit left to the test. */
import { type CommandOutcome, mintId, type ReservationId, reservationIdSchema } from '@ironsys/contracts'
import {
  type BatchEffects,
  decideBatch,
  type LogRecord,
  type OutboxStore,
  type PartitionId,
  type PrefetchRequest,
  type Progress,
  type Store,
} from '@ironsys/engine'
import {
  type Reservation,
  type ReservationEvent,
  reservationBinding,
  reservationDecider,
  type Slot,
} from '@ironsys/reservations'

export type ReservationEffects = BatchEffects<ReservationEvent, Slot, Reservation, CommandOutcome>
export type ReservationStore = Store<ReservationEvent, Slot, Reservation, CommandOutcome> & OutboxStore

/** One partition takes every slot: which slot belongs where is not what these tests are about. */
export const oneLog = { clusterId: 'cluster-a', partitionCount: 1 }
const binding = reservationBinding(oneLog.partitionCount)

/** Tomorrow at noon would do; what matters is that it has milliseconds. */
export const noonMs = Date.parse('2026-06-01T12:00:00.123Z')

/** A record before it has an offset. */
export interface Offered {
  readonly value: Buffer | null
  readonly key: Buffer | null
  readonly timeMs: number
}

/** Asks for nothing: tests say what they want of it. */
export const nothing: PrefetchRequest = {
  keys: [],
  rowIds: [],
  commandIds: [],
  listedKeys: [],
  untilMs: noonMs,
  pages: [],
}

export const newReservationId = (slotId: string): ReservationId =>
  reservationIdSchema.parse(mintId(slotId, noonMs))

export const createSlot = (id: string, fields: object = {}) =>
  offer({
    type: 'create_slot',
    id,
    name: 'Morning ☃',
    start_time: '2026-07-01T09:00:00.001Z',
    end_time: '2026-07-01T10:00:00Z',
    capacity: 10,
    overbooking_bps: 1000,
    sales_open_at: null,
    sales_close_at: '2026-06-30T10:00:00.999Z',
    metadata: { room: '1', nested: { quote: '"' } },
    body_hash: 'a'.repeat(32),
    ...fields,
  })

export const reserve = (id: string, slotId: string, quantity = 1, fields: object = {}) =>
  offer({ type: 'reserve', id, slot_id: slotId, user_id: 'ann, "bob"', quantity, ...fields })

export const cancel = (reservationId: string, slotId: string) =>
  offer({ type: 'cancel', id: newReservationId(slotId), reservation_id: reservationId })

export const updateSlot = (id: string, slotId: string, fields: object = {}) =>
  offer({ type: 'update_slot', id, slot_id: slotId, body_hash: 'b'.repeat(32), ...fields })

export const erase = (slotId: string, reservationIds: readonly string[], userId: string, pseudonym: string) =>
  offer({
    type: 'erase_person',
    id: newReservationId(slotId),
    slot_id: slotId,
    reservation_ids: reservationIds,
    user_id: userId,
    pseudonym,
  })

/** Long after the slot of {@link createSlot} has ended. */
export const retire = (slotId: string) =>
  at(
    Date.parse('2026-08-01T00:00:00Z'),
    offer({ type: 'retire_slot', id: newReservationId(slotId), slot_id: slotId, keep_days: 8 }),
  )

/** Cannot be read: it becomes a dead letter. */
export const poison = (value: Buffer | null, key: Buffer | null = null): Offered => ({
  value,
  key,
  timeMs: noonMs,
})

export const at = (timeMs: number, offered: Offered): Offered => ({ ...offered, timeMs })

function offer(fields: object): Offered {
  return { value: Buffer.from(JSON.stringify({ v: 1, ...fields })), key: Buffer.from('k'), timeMs: noonMs }
}

/** What a writer at `from` makes of the next records: prefetched over one round trip, decided, not committed. */
export async function decide(
  store: ReservationStore,
  id: PartitionId,
  from: Progress,
  offered: readonly Offered[],
): Promise<ReservationEffects> {
  const records = offered.map((record, index) => parsed({ ...record, offset: from.nextOffset + index }))
  const found = await store.prefetch(requestOf(records))
  const before = {
    header: (key: string) => found.headers.get(key) ?? null,
    row: (rowId: string) => found.rows.get(rowId),
    remembered: (commandId: string) => found.remembered.get(commandId),
    page: (key: string, list: string) => found.pages.find((page) => page.key === key && page.list === list),
    emptyList: (key: string, list: string) =>
      reservationDecider.standingLists.includes(list) || !found.headers.has(key),
    changedRows: [],
  }
  const refusedOffsets = new Map<number, string>()
  const eventsMax = 1000
  const input = { decider: reservationDecider, binding, id, from, records, refusedOffsets, before, eventsMax }
  return decideBatch(input).effects
}

function parsed(record: LogRecord) {
  return { record, command: reservationDecider.parse(record.value) }
}

function requestOf(records: readonly ReturnType<typeof parsed>[]): PrefetchRequest {
  const request = { keys: new Set<string>(), rowIds: new Set<string>(), commandIds: new Set<string>() }
  for (const { command } of records) {
    if ('unreadable' in command) continue
    const { key, rowIds, remembered } = reservationDecider.needs(command)
    if (key !== null) request.keys.add(key)
    for (const rowId of rowIds) request.rowIds.add(rowId)
    if (remembered) request.commandIds.add(command.id)
  }
  return {
    ...nothing,
    keys: [...request.keys],
    rowIds: [...request.rowIds],
    commandIds: [...request.commandIds],
    untilMs: Math.max(noonMs, ...records.map(({ record }) => record.timeMs)),
  }
}
