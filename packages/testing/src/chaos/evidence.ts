/** History and facts, indexed once for all checks. */
import type { BookingFact, Facts, LedgerFact, ReservationFact, SlotFact } from './facts.ts'
import type { History } from './history.ts'

export interface Evidence {
  readonly history: History
  readonly facts: Facts
  readonly slots: ReadonlyMap<string, SlotFact>
  readonly reservations: ReadonlyMap<string, ReservationFact>
  /** By the name that marks the request. */
  readonly reservationsOfName: ReadonlyMap<string, readonly ReservationFact[]>
  readonly bookings: ReadonlyMap<string, BookingFact>
  /** By the user that marks the request. */
  readonly bookingsOfUser: ReadonlyMap<string, readonly BookingFact[]>
  /** In the order of the versions. */
  readonly ledgerOfSlot: ReadonlyMap<string, readonly LedgerFact[]>
  readonly ledgerOfReservation: ReadonlyMap<string, readonly LedgerFact[]>
  /** Slots made or changed, by the name that marks the request. */
  readonly ledgerOfName: ReadonlyMap<string, readonly LedgerFact[]>
}

export interface CheckResult {
  /** How many things were looked at: a check that looked at none has shown nothing. */
  readonly checked: number
  readonly violations: readonly string[]
}

export interface Check {
  readonly name: string
  /** What holds when it finds nothing. */
  readonly promise: string
  run(evidence: Evidence): CheckResult
}

export function gatherEvidence(history: History, facts: Facts): Evidence {
  const ledgerOf = (keyOf: (entry: LedgerFact) => string | null) => grouped(facts.ledger, keyOf)
  return {
    history,
    facts,
    slots: new Map(facts.slots.map((slot) => [slot.id, slot])),
    reservations: new Map(facts.reservations.map((reservation) => [reservation.id, reservation])),
    reservationsOfName: grouped(facts.reservations, ({ name }) => name),
    bookings: new Map(facts.bookings.map((booking) => [booking.id, booking])),
    bookingsOfUser: grouped(facts.bookings, ({ userId }) => userId),
    ledgerOfSlot: ledgerOf(({ slotId }) => slotId),
    ledgerOfReservation: ledgerOf(({ reservationId }) => reservationId),
    ledgerOfName: ledgerOf(({ name }) => name),
  }
}

/** A check that looks at each of `items` on its own. */
export function checkEach<T>(items: readonly T[], look: (item: T) => readonly string[]): CheckResult {
  return { checked: items.length, violations: items.flatMap(look) }
}

export function grouped<T>(
  items: readonly T[],
  keyOf: (item: T) => string | null,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    if (key === null) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
