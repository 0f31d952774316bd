/** What is stored against what the model has. */
import type { Reservation, Slot } from '@ironsys/reservations'
import { limitOf, type ModelReservation, type SlotBook } from './model/slot-book.ts'
import type { Findings } from './violations.ts'

/** I1 is looked at in what is stored, whatever the model says. */
export function compareSlot(
  findings: Findings,
  id: string,
  stored: Slot | undefined,
  book: SlotBook | undefined,
): void {
  const slot = stored && {
    capacity: stored.pool.capacityUnits,
    overbookingBps: stored.pool.overbookingBps,
    held: stored.pool.heldUnits,
    confirmed: stored.pool.confirmedUnits,
    waiting: stored.waitlistCount,
    status: stored.status,
    holdTtlMs: stored.holdTtlMs,
    maxPerUser: stored.maxPerUser,
    hasWaitlist: stored.hasWaitlist,
    salesOpenMs: stored.salesOpenMs,
    salesCloseMs: stored.salesCloseMs,
    endMs: stored.endMs,
    hash: stored.bodyHash,
    version: stored.version,
  }
  const oversold = slot !== undefined && slot.held + slot.confirmed > limitOf(slot)
  findings.expect(!oversold, 'I1', () => `slot ${id} is oversold: ${JSON.stringify(slot)}`)
  const units = book && { held: book.heldUnits, confirmed: book.confirmedUnits, waiting: book.waiting }
  compare(findings, `slot ${id}`, slot, book?.slot && { ...book.slot, ...units })
}

export function compareReservation(
  findings: Findings,
  id: string,
  stored: Reservation | undefined,
  expected: ModelReservation | undefined,
): void {
  const reservation = stored && {
    id: stored.id,
    user: stored.userId,
    quantity: stored.quantity,
    hash: stored.bodyHash,
    status: stored.status,
    reason: stored.reason,
    holdTtlMs: stored.holdTtlMs,
    bookingId: stored.bookingId,
    expiresMs: stored.expiresMs,
    place: stored.place,
    slotVersion: stored.slotVersion,
    transitions: stored.transitions.map(({ status, atMs }) => `${status}@${atMs}`),
  }
  compare(findings, `reservation ${id}`, reservation, expected)
}

function compare(
  findings: Findings,
  what: string,
  stored: object | null | undefined,
  expected: object | null | undefined,
): void {
  const [is, should] = [stored, expected].map((state) => JSON.stringify(sorted(state ?? {})))
  findings.expect(is === should, 'I3', () => `${what} is ${is}, expected ${should}`)
}

function sorted(state: object): object {
  return Object.fromEntries(Object.entries(state).sort(([a], [b]) => (a < b ? -1 : 1)))
}
