/** For tests: what was decided, and the reads of it. */
import { type Booking, bookingBinding, bookingDecider, bookingDocument } from '@ironsys/bookings'
import { type CommandOutcome, commandTopics, type SlotDocument, topics } from '@ironsys/contracts'
import type { OutgoingMessage, PartitionId } from '@ironsys/engine'
import {
  type Reservation,
  reservationBinding,
  reservationDecider,
  reservationDocument,
  type Slot,
  slotDocument,
} from '@ironsys/reservations'
import type { ApiDeps, SlotFilter, SlotReservationsFilter, UserReservationsFilter } from './deps.ts'
import { createMemoryDomain, type MemoryRecord } from './memory-domain.ts'

export type MemoryStore = ReturnType<typeof createMemoryStore>

export interface Decided {
  readonly record: MemoryRecord
  readonly replies: readonly { readonly to: string; readonly outcome: CommandOutcome }[]
  readonly slots: Iterable<Slot>
  /** The commands that follow. */
  readonly commands: readonly OutgoingMessage[]
}

/** Positions are exact this far: of packages/capacity. */
const LINE_WINDOW = 100

export function createMemoryStore(partitions: number) {
  const reservations = createMemoryDomain(reservationDecider, reservationBinding(partitions))
  const bookings = createMemoryDomain(bookingDecider, bookingBinding(partitions))
  const progress = new Map<string, { nextOffset: number }>()

  function decide(record: MemoryRecord): Decided {
    progress.set(placeName(record), { nextOffset: record.offset + 1 })
    const isBooking = record.topic === topics.bookingCommands
    const { effects, committed } = isBooking ? bookings.decide(record) : reservations.decide(record)
    const messages = effects.segment?.messages ?? []
    const changed = isBooking ? [] : [...effects.headers.keys()]
    return {
      record,
      replies: committed.replies,
      slots: changed.flatMap((key) => reservations.headers.get(key) ?? []),
      commands: messages.filter(({ topic }) => commandTopics.some((each) => each === topic)),
    }
  }

  return {
    slots: reservations.headers,
    reservations: reservations.rows,
    outcomes: reservations.remembered,
    bookings: bookings.headers,
    progress,
    buried: new Set<string>(),
    isDecided: (record: MemoryRecord) => record.offset < (progress.get(placeName(record))?.nextOffset ?? 0),
    decide,
  }
}

export function memoryReads(store: MemoryStore, guarded: <T>(read: () => T) => Promise<T>): ApiDeps['reads'] {
  return {
    slot: (id) => guarded(() => snapshotOf(store.slots.get(id))),
    slots: (filter) => guarded(() => pageOf(store, filter)),
    reservation: (id) => guarded(() => storedReservation(store.reservations.get(id))),
    waitlistPosition: (id) => guarded(() => positionOf(store, id)),
    reservationsOfSlot: (filter) => guarded(() => slotPage(store, filter)),
    reservationsOfUser: (filter) => guarded(() => userPage(store, filter)),
    booking: (id) => guarded(() => storedBooking(store.bookings.get(id))),
    rememberedOutcome: (id) => guarded(() => store.outcomes.get(id) ?? null),
    failed: (id) => guarded(() => store.buried.has(id)),
    progress: (id) => guarded(() => store.progress.get(placeName(id)) ?? null),
    audit: (id) =>
      guarded(() => {
        const slot = store.slots.get(id)
        if (slot === undefined) return null
        const { capacity, available, held_count: held, reserved_count, version } = slotDocument(slot)
        const confirmed = reserved_count - held
        return { capacity, held, confirmed, available, version, ledger_events: version, balanced: true }
      }),
    ping: () => guarded(() => undefined),
  }
}

function placeName({ topic, partition }: PartitionId): string {
  return `${topic} ${partition}`
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
  const { items, last } = cut(matching, limit)
  return {
    items: items.map((document) => ({ epoch: 1, version: document.version, document })),
    next: last === null ? null : { startTime: last.start_time, id: last.id },
  }
}

function slotPage(store: MemoryStore, { slotId, status, limit, after = '' }: SlotReservationsFilter) {
  if (!store.slots.has(slotId)) return null
  const matching = [...store.reservations.values()]
    .filter((row) => row.slotId === slotId && row.id > after && (status ?? row.status) === row.status)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(reservationDocument)
  const { items, last } = cut(matching, limit)
  return { items, next: last?.id ?? null }
}

function userPage(store: MemoryStore, { userId, limit, after }: UserReservationsFilter) {
  const before = after === undefined ? '~' : `${after.createdAt} ${after.id}`
  const matching = [...store.reservations.values()]
    .filter((row) => row.userId === userId)
    .map((row) => ({
      document: reservationDocument(row),
      key: `${new Date(row.createdMs).toISOString()} ${row.id}`,
    }))
    .filter(({ key }) => key < before)
    .sort((a, b) => (a.key > b.key ? -1 : 1))
    .map(({ document }) => document)
  const { items, last } = cut(matching, limit)
  return { items, next: last === null ? null : { createdAt: last.created_at, id: last.id } }
}

/** `last` is null on the last page. */
function cut<T>(matching: readonly T[], limit: number): { items: readonly T[]; last: T | null } {
  const items = matching.slice(0, limit)
  return { items, last: matching.length > limit ? (items.at(-1) ?? null) : null }
}

function positionOf(store: MemoryStore, id: string) {
  const place = store.reservations.get(id)?.place ?? null
  if (place === null) return null
  const slotId = store.reservations.get(id)?.slotId
  const before = [...store.reservations.values()].filter(
    (row) => row.slotId === slotId && (row.place ?? place) < place,
  )
  const position = before.length + 1
  return { position, approximate: position > LINE_WINDOW }
}

function storedReservation(row: Reservation | undefined) {
  return row === undefined ? null : { document: reservationDocument(row), bodyHash: row.bodyHash }
}

function storedBooking(booking: Booking | undefined) {
  return booking === undefined ? null : { document: bookingDocument(booking), bodyHash: booking.bodyHash }
}

export function snapshotOf(slot: Slot | undefined) {
  return slot === undefined ? null : { epoch: 1, version: slot.version, document: slotDocument(slot) }
}
