/** Reservations on slots, decided: pure, synchronous, from the slot and the reservation named. */
import {
  availableUnits,
  confirmUnits,
  createPool,
  releaseConfirmedUnits,
  resizePool,
} from '@ironsys/capacity'
import type {
  CancelCommand,
  CommandOutcome,
  CreateSlotCommand,
  RejectionCode,
  ReservationCommand,
  ReserveCommand,
  UpdateSlotCommand,
} from '@ironsys/contracts'
import type { Change, Decider, Decision, Needs, View } from '@ironsys/engine'
import { reservationDocument, slotDocument } from './documents.ts'
import { parseCommand } from './parse.ts'
import type { Reservation, ReservationEvent, Slot } from './state.ts'

export type ReservationDecider = Decider<
  ReservationCommand,
  ReservationEvent,
  Slot,
  Reservation,
  CommandOutcome
>
type SlotView = View<Slot, Reservation>
type SlotDecision = Decision<ReservationEvent, CommandOutcome>

export const reservationDecider: ReservationDecider = {
  parse: parseCommand,
  needs,
  keyOfRow: (reservation) => reservation.slotId,
  decide,
  codeOf: (outcome) => outcome.code,
  repeat,
  evolve,
}

function needs(command: ReservationCommand): Needs {
  switch (command.type) {
    case 'reserve':
      return { key: command.slot_id, rowIds: [command.id], remembered: false }
    case 'cancel':
      return { key: null, rowIds: [command.reservation_id], remembered: false }
    case 'create_slot':
      return { key: command.id, rowIds: [], remembered: false }
    case 'update_slot':
      return { key: command.slot_id, rowIds: [], remembered: true }
  }
}

function decide(view: SlotView, command: ReservationCommand, atMs: number): SlotDecision {
  switch (command.type) {
    case 'reserve':
      return decideReserve(view, command, atMs)
    case 'cancel':
      return decideCancel(view, command, atMs)
    case 'create_slot':
      return decideCreateSlot(view, command, atMs)
    case 'update_slot':
      return decideUpdateSlot(view, command, atMs)
  }
}

function decideReserve(view: SlotView, command: ReserveCommand, atMs: number): SlotDecision {
  const earlier = view.row(command.id)
  if (earlier !== undefined) return nothing(repeatReserve(earlier, command))
  const slot = view.header
  const reason = refusalToReserve(slot, command.quantity, atMs)
  const decided = {
    rowId: command.id,
    slotId: command.slot_id,
    userId: command.user_id,
    quantity: command.quantity,
    metadata: command.metadata ?? null,
    bodyHash: command.body_hash ?? null,
  }
  const event: ReservationEvent =
    reason === null
      ? { type: 'reservation_confirmed', ...decided }
      : { type: 'reservation_rejected', ...decided, reason }
  const row = evolve({ header: slot, row: undefined }, event, atMs).row
  return { events: [event], outcome: outcomeOf(row) }
}

function refusalToReserve(slot: Slot | null, quantity: number, atMs: number): RejectionCode | null {
  if (slot === null) return 'slot-not-found'
  if (slot.status === 'closed') return 'slot-closed'
  if (slot.salesOpenMs !== null && atMs < slot.salesOpenMs) return 'sales-not-open'
  if (slot.salesCloseMs !== null && atMs >= slot.salesCloseMs) return 'slot-closed'
  return 'refused' in confirmUnits(slot.pool, quantity) ? 'sold-out' : null
}

/** A create is refused by its own id and answered with what was decided then, in today's status. */
function repeatReserve(earlier: Reservation, command: ReserveCommand): CommandOutcome {
  const sameRequest = earlier.slotId === command.slot_id && earlier.bodyHash === (command.body_hash ?? null)
  return sameRequest ? outcomeOf(earlier) : { code: 'idempotency-key-reused' }
}

function decideCancel(view: SlotView, command: CancelCommand, atMs: number): SlotDecision {
  const reservation = view.row(command.reservation_id)
  if (reservation === undefined) return nothing({ code: 'reservation-not-found' })
  switch (reservation.status) {
    case 'cancelled':
      return nothing(outcomeOf(reservation))
    case 'rejected':
      return nothing({ code: 'not-cancellable', reservation: reservationDocument(reservation) })
    case 'confirmed': {
      const event: ReservationEvent = {
        type: 'reservation_cancelled',
        rowId: reservation.id,
        quantity: reservation.quantity,
      }
      return {
        events: [event],
        outcome: outcomeOf(evolve({ header: view.header, row: reservation }, event, atMs).row),
      }
    }
  }
}

