/**
 * What cannot come next in a ledger, beyond what `evolve` itself refuses: which status an event may follow, that later
 * events move the units of the first, and that holds last as long as was agreed and end when their time has come.
 *
 * Who goes first in line cannot be told here: that takes all who wait.
 */
import type { ReservationStatus } from '@ironsys/contracts'
import type { LedgerEvent } from './ledger-events.ts'
import type { Reservation, Slot } from './state.ts'

/** The slot before the event, the reservation that it names if it was ever decided, and the time of the event. */
export interface LedgerMoment {
  readonly slot: Slot | null
  readonly reservation: Reservation | undefined
  /** Unix milliseconds. */
  readonly atMs: number
}

/** Why the event cannot come next; null when it can. */
export function misfitOf(moment: LedgerMoment, event: LedgerEvent): string | null {
  switch (event.type) {
    case 'slot_created':
      return moment.slot === null ? null : 'the slot is created twice'
    case 'slot_updated':
      return null
    case 'reservation_confirmed':
    case 'reservation_held':
    case 'reservation_waitlisted':
      return misfitOfFirst(moment, event)
    case 'reservation_erased':
      return misfitOfErasure(moment, event)
    default:
      return misfitOfChange(moment, event)
  }
}

type FirstEvent = Extract<LedgerEvent, { readonly userId: string }>
type ErasedEvent = Extract<LedgerEvent, { readonly type: 'reservation_erased' }>
type ChangeEvent = Exclude<LedgerEvent, FirstEvent | ErasedEvent | { readonly rowId: null }>

function misfitOfFirst({ slot, reservation, atMs }: LedgerMoment, event: FirstEvent): string | null {
  const subject = `reservation ${event.rowId}`
  if (reservation !== undefined) return `${subject} is decided twice`
  // Without its slot `evolve` refuses it.
  if (slot === null) return null
  if (event.isCounted !== (slot.maxPerUser !== null))
    return `${subject} ${event.isCounted ? 'counts' : 'does not count'} towards a limit per user of ${slot.maxPerUser ?? 'none'}`
  switch (event.type) {
    case 'reservation_confirmed':
      return event.bookingId === null ? null : `${subject} is a booking's and was never held`
    case 'reservation_held': {
      const slotEndMs = event.bookingId === null ? null : slot.endMs
      if (event.slotEndMs !== slotEndMs)
        return `${subject} says the slot is over at ${event.slotEndMs ?? 'no time'}, it should be ${slotEndMs ?? 'no time'}`
      const agreedMs = event.bookingId === null ? (event.holdTtlMs ?? slot.holdTtlMs) : null
      return misfitOfEnd(subject, event.expiresMs - atMs, agreedMs)
    }
    case 'reservation_waitlisted':
      if (!slot.hasWaitlist) return `${subject} waits, but the slot has no waitlist`
      return event.bookingId === null ? null : `${subject} is a booking's and waits`
  }
}

/** An erasure takes the person out of the entries before it, in the same transaction. */
function misfitOfErasure({ reservation }: LedgerMoment, { rowId }: ErasedEvent): string | null {
  const subject = `reservation ${rowId}`
  if (reservation === undefined) return `${subject} is erased but was never decided here`
  return reservation.metadata === null && reservation.bodyHash === null
    ? null
    : `${subject} is erased, but what it carried is still in an earlier entry`
}

function misfitOfChange({ slot, reservation, atMs }: LedgerMoment, event: ChangeEvent): string | null {
  const subject = `reservation ${event.rowId}`
  if (slot === null || reservation === undefined || reservation.slotId !== slot.id)
    return `${event.type}, but ${subject} was never decided here`
  const { status, quantity } = reservation
  if (status !== statusBefore(event)) return `${event.type}, but ${subject} is ${status}`
  if (quantity !== event.quantity)
    return `${event.type} moves ${event.quantity} units, ${subject} has ${quantity}`
  const fault = misfitOfTime(reservation, event, atMs) ?? misfitOfBooking(reservation, event)
  if (fault !== null) return `${event.type}, but ${subject} ${fault}`
  switch (event.type) {
    case 'waiter_promoted':
      return misfitOfEnd(subject, event.expiresMs - atMs, reservation.holdTtlMs ?? slot.holdTtlMs)
    case 'hold_overdue':
      return misfitOfEnd(subject, event.expiresMs - atMs, null)
    case 'expired_requeued':
      return slot.hasWaitlist ? null : `${subject} waits, but the slot has no waitlist`
    default:
      return null
  }
}

function statusBefore(event: ChangeEvent): ReservationStatus {
  switch (event.type) {
    case 'hold_confirmed':
    case 'hold_expired':
    case 'hold_overdue':
      return 'held'
    case 'reservation_cancelled':
      return event.from
    case 'waiter_promoted':
      return 'waitlisted'
    case 'expired_reconfirmed':
    case 'expired_requeued':
      return 'expired'
  }
}

/** `agreedMs`: how long it was to last, where slot or request say so. */
function misfitOfEnd(subject: string, lastsMs: number, agreedMs: number | null): string | null {
  const isWrong = agreedMs === null ? lastsMs <= 0 : lastsMs !== agreedMs
  return isWrong ? `${subject} is held for ${lastsMs} ms, it should be ${agreedMs ?? 'more than 0'}` : null
}

/** A hold is over when its end has come, unless it is a booking's: that says itself what becomes of it. */
function misfitOfTime(
  { expiresMs, bookingId }: Reservation,
  event: ChangeEvent,
  atMs: number,
): string | null {
  const isDue = expiresMs !== null && expiresMs <= atMs
  switch (event.type) {
    case 'hold_expired':
    case 'hold_overdue':
      return isDue ? null : `is held still`
    case 'hold_confirmed':
    case 'reservation_cancelled':
      return isDue && bookingId === null ? `was held until ${new Date(expiresMs).toISOString()}` : null
    case 'waiter_promoted':
    case 'expired_reconfirmed':
    case 'expired_requeued':
      return null
  }
}

function misfitOfBooking({ bookingId }: Reservation, event: ChangeEvent): string | null {
  switch (event.type) {
    case 'hold_expired':
      return bookingId === null ? null : `is of booking ${bookingId}, which alone ends it`
    case 'hold_overdue':
      return bookingId === event.bookingId ? null : `is of booking ${bookingId ?? 'none'}`
    case 'reservation_cancelled':
      return (bookingId === null) === (event.reason === 'by-request')
        ? null
        : `is of booking ${bookingId ?? 'none'}, and is cancelled ${event.reason}`
    case 'hold_confirmed':
    case 'waiter_promoted':
    case 'expired_reconfirmed':
    case 'expired_requeued':
      return null
  }
}
