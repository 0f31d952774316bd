/**
 * What happens at a slot without anybody asking: units that became free go to the first in line that fits, and holds
 * end. It is done as steps before the next command, at that command's log time (I6).
 *
 * Promotions come at once, always. Where nobody waits, expiries are lazy: a hold that is due blocks nobody, but is only
 * taken out of the way as far as a command needs it, so that ten thousand that end together do not stand in anybody's
 * way. The wakes that the slot's writer sends itself do the rest.
 */
import { availableUnits, firstThatFits } from '@ironsys/capacity'
import { limits, type ReservationCommand } from '@ironsys/contracts'
import { DUE_LIST, type View } from '@ironsys/engine'
import type { Reservation, ReservationEvent, Slot } from './state.ts'

export const QUEUE_LIST = 'queue'

export const USER_LIST_PREFIX = 'user:'

/** The list of a user's reservations that count towards the limit per user. */
export function userList(userId: string): string {
  return `${USER_LIST_PREFIX}${userId}`
}

/** Expiries before a command that could be accepted without them, and those of a wake; each may promote waiters too. */
const STEPS_PER_COMMAND = 16
const STEPS_PER_WAKE = 500

/** How long a hold lasts where neither the request nor the slot says so, and one that somebody in line is given. */
export const DEFAULT_HOLD_TTL_MS = limits.defaultHoldTtlSeconds * 1000
const PROMOTED_HOLD_TTL_MS = limits.promotedHoldTtlSeconds * 1000

/** After so long a booking is asked what becomes of its hold; it has no end of its own. */
export const BOOKING_NUDGE_MS = 300_000

export type SlotView = View<Slot, Reservation>

/** The step that comes before anything else: a promotion, or the end of the very hold that the command is about. */
export function urgentStep(
  view: SlotView,
  command: ReservationCommand,
  atMs: number,
): ReservationEvent | null {
  const slot = view.header
  if (slot === null) return null
  const waiter = nextInLine(view, slot, atMs)
  if (waiter !== undefined) return promotion(slot, waiter, atMs)
  const named = namedBy(command)
  const row = named === null ? undefined : view.row(named)
  return row?.slotId === slot.id && hasEnded(row, atMs) ? expiry(row) : null
}

/** The next hold whose time has come, as a step; null when there is none. */
export function dueStep({ header, list }: SlotView, atMs: number): ReservationEvent | null {
  if (header === null || header.pool.heldUnits === 0) return null
  for (const row of list(DUE_LIST, atMs)) {
    if (row.bookingId === null) return expiry(row)
    const { id, quantity, bookingId } = row
    return { type: 'hold_overdue', rowId: id, quantity, bookingId, expiresMs: atMs + BOOKING_NUDGE_MS }
  }
  return null
}

/**
 * Whether due steps come before the command whether it needs them or not. While anybody waits, all of them do: what
 * ends may together be enough for somebody in line, whom the command must not pass. A wake passes nobody.
 */
export function takesDueSteps({ header, steps }: SlotView, command: ReservationCommand): boolean {
  if (command.type === 'wake_slot') return steps < STEPS_PER_WAKE
  return steps < STEPS_PER_COMMAND || (header !== null && header.waitlistCount > 0)
}

/** Open, and inside its sales window. */
export function isSelling(slot: Slot, atMs: number): boolean {
  if (slot.status === 'closed') return false
  if (slot.salesOpenMs !== null && atMs < slot.salesOpenMs) return false
  return slot.salesCloseMs === null || atMs < slot.salesCloseMs
}

/** An end that is reached is over: at its very millisecond a hold cannot be confirmed any more. */
function hasEnded({ status, expiresMs, bookingId }: Reservation, atMs: number): boolean {
  return status === 'held' && bookingId === null && expiresMs !== null && expiresMs <= atMs
}

function nextInLine(view: SlotView, slot: Slot, atMs: number): Reservation | undefined {
  const free = availableUnits(slot.pool)
  if (slot.waitlistCount === 0 || free === 0 || !isSelling(slot, atMs)) return undefined
  return firstThatFits(view.list(QUEUE_LIST), free)
}

export function promotion(
  slot: Slot,
  { id, quantity, holdTtlMs }: Reservation,
  atMs: number,
): ReservationEvent {
  const expiresMs = atMs + (holdTtlMs ?? slot.holdTtlMs ?? PROMOTED_HOLD_TTL_MS)
  return { type: 'waiter_promoted', rowId: id, quantity, expiresMs }
}

function expiry({ id, quantity }: Reservation): ReservationEvent {
  return { type: 'hold_expired', rowId: id, quantity }
}

function namedBy(command: ReservationCommand): string | null {
  switch (command.type) {
    case 'reserve':
      return command.id
    case 'confirm':
    case 'cancel':
      return command.reservation_id
    default:
      return null
  }
}
