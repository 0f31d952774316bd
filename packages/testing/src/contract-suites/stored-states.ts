/** States as tests want them, and batches that only store them: nobody decided these. */
import { slotIdSchema } from '@ironsys/contracts'
import type { PartitionId } from '@ironsys/engine'
import type { Reservation, Slot } from '@ironsys/reservations'
import {
  newReservationId,
  noonMs,
  type ReservationEffects,
  type ReservationStore,
} from './reservation-batches.ts'

/** A batch without any effect, but for its place in the log. */
export const nothingChanged: Omit<ReservationEffects, 'id' | 'from' | 'to'> = {
  headers: new Map(),
  rows: new Map(),
  removedKeys: new Set(),
  ledger: [],
  remembered: [],
  deadLetters: [],
  segment: null,
}

/** With as many units held, and as many reservations waiting, as `rows` have. */
export function slotWith(id: string, rows: readonly Reservation[]): Slot {
  const held = rows.filter((row) => row.status === 'held')
  return {
    id: slotIdSchema.parse(id),
    version: 1,
    name: 'Morning',
    startMs: noonMs,
    endMs: noonMs + 1,
    status: 'open',
    pool: {
      capacityUnits: 1000,
      overbookingBps: 0,
      heldUnits: held.reduce((units, row) => units + row.quantity, 0),
      confirmedUnits: 0,
    },
    holdTtlMs: null,
    maxPerUser: null,
    hasWaitlist: true,
    waitlistCount: rows.filter((row) => row.status === 'waitlisted').length,
    salesOpenMs: null,
    salesCloseMs: null,
    metadata: null,
    bodyHash: 'a'.repeat(32),
    createdMs: noonMs,
  }
}

export function confirmed(slotId: string, fields: Partial<Reservation> = {}): Reservation {
  const { status = 'confirmed', createdMs = noonMs } = fields
  return {
    id: newReservationId(slotId),
    slotId: slotIdSchema.parse(slotId),
    userId: 'ann',
    quantity: 1,
    status,
    reason: null,
    metadata: null,
    bodyHash: null,
    createdMs,
    expiresMs: null,
    holdTtlMs: null,
    place: null,
    bookingId: null,
    isCounted: false,
    transitions: [{ status, atMs: createdMs, reason: null }],
    slotVersion: 1,
    ...fields,
  }
}

export function held(slotId: string, expiresMs: number, fields: Partial<Reservation> = {}): Reservation {
  return confirmed(slotId, { status: 'held', expiresMs, ...fields })
}

export function waiting(slotId: string, place: number, fields: Partial<Reservation> = {}): Reservation {
  return confirmed(slotId, { status: 'waitlisted', place, ...fields })
}

/** Stores slots with all of their reservations, as new ones or in the place of the old. */
export async function storeSlots(
  store: ReservationStore,
  id: PartitionId,
  slots: Readonly<Record<string, readonly Reservation[]>>,
  created = true,
): Promise<void> {
  const from = await store.open(id)
  await store.commit({
    ...nothingChanged,
    id,
    from,
    to: { ...from, nextOffset: from.nextOffset + 1 },
    headers: new Map(
      Object.entries(slots).map(([slotId, rows]) => [slotId, { header: slotWith(slotId, rows), created }]),
    ),
    rows: new Map(
      Object.values(slots)
        .flat()
        .map((row) => [row.id, { row, created }]),
    ),
  })
}
