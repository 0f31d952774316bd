/** Bookings, decided: pure, synchronous, from the booking alone. */
import type { BookingCommand, CommandOutcome } from '@ironsys/contracts'
import { type Decider, DUE_LIST, type View } from '@ironsys/engine'
import { decideBook, decideCancel, decideConfirm, decideErase, decideRetire } from './client-decisions.ts'
import { type BookingDecision, nothing, reservationIds } from './decision.ts'
import { evolve } from './evolve.ts'
import { bookingIdOf } from './home.ts'
import { parseCommand } from './parse.ts'
import { decideItem, decideOverdue } from './slot-answers.ts'
import type { Booking, BookingEvent } from './state.ts'

export type BookingDecider = Decider<BookingCommand, BookingEvent, Booking, never, CommandOutcome>

export const bookingDecider: BookingDecider = {
  parse: parseCommand,
  needs: (command) => ({ key: bookingIdOf(command), rowIds: [], remembered: false }),
  keyOfRow: noRows,
  rowId: noRows,
  listsOf: noRows,
  // Known to be empty, so that nothing but the deadline says when a booking is due.
  standingLists: [DUE_LIST],
  openLists: () => [],
  dueAtOfHeader: (booking) => booking.deadlineMs,
  decide,
  codeOf: (outcome) => outcome.code,
  repeat: (_command, outcome) => outcome,
  evolve,
}

/** A deadline that has come goes first, whatever the command: there is no order of two at the same time. */
function decide({ header }: View<Booking, never>, command: BookingCommand, atMs: number): BookingDecision {
  const isDue = header !== null && header.deadlineMs !== null && header.deadlineMs <= atMs
  return isDue ? { step: [deadlineEvent(header)] } : decideCommand(header, command, atMs)
}

/** No client waits for the end of pending any more, so nobody is answered ({@link PENDING_MS}). */
function deadlineEvent(booking: Booking): BookingEvent {
  const releases = reservationIds(booking)
  if (booking.status === 'held') return { type: 'booking_expired', rowId: null, releases }
  return { type: 'booking_rejected', rowId: null, reason: 'booking-timed-out', refused: null, releases }
}

function decideCommand(booking: Booking | null, command: BookingCommand, atMs: number): BookingDecision {
  switch (command.type) {
    case 'book':
      return decideBook(booking, command, atMs)
    case 'confirm_booking':
      return decideConfirm(booking, command, atMs)
    case 'cancel_booking':
      return decideCancel(booking, command, atMs)
    case 'item_decided':
      return decideItem(booking, command, atMs)
    case 'hold_overdue':
      return decideOverdue(booking, command)
    case 'wake_booking':
      return nothing({ code: booking === null ? 'booking-not-found' : 'ok' })
    case 'erase_booker':
      return decideErase(booking, command)
    case 'retire_booking':
      return decideRetire(booking, command, atMs)
  }
}

function noRows(): never {
  throw new Error('a booking has no rows of its own')
}
