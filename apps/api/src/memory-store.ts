/** For tests: what was decided, by the real decider, and the reads of it. */
import type { CommandOutcome, SlotDocument } from '@ironsys/contracts'
import {
  type Reservation,
  reservationDecider,
  reservationDocument,
  type Slot,
  slotDocument,
} from '@ironsys/reservations'
import type { ReservationReads, SlotFilter } from './deps.ts'

export interface MemoryRecord {
  readonly partition: number
  readonly offset: number
  readonly timeMs: number
  readonly key: string
  readonly value: string
}

export type MemoryStore = ReturnType<typeof createMemoryStore>

export interface Decided {
  readonly record: MemoryRecord
  readonly replyTo: string | undefined
  readonly outcome: CommandOutcome
  readonly slot: Slot | null
}

export function createMemoryStore() {
  const slots = new Map<string, Slot>()
  const reservations = new Map<string, Reservation>()
  const outcomes = new Map<string, CommandOutcome>()
  const progress = new Map<number, { nextOffset: number }>()
  const buried = new Set<string>()

  function decide(record: MemoryRecord): Decided {
    const command = reservationDecider.parse(Buffer.from(record.value))
    if ('unreadable' in command) throw new Error(`the edge sent an unreadable command: ${command.detail}`)
    const { key, rowIds, remembered } = reservationDecider.needs(command)
    const [rowId = ''] = rowIds
    const slotId = key ?? reservations.get(rowId)?.slotId ?? ''
    const earlier = outcomes.get(command.id)
    const decision =
      earlier === undefined
        ? reservationDecider.decide(
            { header: slots.get(slotId) ?? null, row: (id) => reservations.get(id) },
            command,
            record.timeMs,
          )
        : { events: [], outcome: reservationDecider.repeat(command, earlier) }
    for (const event of decision.events) {
      const row = event.rowId === null ? undefined : reservations.get(event.rowId)
      const change = reservationDecider.evolve(
        { header: slots.get(slotId) ?? null, row },
        event,
        record.timeMs,
      )
      if (change.header !== null) slots.set(slotId, change.header)
      if (change.row !== undefined) reservations.set(change.row.id, change.row)
    }
    if (remembered && earlier === undefined) outcomes.set(command.id, decision.outcome)
    progress.set(record.partition, { nextOffset: record.offset + 1 })
    const { outcome } = decision
    return {
      record,
      replyTo: command.reply_to,
      outcome,
      slot: slots.get(slotId) ?? null,
    }
  }

  return {
    slots,
    reservations,
    outcomes,
    progress,
    buried,
    decideAll: (records: readonly MemoryRecord[]): readonly Decided[] =>
      records
        .filter(({ partition, offset }) => offset >= (progress.get(partition)?.nextOffset ?? 0))
        .map(decide),
  }
}

export function memoryReads(
  store: MemoryStore,
  guarded: <T>(read: () => Promise<T>) => Promise<T>,
): ReservationReads {
  return {
    slot: (id) => guarded(async () => snapshotOf(store.slots.get(id))),
    slots: (filter) => guarded(async () => pageOf(store, filter)),
    reservation: (id) =>
      guarded(async () => {
        const reservation = store.reservations.get(id)
        return reservation === undefined ? null : reservationDocument(reservation)
      }),
    rememberedOutcome: (id) => guarded(async () => store.outcomes.get(id) ?? null),
    failed: (id) => guarded(async () => store.buried.has(id)),
    progress: (partition) => guarded(async () => store.progress.get(partition) ?? null),
    audit: (id) =>
      guarded(async () => {
        const slot = store.slots.get(id)
        if (slot === undefined) return null
        const { capacity, available, version } = slotDocument(slot)
        const confirmed = capacity - available
        return { capacity, held: 0, confirmed, available, version, ledger_events: version, balanced: true }
      }),
    ping: () => guarded(async () => undefined),
  }
}

function pageOf(store: MemoryStore, { from, to, available, limit, after }: SlotFilter) {
  const keyOf = (slot: SlotDocument) => `${slot.start_time} ${slot.id}`
  const matching = [...store.slots.values()]
    .map(slotDocument)
    .filter((slot) => from === undefined || slot.start_time >= from)
    .filter((slot) => to === undefined || slot.start_time < to)
    .filter((slot) => available === undefined || slot.available > 0 === available)
    .filter((slot) => after === undefined || keyOf(slot) > `${after.startTime} ${after.id}`)
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const items = matching.slice(0, limit)
  const last = items.at(-1)
  const more = matching.length > limit && last !== undefined
  return { items, next: more ? { startTime: last.start_time, id: last.id } : null }
}

export function snapshotOf(slot: Slot | undefined) {
  return slot === undefined ? null : { epoch: 1, version: slot.version, document: slotDocument(slot) }
}
