/**
 * State from the ledger: one slot's entries, in the order of their versions, folded through the writer's own `evolve`
 * (I6). Pure. What the ledger does not hold cannot be rebuilt: rejected reservations take no version, and a slot's
 * epoch belongs to its writer.
 */
import { reservationIdSchema, type SlotId, slotIdSchema } from '@ironsys/contracts'
import type { Change } from '@ironsys/engine'
import { z } from 'zod'
import { reservationDecider } from './decider.ts'
import { msOf } from './rows.ts'
import type { Reservation, ReservationEvent, ReservationRejected, Slot } from './state.ts'

/** A column list that makes a row of `slot_ledger` readable by {@link ledgerEntryFromRow}. */
export const ledgerColumns = `slot_id, version, ${msOf('at')}, held_delta, confirmed_delta, capacity, overbooking_bps, type,
  reservation_id, event`

const MAX_DATE_MS = 8.64e15

const ledgerEntryRow = z.object({
  slot_id: slotIdSchema,
  version: z.int(),
  /** Unix milliseconds. */
  at: z.int(),
  held_delta: z.int(),
  confirmed_delta: z.int(),
  /** Of the slot after the event, as is `overbooking_bps`. */
  capacity: z.int(),
  overbooking_bps: z.int(),
  type: z.string(),
  reservation_id: z.string().nullable(),
  /** Read by {@link applyLedgerEntry}, which says what is wrong with it. */
  event: z.unknown(),
})

/** One decision about a slot, as stored. */
export type LedgerEntryRow = z.infer<typeof ledgerEntryRow>

/** Throws on anything that is not a row of the ledger; its event is not looked at. */
export function ledgerEntryFromRow(json: unknown): LedgerEntryRow {
  return ledgerEntryRow.parse(json)
}

/** The ledger cannot be what a writer wrote. */
export class LedgerFault extends Error {
  override readonly name = 'LedgerFault'
  readonly slotId: SlotId
  /** Of the first entry that does not follow from those before it. */
  readonly version: number

  constructor({ slot_id, version }: LedgerEntryRow, fault: string, options?: ErrorOptions) {
    super(`slot ${slot_id}, version ${version}: ${fault}`, options)
    this.slotId = slot_id
    this.version = version
  }
}

/** A slot as its entries so far left it, and the reservation that the next entry names, if there is one. */
export interface LedgerStep {
  readonly slot: Slot | null
  readonly reservation: Reservation | undefined
  /** Log time of the last entry, Unix milliseconds; null before the first. */
  readonly lastMs: number | null
}

export interface RebuiltSlot {
  /** Null when there are no entries. */
  readonly slot: Slot | null
  /** By id: confirmed and cancelled ones. Rejected ones are not in the ledger. */
  readonly reservations: ReadonlyMap<string, Reservation>
}

/**
 * A slot's state after `entries`, which are all of its entries in the order of their versions.
 * Throws {@link LedgerFault}. Keeps every reservation of the slot in memory.
 */
export function rebuildSlot(entries: Iterable<LedgerEntryRow>): RebuiltSlot {
  const reservations = new Map<string, Reservation>()
  let slot: Slot | null = null
  let lastMs: number | null = null
  for (const entry of entries) {
    const named = entry.reservation_id
    const reservation = named === null ? undefined : reservations.get(named)
    const after: LedgerStep = applyLedgerEntry({ slot, reservation, lastMs }, entry)
    if (after.reservation !== undefined) reservations.set(after.reservation.id, after.reservation)
    slot = after.slot
    lastMs = after.lastMs
  }
  return { slot, reservations }
}

/** One entry further. Throws {@link LedgerFault} when the entry does not follow from what came before it. */
export function applyLedgerEntry(before: LedgerStep, entry: LedgerEntryRow): LedgerStep {
  const { slot, reservation, lastMs } = before
  const expected = (slot?.version ?? 0) + 1
  if (entry.version > expected) throw new LedgerFault(entry, `version ${expected} is missing`)
  if (entry.version < expected) throw new LedgerFault(entry, 'the version is there twice')
  if (lastMs !== null && entry.at < lastMs) throw new LedgerFault(entry, 'log time goes back')
  const event = readEvent(entry)
  const misfit = misfitOf(before, event)
  if (misfit !== null) throw new LedgerFault(entry, misfit)
  const after = evolved({ header: slot, row: reservation }, event, entry)
  const mismatch = mismatchOf(slot, after.header, entry)
  if (mismatch !== null) throw new LedgerFault(entry, mismatch)
  return { slot: after.header, reservation: after.row, lastMs: entry.at }
}

/** What takes a version. A rejection changes nothing about the slot and takes none. */
type LedgerEvent = Exclude<ReservationEvent, ReservationRejected>

