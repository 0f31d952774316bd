/**
 * State from the ledger: one slot's entries, in the order of their versions, folded through the writer's own `evolve`
 * (I6). Pure. What the ledger does not hold cannot be rebuilt: rejected reservations take no version, and a slot's
 * epoch belongs to its writer.
 */
import { type SlotId, slotIdSchema } from '@ironsys/contracts'
import type { Change } from '@ironsys/engine'
import { z } from 'zod'
import { reservationDecider } from './decider.ts'
import { type LedgerEvent, readLedgerEvent, slotIdOfEvent } from './ledger-events.ts'
import { misfitOf } from './ledger-misfits.ts'
import { msOf } from './rows.ts'
import type { Reservation, Slot } from './state.ts'

/** A column list that makes a row of `slot_ledger` readable by {@link ledgerEntryFromRow}. */
export const ledgerColumns = `slot_id, version, ${msOf('at')}, held_delta, confirmed_delta, capacity, overbooking_bps, type,
  reservation_id, event`

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
  /** By id, whatever became of them. Rejected ones are not in the ledger. */
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
  const misfit = misfitOf({ slot, reservation, atMs: entry.at }, event)
  if (misfit !== null) throw new LedgerFault(entry, misfit)
  const after = evolved({ header: slot, row: reservation }, event, entry)
  const mismatch = mismatchOf(slot, after.header, entry)
  if (mismatch !== null) throw new LedgerFault(entry, mismatch)
  return { slot: after.header, reservation: after.row, lastMs: entry.at }
}

/** The entry's event, where it agrees with the columns beside it. */
function readEvent(entry: LedgerEntryRow): LedgerEvent {
  const read = readLedgerEvent(entry.event)
  if ('unreadable' in read) throw new LedgerFault(entry, `the event cannot be read: ${read.unreadable}`)
  const { event } = read
  if (event.type !== entry.type)
    throw new LedgerFault(entry, `type is ${entry.type}, the event ${event.type}`)
  if (event.rowId !== entry.reservation_id) {
    throw new LedgerFault(entry, `reservation_id is ${entry.reservation_id}, the event names ${event.rowId}`)
  }
  const slotId = slotIdOfEvent(event)
  if (slotId !== null && slotId !== entry.slot_id) {
    throw new LedgerFault(entry, `the event is about slot ${slotId}`)
  }
  return event
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
