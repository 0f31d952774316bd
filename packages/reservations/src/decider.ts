/** Reservations on slots, decided: pure, synchronous, from the slot, the reservation named and the front of its lists. */
import type { CommandOutcome, ReservationCommand } from '@ironsys/contracts'
import { type Decider, DUE_LIST, type ListPlace, type Needs } from '@ironsys/engine'
import { dueStep, QUEUE_LIST, type SlotView, takesDueSteps, urgentStep, userList } from './due.ts'
import { evolve } from './evolve.ts'
import { parseCommand } from './parse.ts'
import { decideCancel, decideConfirm } from './reservation-decisions.ts'
import { decideReserve } from './reserve-decision.ts'
import { nothing, type SlotDecision } from './slot-decision.ts'
import { decideCreateSlot, decideErase, decideRetire, decideUpdateSlot } from './slot-decisions.ts'
import type { Reservation, ReservationEvent, Slot } from './state.ts'

export type ReservationDecider = Decider<
  ReservationCommand,
  ReservationEvent,
  Slot,
  Reservation,
  CommandOutcome
>

export const reservationDecider: ReservationDecider = {
  parse: parseCommand,
  needs,
  keyOfRow: (reservation) => reservation.slotId,
  rowId: (reservation) => reservation.id,
  listsOf,
  standingLists: [DUE_LIST, QUEUE_LIST],
  openLists: ({ pool, waitlistCount }) => [
    ...(pool.heldUnits > 0 ? [DUE_LIST] : []),
    ...(waitlistCount > 0 ? [QUEUE_LIST] : []),
  ],
  dueAtOfHeader: () => null,
  decide,
  codeOf: (outcome) => outcome.code,
  repeat,
  evolve,
}

function needs(command: ReservationCommand, slot?: Slot): Needs {
  switch (command.type) {
    case 'reserve': {
      const lists = slot === undefined || slot.maxPerUser === null ? [] : [userList(command.user_id)]
      return { key: command.slot_id, rowIds: [command.id], remembered: false, lists }
    }
    case 'confirm': {
      // Late, it is not idempotent by state: what was not to be had then may be free when it is asked again.
      const remembered = command.late !== undefined || command.body_hash !== undefined
      return { key: null, rowIds: [command.reservation_id], remembered }
    }
    case 'cancel':
      return { key: null, rowIds: [command.reservation_id], remembered: false }
    case 'create_slot':
      return { key: command.id, rowIds: [], remembered: false }
    case 'update_slot':
      return { key: command.slot_id, rowIds: [], remembered: true }
    case 'wake_slot':
    case 'retire_slot':
      return { key: command.slot_id, rowIds: [], remembered: false }
    case 'erase_person':
      return { key: command.slot_id, rowIds: command.reservation_ids, remembered: false }
  }
}

const none: readonly ListPlace[] = []

function listsOf({
  status,
  expiresMs,
  place,
  isCounted,
  userId,
  createdMs,
}: Reservation): readonly ListPlace[] {
  if (status === 'held' || status === 'waitlisted') {
    const standing =
      status === 'held' ? { list: DUE_LIST, at: expiresMs ?? 0 } : { list: QUEUE_LIST, at: place ?? 0 }
    return isCounted ? [standing, { list: userList(userId), at: createdMs }] : [standing]
  }
  return isCounted && status === 'confirmed' ? [{ list: userList(userId), at: createdMs }] : none
}

/**
 * What is due comes first, as far as the command needs it: an answer that more free units would change is only given
 * when nothing due is left.
 */
function decide(view: SlotView, command: ReservationCommand, atMs: number) {
  const urgent = urgentStep(view, command, atMs)
  if (urgent !== null) return { step: [urgent] }
  const due = dueStep(view, atMs)
  if (due !== null && takesDueSteps(view, command)) return { step: [due] }
  const decision = decideCommand(view, command, atMs)
  return due !== null && 'outcome' in decision && decision.lacksUnits === true ? { step: [due] } : decision
}

function decideCommand(view: SlotView, command: ReservationCommand, atMs: number): SlotDecision {
  switch (command.type) {
    case 'reserve':
      return decideReserve(view, command, atMs)
    case 'confirm':
      return decideConfirm(view, command, atMs)
    case 'cancel':
      return decideCancel(view, command)
    case 'create_slot':
      return decideCreateSlot(view, command, atMs)
    case 'update_slot':
      return decideUpdateSlot(view, command)
    case 'wake_slot':
      return nothing({ code: view.header === null ? 'slot-not-found' : 'ok' })
    case 'erase_person':
      return decideErase(view, command)
    case 'retire_slot':
      return decideRetire(view, command, atMs)
  }
}

function repeat(command: ReservationCommand, outcome: CommandOutcome): CommandOutcome {
  const hash = 'body_hash' in command ? command.body_hash : undefined
  return outcome.body_hash === hash ? outcome : { code: 'idempotency-key-reused' }
}
