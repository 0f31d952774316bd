/**
 * What each command should lead to, from a slot's book as it is at that moment: an outcome and the events of the
 * command's own. What is due has been done before, as far as the caller has seen it done.
 */
import type { CommandOf, ModelCommand } from './meaning.ts'
import { limitOf, type ModelReservation, type SlotBook } from './slot-book.ts'

/** An event of the command's own: of a reservation, or null of the slot. */
export interface OwnEvent {
  readonly type: string
  readonly reservationId: string | null
}

export interface Decision {
  readonly code: string
  readonly events: readonly OwnEvent[]
}

/** In line at one slot, at most. */
const LINE_MAX = 1_000_000

export function decideOn(book: SlotBook, command: ModelCommand, atMs: number): Decision {
  switch (command.type) {
    case 'create_slot':
      return decideCreate(book, command)
    case 'update_slot':
      return decideUpdate(book, command)
    case 'reserve':
      return decideReserve(book, command, atMs)
    case 'confirm':
      return decideConfirm(book, command, atMs)
    case 'cancel':
      return decideCancel(book, command)
    case 'wake_slot':
      return only(book.slot === null ? 'slot-not-found' : 'ok')
    case 'erase_person':
      return decideErase(book, command)
    case 'retire_slot':
      if (book.slot === null) return only('slot-not-found')
      return book.slot.endMs + command.keepMs > atMs
        ? only('not-over-yet')
        : { code: 'ok', events: [{ type: 'slot_retired', reservationId: null }] }
  }
}

function decideCreate({ slot }: SlotBook, { hash }: CommandOf<'create_slot'>): Decision {
  if (slot !== null) return only(slot.hash === hash ? 'ok' : 'slot-exists')
  return { code: 'ok', events: [{ type: 'slot_created', reservationId: null }] }
}

function decideUpdate(book: SlotBook, command: CommandOf<'update_slot'>): Decision {
  const { slot } = book
  if (slot === null) return only('slot-not-found')
  const capacity = command.capacity ?? slot.capacity
  const overbookingBps = command.overbookingBps ?? slot.overbookingBps
  if (book.heldUnits + book.confirmedUnits > limitOf({ capacity, overbookingBps }))
    return only('capacity-in-use')
  const isAsAsked =
    capacity === slot.capacity &&
    overbookingBps === slot.overbookingBps &&
    (command.status ?? slot.status) === slot.status
  return { code: 'ok', events: isAsAsked ? [] : [{ type: 'slot_updated', reservationId: null }] }
}

function decideReserve(book: SlotBook, command: CommandOf<'reserve'>, atMs: number): Decision {
  const earlier = book.reservations.get(command.id)
  if (earlier !== undefined) {
    return only(earlier.hash === command.hash ? (earlier.reason ?? 'ok') : 'idempotency-key-reused')
  }
  const becomes = admission(book, command, atMs)
  const isAdmitted = becomes === 'held' || becomes === 'confirmed' || becomes === 'waitlisted'
  const type = `reservation_${isAdmitted ? becomes : 'rejected'}`
  return { code: isAdmitted ? 'ok' : becomes, events: [{ type, reservationId: command.id }] }
}

function admission(book: SlotBook, command: CommandOf<'reserve'>, atMs: number): string {
  const { slot } = book
  if (slot === null) return 'slot-not-found'
  if (slot.status === 'closed') return 'slot-closed'
  if (slot.salesOpenMs !== null && atMs < slot.salesOpenMs) return 'sales-not-open'
  if (!book.isSelling(atMs)) return 'slot-closed'
  const { quantity, bookingId } = command
  if (quantity > limitOf(slot)) return 'sold-out'
  if (exceedsLimit(book, command.user, quantity)) return 'limit-exceeded'
  if (quantity <= book.freeUnits && book.nextInLine(atMs) === undefined) {
    const mode = command.mode ?? (slot.holdTtlMs === null ? 'confirm' : 'hold')
    return bookingId !== null || mode === 'hold' ? 'held' : 'confirmed'
  }
  const mayWait = command.joinsWaitlist && slot.hasWaitlist && bookingId === null
  return mayWait && book.waiting < LINE_MAX ? 'waitlisted' : 'sold-out'
}

function decideConfirm(book: SlotBook, command: CommandOf<'confirm'>, atMs: number): Decision {
  const found = find(book, command)
  if ('code' in found) return found
  switch (found.status) {
    case 'held':
      return { code: 'ok', events: [{ type: 'hold_confirmed', reservationId: found.id }] }
    case 'confirmed':
      return only('ok')
    case 'expired':
      return decideLate(book, found, command, atMs)
    case 'waitlisted':
    case 'rejected':
    case 'cancelled':
      return only('not-confirmable')
  }
}

function decideLate(
  book: SlotBook,
  { id, user, quantity }: ModelReservation,
  { late }: CommandOf<'confirm'>,
  atMs: number,
): Decision {
  if (late === null || late === 'reject') return only('hold-expired')
  const { slot } = book
  const mayTake = book.isSelling(atMs) && !exceedsLimit(book, user, quantity)
  const hasRoom = quantity <= book.freeUnits && book.nextInLine(atMs) === undefined
  if (late === 'rehold' && mayTake && hasRoom) {
    return { code: 'ok', events: [{ type: 'expired_reconfirmed', reservationId: id }] }
  }
  if (late === 'waitlist' && mayTake && slot?.hasWaitlist === true && quantity <= limitOf(slot)) {
    return { code: 'ok', events: [{ type: 'expired_requeued', reservationId: id }] }
  }
  return { code: 'refund-required', events: [{ type: 'late_confirmation_refused', reservationId: id }] }
}

function decideCancel(book: SlotBook, command: CommandOf<'cancel'>): Decision {
  const found = find(book, command)
  if ('code' in found) return found
  switch (found.status) {
    case 'held':
    case 'confirmed':
    case 'waitlisted':
      return { code: 'ok', events: [{ type: 'reservation_cancelled', reservationId: found.id }] }
    case 'cancelled':
      return only('ok')
    case 'rejected':
    case 'expired':
      return only('not-cancellable')
  }
}

function decideErase({ reservations }: SlotBook, command: CommandOf<'erase_person'>): Decision {
  const theirs = [...new Set(command.reservationIds)].filter(
    (id) => reservations.get(id)?.user === command.user && command.user !== command.pseudonym,
  )
  return { code: 'ok', events: theirs.map((id) => ({ type: 'reservation_erased', reservationId: id })) }
}

/** The reservation, if whoever asks may touch it. */
function find(
  { reservations }: SlotBook,
  { reservationId, caller, bookingId }: CommandOf<'confirm' | 'cancel'>,
): ModelReservation | Decision {
  const reservation = reservations.get(reservationId)
  if (reservation === undefined) return only('reservation-not-found')
  if (caller !== null && caller !== reservation.user) return only('reservation-not-found')
  return reservation.bookingId === bookingId ? reservation : only('part-of-booking')
}

function exceedsLimit(book: SlotBook, user: string, quantity: number): boolean {
  const max = book.slot?.maxPerUser ?? null
  return max !== null && book.unitsOf(user) + quantity > max
}

function only(code: string): Decision {
  return { code, events: [] }
}