function decideCreateSlot(view: SlotView, command: CreateSlotCommand, atMs: number): SlotDecision {
  const existing = view.header
  if (existing !== null) {
    const same = existing.bodyHash === command.body_hash
    return nothing(same ? { code: 'ok', slot: slotDocument(existing) } : { code: 'slot-exists' })
  }
  const event: ReservationEvent = {
    type: 'slot_created',
    rowId: null,
    slot: {
      id: command.id,
      name: command.name,
      startMs: Date.parse(command.start_time),
      endMs: Date.parse(command.end_time),
      capacityUnits: command.capacity,
      overbookingBps: command.overbooking_bps,
      salesOpenMs: command.sales_open_at === null ? null : Date.parse(command.sales_open_at),
      salesCloseMs: command.sales_close_at === null ? null : Date.parse(command.sales_close_at),
      metadata: command.metadata ?? null,
      bodyHash: command.body_hash,
    },
  }
  return slotDecision(null, event, atMs)
}

function decideUpdateSlot(view: SlotView, command: UpdateSlotCommand, atMs: number): SlotDecision {
  const slot = view.header
  if (slot === null) return nothing({ code: 'slot-not-found', ...hashOf(command) })
  const event = {
    type: 'slot_updated',
    rowId: null,
    name: command.name ?? slot.name,
    status: command.status ?? slot.status,
    capacityUnits: command.capacity ?? slot.pool.capacityUnits,
    overbookingBps: command.overbooking_bps ?? slot.pool.overbookingBps,
  } as const
  if ('refused' in resizePool(slot.pool, event.capacityUnits, event.overbookingBps)) {
    const taken = slot.pool.heldUnits + slot.pool.confirmedUnits
    return nothing({
      code: 'capacity-in-use',
      detail: `${taken} units are held or confirmed`,
      ...hashOf(command),
    })
  }
  const { events, outcome } = slotDecision(slot, event, atMs)
  return { events, outcome: { ...outcome, ...hashOf(command) } }
}

function repeat(command: ReservationCommand, outcome: CommandOutcome): CommandOutcome {
  const hash = 'body_hash' in command ? command.body_hash : undefined
  return outcome.body_hash === hash ? outcome : { code: 'idempotency-key-reused' }
}

function hashOf(command: UpdateSlotCommand): Pick<CommandOutcome, 'body_hash'> {
  return command.body_hash === undefined ? {} : { body_hash: command.body_hash }
}

function slotDecision(slot: Slot | null, event: ReservationEvent, atMs: number): SlotDecision {
  const after = evolve({ header: slot, row: undefined }, event, atMs).header
  if (after === null) throw new Error(`${event.type} left no slot`)
  return { events: [event], outcome: { code: 'ok', slot: slotDocument(after) } }
}

function nothing(outcome: CommandOutcome): SlotDecision {
  return { events: [], outcome }
}

function outcomeOf(reservation: Reservation | undefined): CommandOutcome {
  if (reservation === undefined) throw new Error('a decision left no reservation')
  return { code: reservation.reason ?? 'ok', reservation: reservationDocument(reservation) }
}

function evolve(
  { header, row }: Change<Slot, Reservation>,
  event: ReservationEvent,
  atMs: number,
): Change<Slot, Reservation> {
  switch (event.type) {
    case 'slot_created': {
      const { capacityUnits, overbookingBps, ...fields } = event.slot
      const pool = createPool(capacityUnits, overbookingBps)
      return { header: { ...fields, pool, status: 'open', version: 1, createdMs: atMs }, row }
    }
    case 'slot_updated': {
      const slot = present(header, event)
      const pool = resizePool(slot.pool, event.capacityUnits, event.overbookingBps)
      if ('refused' in pool) throw new Error(`slot ${slot.id} was resized below what is taken`)
      return {
        header: { ...slot, name: event.name, status: event.status, pool, version: slot.version + 1 },
        row,
      }
    }
    case 'reservation_confirmed': {
      const slot = present(header, event)
      const pool = confirmUnits(slot.pool, event.quantity)
      if ('refused' in pool)
        throw new Error(`slot ${slot.id} was oversold: ${availableUnits(slot.pool)} left`)
      const version = slot.version + 1
      return {
        header: { ...slot, pool, version },
        row: decidedReservation(event, 'confirmed', null, version, atMs),
      }
    }
    case 'reservation_rejected':
      return { header, row: decidedReservation(event, 'rejected', event.reason, header?.version ?? 0, atMs) }
    case 'reservation_cancelled': {
      const slot = present(header, event)
      const version = slot.version + 1
      const cancelled = { status: 'cancelled', cancelledMs: atMs, slotVersion: version } as const
      return {
        header: { ...slot, pool: releaseConfirmedUnits(slot.pool, event.quantity), version },
        row: row === undefined ? row : { ...row, ...cancelled },
      }
    }
  }
}

function present(slot: Slot | null, event: ReservationEvent): Slot {
  if (slot === null) throw new Error(`${event.type} without its slot`)
  return slot
}

function decidedReservation(
  event: Extract<ReservationEvent, { userId: string }>,
  status: Reservation['status'],
  reason: RejectionCode | null,
  slotVersion: number,
  atMs: number,
): Reservation {
  const { rowId: id, slotId, userId, quantity, metadata, bodyHash } = event
  return {
    id,
    slotId,
    userId,
    quantity,
    status,
    reason,
    metadata,
    bodyHash,
    createdMs: atMs,
    cancelledMs: null,
    slotVersion,
  }
}
