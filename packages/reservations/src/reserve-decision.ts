/** Whether units are held, confirmed, waited for or refused. */
import { availableUnits, limitUnits } from '@ironsys/capacity'
import type { CommandOutcome, RejectionCode, ReserveCommand } from '@ironsys/contracts'
import { BOOKING_NUDGE_MS, DEFAULT_HOLD_TTL_MS, isSelling, type SlotView, userList } from './due.ts'
import { evolve } from './evolve.ts'
import { type Decision, nothing, outcomeAfter, outcomeOf } from './slot-decision.ts'
import type { Reservation, ReservationEvent, Slot } from './state.ts'

/** In line at one slot, at most. */
const WAITLIST_MAX = 1_000_000

export function hasRoomInLine({ hasWaitlist, waitlistCount }: Slot): boolean {
  return hasWaitlist && waitlistCount < WAITLIST_MAX
}

export function decideReserve(view: SlotView, command: ReserveCommand, atMs: number): Decision {
  const earlier = view.row(command.id)
  if (earlier !== undefined) return nothing(repeatReserve(earlier, command))
  const answer = admission(view, command, atMs)
  const event = eventOf(view.header, command, answer, atMs)
  const after = evolve({ header: view.header, row: undefined }, event, atMs)
  return {
    events: [event],
    outcome: outcomeAfter(after),
    lacksUnits: answer === 'waitlisted' || answer === 'sold-out' || answer === 'limit-exceeded',
  }
}

type Admission = 'held' | 'confirmed' | 'waitlisted' | RejectionCode

function admission(view: SlotView, command: ReserveCommand, atMs: number): Admission {
  const slot = view.header
  if (slot === null) return 'slot-not-found'
  if (!isSelling(slot, atMs)) {
    const isEarly = slot.status === 'open' && slot.salesOpenMs !== null && atMs < slot.salesOpenMs
    return isEarly ? 'sales-not-open' : 'slot-closed'
  }
  const { quantity, booking_id } = command
  if (quantity > limitUnits(slot.pool)) return 'sold-out'
  if (exceedsUserLimit(view, slot, command.user_id, quantity)) return 'limit-exceeded'
  // Whoever is in line and fits has been served before: what is free now is for newcomers.
  if (quantity <= availableUnits(slot.pool)) return modeOf(slot, command) === 'hold' ? 'held' : 'confirmed'
  const mayWait = hasRoomInLine(slot) && booking_id === undefined
  return mayWait && command.join_waitlist === true ? 'waitlisted' : 'sold-out'
}

/** Units that the user holds, has confirmed and waits for count. */
export function exceedsUserLimit(view: SlotView, slot: Slot, userId: string, quantity: number): boolean {
  const { maxPerUser } = slot
  if (maxPerUser === null) return false
  let units = quantity
  if (units > maxPerUser) return true
  for (const row of view.list(userList(userId))) {
    units += row.quantity
    if (units > maxPerUser) return true
  }
  return false
}

function modeOf(slot: Slot, { mode, booking_id }: ReserveCommand): 'hold' | 'confirm' {
  if (booking_id !== undefined) return 'hold'
  return mode ?? (slot.holdTtlMs === null ? 'confirm' : 'hold')
}

function eventOf(
  slot: Slot | null,
  command: ReserveCommand,
  answer: Admission,
  atMs: number,
): ReservationEvent {
  const { booking_id, hold_ttl_seconds } = command
  const ownTtlMs = hold_ttl_seconds === undefined ? null : hold_ttl_seconds * 1000
  const decided = {
    rowId: command.id,
    slotId: command.slot_id,
    userId: command.user_id,
    quantity: command.quantity,
    metadata: command.metadata ?? null,
    bodyHash: command.body_hash ?? null,
    holdTtlMs: ownTtlMs,
    bookingId: booking_id ?? null,
    isCounted: slot !== null && slot.maxPerUser !== null,
  }
  const slotEndMs = booking_id === undefined ? null : (slot?.endMs ?? null)
  switch (answer) {
    case 'confirmed':
      return { type: 'reservation_confirmed', ...decided }
    case 'waitlisted':
      return { type: 'reservation_waitlisted', ...decided }
    case 'held': {
      const ttlMs = ownTtlMs ?? slot?.holdTtlMs ?? DEFAULT_HOLD_TTL_MS
      const expiresMs = atMs + (booking_id === undefined ? ttlMs : BOOKING_NUDGE_MS)
      return { type: 'reservation_held', ...decided, expiresMs, slotEndMs }
    }
    default:
      return { type: 'reservation_rejected', ...decided, reason: answer, slotEndMs }
  }
}

/** A create is refused by its own id and answered with what was decided then, in today's status. */
function repeatReserve(earlier: Reservation, command: ReserveCommand): CommandOutcome {
  const sameRequest = earlier.slotId === command.slot_id && earlier.bodyHash === (command.body_hash ?? null)
  return sameRequest ? outcomeOf(earlier) : { code: 'idempotency-key-reused' }
}
