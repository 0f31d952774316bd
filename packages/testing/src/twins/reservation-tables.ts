/** What the tables of reservations do beyond keeping rows, for the twin: the CHECKs and types of db/migrations, and erasure. */
import type { CommandOutcome } from '@ironsys/contracts'
import type { BatchEffects, LedgerEntry } from '@ironsys/engine'
import type { Reservation, ReservationEvent, Slot } from '@ironsys/reservations'

type Effects = BatchEffects<ReservationEvent, Slot, Reservation, CommandOutcome>
type Entry = LedgerEntry<ReservationEvent, Slot>

const INTEGER_MAX = 2 ** 31 - 1

/** The first thing that Postgres would refuse, or null. Written out again, on purpose: it checks what decided it. */
export function refusedByReservationTables({ headers, rows }: Effects): string | null {
  for (const { header } of headers.values()) {
    const fault = slotFault(header)
    if (fault !== null) return `slot ${header.id}: ${fault}`
  }
  for (const { row } of rows.values()) {
    const fault = reservationFault(row)
    if (fault !== null) return `reservation ${row.id}: ${fault}`
  }
  return null
}

/** Takes the person out of a reservation's first event when the reservation is erased; null when none is. */
export function erasedFromLedger({ ledger, rows }: Effects): ((entry: Entry) => Entry) | null {
  const erased = new Set(
    ledger.flatMap(({ event }) => (event.type === 'reservation_erased' ? event.rowId : [])),
  )
  if (erased.size === 0) return null
  return (entry) => {
    const { event } = entry
    if (!('userId' in event) || !erased.has(event.rowId)) return entry
    const userId = rows.get(event.rowId)?.row.userId ?? event.userId
    return { ...entry, event: { ...event, userId, metadata: null, bodyHash: null } }
  }
}

function slotFault({ name, pool, waitlistCount }: Slot): string | null {
  const { capacityUnits, overbookingBps, heldUnits, confirmedUnits } = pool
  if (name.includes('\0')) return 'NUL in its name'
  for (const count of [capacityUnits, heldUnits, confirmedUnits, waitlistCount]) {
    if (count < 0 || count > INTEGER_MAX) return `${count} units or reservations`
  }
  if (overbookingBps < 0 || overbookingBps > 10_000) return `overbooking of ${overbookingBps} bps`
  const limitUnits = capacityUnits + Math.floor((capacityUnits * overbookingBps) / 10_000)
  return heldUnits + confirmedUnits > limitUnits ? 'no_oversell' : null
}

function reservationFault({
  userId,
  quantity,
  status,
  reason,
  expiresMs,
  place,
}: Reservation): string | null {
  if (userId.includes('\0')) return 'NUL in its user id'
  if (quantity <= 0 || quantity > INTEGER_MAX) return `${quantity} units`
  if ((status === 'rejected') !== (reason !== null)) return `${status} for ${reason}`
  if ((status === 'held') !== (expiresMs !== null)) return `${status} until ${expiresMs}`
  return (status === 'waitlisted') !== (place !== null) ? `${status} at place ${place}` : null
}
