/** What the tables of reservations refuse beyond keys: the CHECKs and types of db/migrations, for the twin. */
import type { CommandOutcome } from '@ironsys/contracts'
import type { BatchEffects } from '@ironsys/engine'
import type { Reservation, ReservationEvent, Slot } from '@ironsys/reservations'

type Effects = BatchEffects<ReservationEvent, Slot, Reservation, CommandOutcome>

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

function slotFault({ name, pool }: Slot): string | null {
  const { capacityUnits, overbookingBps, heldUnits, confirmedUnits } = pool
  if (name.includes('\0')) return 'NUL in its name'
  for (const units of [capacityUnits, heldUnits, confirmedUnits]) {
    if (units < 0 || units > INTEGER_MAX) return `${units} units`
  }
  if (overbookingBps < 0 || overbookingBps > 10_000) return `overbooking of ${overbookingBps} bps`
  const limitUnits = capacityUnits + Math.floor((capacityUnits * overbookingBps) / 10_000)
  return heldUnits + confirmedUnits > limitUnits ? 'no_oversell' : null
}

function reservationFault({ userId, quantity, status, reason, cancelledMs }: Reservation): string | null {
  if (userId.includes('\0')) return 'NUL in its user id'
  if (quantity <= 0 || quantity > INTEGER_MAX) return `${quantity} units`
  if ((status === 'rejected') !== (reason !== null)) return `${status} for ${reason}`
  return (status === 'cancelled') !== (cancelledMs !== null) ? `${status} at ${cancelledMs}` : null
}
