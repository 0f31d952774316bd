/** What each event makes of a slot's book: those of a command's own, and those that nobody asked for. */
import type { OwnEvent } from './decisions.ts'
import type { CommandOf, ModelCommand } from './meaning.ts'
import type { ModelReservation, SlotBook } from './slot-book.ts'

const HOLD_MS = 600_000
const PROMOTED_HOLD_MS = 900_000
/** A booking is asked so often what becomes of its hold. */
const NUDGE_MS = 300_000

/** What happens by itself. */
export type OwnAccord = 'hold_expired' | 'hold_overdue' | 'waiter_promoted'

/** `reservation` is due, or next in line. */
export function happen(book: SlotBook, type: OwnAccord, reservation: ModelReservation, atMs: number): void {
  const { slot } = book
  if (slot === null) return
  slot.version++
  switch (type) {
    case 'hold_expired':
      book.become(reservation, 'expired', atMs)
      return
    case 'hold_overdue':
      reservation.expiresMs = atMs + NUDGE_MS
      reservation.slotVersion = slot.version
      return
    case 'waiter_promoted': {
      const ttlMs = reservation.holdTtlMs ?? slot.holdTtlMs ?? PROMOTED_HOLD_MS
      book.become(reservation, 'held', atMs, atMs + ttlMs)
    }
  }
}

/** All that is due and all that follows from it, at once. */
export function settle(book: SlotBook, atMs: number): void {
  for (;;) {
    const next = book.nextInLine(atMs)
    const due = book.due(atMs)[0]
    if (next !== undefined) happen(book, 'waiter_promoted', next, atMs)
    else if (due !== undefined)
      happen(book, due.bookingId === null ? 'hold_expired' : 'hold_overdue', due, atMs)
    else return
  }
}

/** Whether the slot has a new version after it. */
export function takesVersion({ type, reservationId }: OwnEvent, book: SlotBook): boolean {
  if (type === 'reservation_erased') return book.reservations.get(reservationId ?? '')?.status !== 'rejected'
  return type !== 'reservation_rejected' && type !== 'late_confirmation_refused'
}

/** An event of the command's own, decided with `code`. */
export function takeEffect(
  book: SlotBook,
  event: OwnEvent,
  command: ModelCommand,
  code: string,
  atMs: number,
): void {
  const { slot } = book
  if (slot !== null && takesVersion(event, book)) slot.version++
  switch (command.type) {
    case 'create_slot':
      create(book, command)
      return
    case 'update_slot':
      if (slot === null) return
      slot.capacity = command.capacity ?? slot.capacity
      slot.overbookingBps = command.overbookingBps ?? slot.overbookingBps
      slot.status = command.status ?? slot.status
      return
    case 'retire_slot':
      book.clear()
      return
    case 'reserve':
      admit(book, event, command, code, atMs)
      return
    default: {
      const reservation = book.reservations.get(event.reservationId ?? '')
      if (reservation !== undefined) change(book, event, reservation, command, atMs)
    }
  }
}

function create(book: SlotBook, command: CommandOf<'create_slot'>): void {
  const { capacity, overbookingBps, holdTtlMs, maxPerUser, hasWaitlist } = command
  const { salesOpenMs, salesCloseMs, endMs, hash } = command
  book.slot = {
    capacity,
    overbookingBps,
    status: 'open',
    holdTtlMs,
    maxPerUser,
    hasWaitlist,
    salesOpenMs,
    salesCloseMs,
    endMs,
    hash,
    version: 1,
  }
}

function admit(
  book: SlotBook,
  { type }: OwnEvent,
  command: CommandOf<'reserve'>,
  code: string,
  atMs: number,
): void {
  const { id, user, quantity, hash, holdTtlMs, bookingId } = command
  const reservation: ModelReservation = {
    id,
    user,
    quantity,
    hash,
    status: 'rejected',
    reason: code === 'ok' ? null : code,
    holdTtlMs,
    bookingId,
    expiresMs: null,
    place: null,
    slotVersion: 0,
    transitions: [],
  }
  if (type === 'reservation_held') {
    const ttlMs = bookingId === null ? (holdTtlMs ?? book.slot?.holdTtlMs ?? HOLD_MS) : NUDGE_MS
    book.become(reservation, 'held', atMs, atMs + ttlMs)
  } else if (type === 'reservation_confirmed') book.become(reservation, 'confirmed', atMs)
  else if (type === 'reservation_waitlisted') book.become(reservation, 'waitlisted', atMs)
  else book.become(reservation, 'rejected', atMs)
}

function change(
  book: SlotBook,
  { type }: OwnEvent,
  reservation: ModelReservation,
  command: ModelCommand,
  atMs: number,
): void {
  switch (type) {
    case 'hold_confirmed':
    case 'expired_reconfirmed':
      book.become(reservation, 'confirmed', atMs)
      return
    case 'expired_requeued':
      book.become(reservation, 'waitlisted', atMs)
      return
    case 'reservation_cancelled':
      book.become(reservation, 'cancelled', atMs)
      return
    case 'reservation_erased':
      if (command.type === 'erase_person') reservation.user = command.pseudonym
      reservation.hash = null
      if (reservation.status !== 'rejected') reservation.slotVersion = book.slot?.version ?? 0
  }
}
