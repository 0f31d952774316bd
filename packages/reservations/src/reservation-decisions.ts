/** What becomes of a reservation that is there: confirmed, confirmed late, cancelled. */
import { availableUnits, LINE_WINDOW, limitUnits } from '@ironsys/capacity'
import type { CancelCommand, ConfirmCommand } from '@ironsys/contracts'
import { isSelling, promotion, type SlotView } from './due.ts'
import { evolve } from './evolve.ts'
import { exceedsUserLimit, hasRoomInLine } from './reserve-decision.ts'
import {
  type Decision,
  nothing,
  outcomeAfter,
  outcomeOf,
  outcomeWith,
  type SlotDecision,
} from './slot-decision.ts'
import type { Reservation, ReservationEvent, Slot } from './state.ts'

interface Named {
  readonly slot: Slot
  readonly row: Reservation
}

/** A hold whose time is over has expired before, as a step. */
export function decideConfirm(view: SlotView, command: ConfirmCommand, atMs: number): Decision {
  const decision = confirmation(view, command, atMs)
  const { body_hash } = command
  return body_hash === undefined ? decision : { ...decision, outcome: { ...decision.outcome, body_hash } }
}

function confirmation(view: SlotView, command: ConfirmCommand, atMs: number): Decision {
  const named = find(view, command)
  if ('outcome' in named) return named
  const { row } = named
  switch (row.status) {
    case 'held':
      return changed(named, [{ type: 'hold_confirmed', rowId: row.id, quantity: row.quantity }], atMs)
    case 'confirmed':
      return nothing(outcomeOf(row))
    case 'expired':
      return decideLate(view, named, command, atMs)
    case 'waitlisted':
    case 'rejected':
    case 'cancelled':
      return nothing(outcomeWith('not-confirmable', row))
  }
}

/** Paid, but too late: what was asked for that case, or a word that the money has to go back. Never silent. */
function decideLate(view: SlotView, named: Named, { late }: ConfirmCommand, atMs: number): Decision {
  const { slot, row } = named
  const { id: rowId, quantity } = row
  if (late === undefined || late === 'reject') return nothing(outcomeWith('hold-expired', row))
  const isAllowed = isSelling(slot, atMs) && !exceedsUserLimit(view, slot, row.userId, quantity)
  const hasRoom = quantity <= availableUnits(slot.pool)
  if (late === 'rehold' && isAllowed && hasRoom) {
    return changed(named, [{ type: 'expired_reconfirmed', rowId, quantity }], atMs)
  }
  if (late === 'waitlist' && isAllowed && hasRoomInLine(slot) && quantity <= limitUnits(slot.pool)) {
    // Nobody in line fits what is free: it is this one's if it is near enough to the head.
    const isNext = hasRoom && slot.waitlistCount < LINE_WINDOW
    const events: ReservationEvent[] = [{ type: 'expired_requeued', rowId, quantity }]
    if (isNext) events.push(promotion(slot, row, atMs))
    return { ...changed(named, events, atMs), lacksUnits: !isNext }
  }
  const event: ReservationEvent = { type: 'late_confirmation_refused', rowId, quantity }
  return { events: [event], outcome: outcomeWith('refund-required', row), lacksUnits: true }
}

/** A step where units become free, so that the line is served before the answer; asked again, it is done. */
export function decideCancel(view: SlotView, command: CancelCommand): SlotDecision {
  const named = find(view, command)
  if ('outcome' in named) return named
  const { row } = named
  switch (row.status) {
    case 'held':
    case 'confirmed':
    case 'waitlisted': {
      const reason = command.booking_id === undefined ? 'by-request' : 'by-booking'
      const { id: rowId, quantity, status: from } = row
      return { step: [{ type: 'reservation_cancelled', rowId, quantity, from, reason }] }
    }
    case 'cancelled':
      return nothing(outcomeOf(row))
    case 'rejected':
    case 'expired':
      return nothing(outcomeWith('not-cancellable', row))
  }
}

/** The reservation, if whoever asks may touch it. */
function find(view: SlotView, command: ConfirmCommand | CancelCommand): Named | Decision {
  const slot = view.header
  const row = view.row(command.reservation_id)
  const isTheirs = command.caller === undefined || command.caller === row?.userId
  if (row === undefined || !isTheirs) return nothing({ code: 'reservation-not-found' })
  if (row.bookingId !== (command.booking_id ?? null)) return nothing(outcomeWith('part-of-booking', row))
  if (slot !== null) return { slot, row }
  // Rejected, because there is no such slot.
  return nothing(outcomeWith(command.type === 'confirm' ? 'not-confirmable' : 'not-cancellable', row))
}

function changed({ slot, row }: Named, events: readonly ReservationEvent[], atMs: number): Decision {
  let after: { header: Slot | null; row: Reservation | undefined } = { header: slot, row }
  for (const event of events) after = evolve(after, event, atMs)
  return { events, outcome: outcomeAfter(after) }
}
