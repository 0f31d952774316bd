/** What an organiser asks of a slot: made, changed, taken away; and a person taken out of it. */
import { resizePool } from '@ironsys/capacity'
import type {
  CommandOutcome,
  CreateSlotCommand,
  ErasePersonCommand,
  RetireSlotCommand,
  UpdateSlotCommand,
} from '@ironsys/contracts'
import { slotDocument } from './documents.ts'
import type { SlotView } from './due.ts'
import { evolve } from './evolve.ts'
import { type Decision, nothing, type SlotDecision } from './slot-decision.ts'
import type { ReservationEvent, Slot } from './state.ts'

const DAY_MS = 24 * 3600 * 1000

export function decideCreateSlot(view: SlotView, command: CreateSlotCommand, atMs: number): Decision {
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
      holdTtlMs: command.hold_ttl_seconds === null ? null : command.hold_ttl_seconds * 1000,
      maxPerUser: command.max_per_user,
      hasWaitlist: command.waitlist,
      salesOpenMs: msOrNull(command.sales_open_at),
      salesCloseMs: msOrNull(command.sales_close_at),
      metadata: command.metadata ?? null,
      bodyHash: command.body_hash,
    },
  }
  const { header } = evolve({ header: null, row: undefined }, event, atMs)
  if (header === null) throw new Error('slot_created left no slot')
  return { events: [event], outcome: { code: 'ok', slot: slotDocument(header) } }
}

/** A change is a step: what it makes possible for those in line happens before the answer, which then finds it done. */
export function decideUpdateSlot({ header: slot }: SlotView, command: UpdateSlotCommand): SlotDecision {
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
    const detail = `${taken} units are held or confirmed`
    const outcome: CommandOutcome = { code: 'capacity-in-use', detail, ...hashOf(command) }
    return { events: [], outcome, lacksUnits: true }
  }
  if (!isAsAsked(slot, event)) return { step: [event] }
  return nothing({ code: 'ok', slot: slotDocument(slot), ...hashOf(command) })
}

export function decideErase(view: SlotView, command: ErasePersonCommand): Decision {
  const { slot_id, reservation_ids, user_id, pseudonym } = command
  const events = [...new Set(reservation_ids)].flatMap((rowId): ReservationEvent[] => {
    const row = view.row(rowId)
    const isTheirs = row?.slotId === slot_id && row.userId === user_id && user_id !== pseudonym
    return isTheirs ? [{ type: 'reservation_erased', rowId, pseudonym }] : []
  })
  return { events, outcome: { code: 'ok' } }
}

export function decideRetire({ header: slot }: SlotView, command: RetireSlotCommand, atMs: number): Decision {
  if (slot === null) return nothing({ code: 'slot-not-found' })
  if (slot.endMs + command.keep_days * DAY_MS > atMs) return nothing({ code: 'not-over-yet' })
  return { events: [{ type: 'slot_retired', rowId: null }], outcome: { code: 'ok' } }
}

function isAsAsked(slot: Slot, asked: Extract<ReservationEvent, { type: 'slot_updated' }>): boolean {
  return (
    slot.name === asked.name &&
    slot.status === asked.status &&
    slot.pool.capacityUnits === asked.capacityUnits &&
    slot.pool.overbookingBps === asked.overbookingBps
  )
}

function msOrNull(time: string | null): number | null {
  return time === null ? null : Date.parse(time)
}

function hashOf(command: UpdateSlotCommand): Pick<CommandOutcome, 'body_hash'> {
  return command.body_hash === undefined ? {} : { body_hash: command.body_hash }
}