const metadata = z.record(z.string(), z.unknown()).nullable()
const bodyHash = z.string().regex(/^[0-9a-f]{32}$/)
/** Unix milliseconds that a Date can hold. */
const timeMs = z.int().min(-MAX_DATE_MS).max(MAX_DATE_MS)

const ledgerEvent = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('slot_created'),
    rowId: z.null(),
    slot: z.strictObject({
      id: slotIdSchema,
      name: z.string(),
      startMs: timeMs,
      endMs: timeMs,
      capacityUnits: z.int(),
      overbookingBps: z.int(),
      salesOpenMs: timeMs.nullable(),
      salesCloseMs: timeMs.nullable(),
      metadata,
      bodyHash,
    }),
  }),
  z.strictObject({
    type: z.literal('slot_updated'),
    rowId: z.null(),
    name: z.string(),
    status: z.enum(['open', 'closed']),
    capacityUnits: z.int(),
    overbookingBps: z.int(),
  }),
  z.strictObject({
    type: z.literal('reservation_confirmed'),
    rowId: reservationIdSchema,
    slotId: slotIdSchema,
    userId: z.string(),
    quantity: z.int().positive(),
    metadata,
    bodyHash: bodyHash.nullable(),
  }),
  z.strictObject({
    type: z.literal('reservation_cancelled'),
    rowId: reservationIdSchema,
    quantity: z.int().positive(),
  }),
])

/** The entry's event, where it agrees with the columns beside it. */
function readEvent(entry: LedgerEntryRow): LedgerEvent {
  const parsed = ledgerEvent.safeParse(entry.event)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
    throw new LedgerFault(entry, `the event cannot be read: ${where}${issue?.message ?? 'invalid'}`)
  }
  const event = parsed.data
  if (event.type !== entry.type)
    throw new LedgerFault(entry, `type is ${entry.type}, the event ${event.type}`)
  if (event.rowId !== entry.reservation_id) {
    throw new LedgerFault(entry, `reservation_id is ${entry.reservation_id}, the event names ${event.rowId}`)
  }
  const slotId = slotIdOf(event)
  if (slotId !== null && slotId !== entry.slot_id) {
    throw new LedgerFault(entry, `the event is about slot ${slotId}`)
  }
  return event
}

function slotIdOf(event: LedgerEvent): SlotId | null {
  switch (event.type) {
    case 'slot_created':
      return event.slot.id
    case 'reservation_confirmed':
      return event.slotId
    case 'slot_updated':
    case 'reservation_cancelled':
      return null
  }
}

/** Why the event cannot come next, beyond what `evolve` itself refuses; null when it can. */
function misfitOf({ slot, reservation }: LedgerStep, event: LedgerEvent): string | null {
  switch (event.type) {
    case 'slot_created':
      return slot === null ? null : 'the slot is created twice'
    case 'slot_updated':
      return null
    case 'reservation_confirmed':
      return reservation === undefined ? null : `reservation ${event.rowId} is confirmed twice`
    case 'reservation_cancelled':
      if (reservation === undefined || reservation.slotId !== slot?.id) {
        return `reservation ${event.rowId} is cancelled but was never confirmed here`
      }
      if (reservation.status !== 'confirmed') return `reservation ${event.rowId} is cancelled twice`
      if (reservation.quantity === event.quantity) return null
      return `reservation ${event.rowId} gives back ${event.quantity} units and has ${reservation.quantity}`
  }
}

/** The writer's own step; what it throws on is a fault of the entry. */
function evolved(
  change: Change<Slot, Reservation>,
  event: LedgerEvent,
  entry: LedgerEntryRow,
): Change<Slot, Reservation> {
  try {
    return reservationDecider.evolve(change, event, entry.at)
  } catch (cause) {
    throw new LedgerFault(entry, cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** Which of the entry's own figures disagrees with its event; null when none does. */
function mismatchOf(before: Slot | null, after: Slot | null, entry: LedgerEntryRow): string | null {
  const pool = after?.pool
  const figures = [
    ['held_delta', entry.held_delta, (pool?.heldUnits ?? 0) - (before?.pool.heldUnits ?? 0)],
    [
      'confirmed_delta',
      entry.confirmed_delta,
      (pool?.confirmedUnits ?? 0) - (before?.pool.confirmedUnits ?? 0),
    ],
    ['capacity', entry.capacity, pool?.capacityUnits],
    ['overbooking_bps', entry.overbooking_bps, pool?.overbookingBps],
  ] as const
  const wrong = figures.find(([, stored, made]) => stored !== made)
  return wrong === undefined ? null : `${wrong[0]} is ${wrong[1]}, its event makes ${wrong[2]}`
}
