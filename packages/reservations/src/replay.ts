/**
 * The whole ledger replayed page by page: what has to be in memory is one page, not a slot and its reservations.
 * Pure. Entries come in the order of (slot_id, version).
 */
import type { SlotId } from '@ironsys/contracts'
import { applyLedgerEntry, type LedgerEntryRow, LedgerFault } from './rebuild.ts'
import type { Reservation, Slot } from './state.ts'
import type { SavedState } from './tables.ts'

/** Between two entries. */
export interface ReplayPosition {
  readonly slotId: SlotId
  /** The slot as its entries so far left it. */
  readonly slot: Slot | null
  /** Log time of the last entry, Unix milliseconds. */
  readonly lastMs: number | null
  /** What follows the first fault of a slot cannot be judged: it is passed over. */
  readonly broken: boolean
}

export interface ReplayedPage {
  /** Null when nothing was replayed yet. */
  readonly position: ReplayPosition | null
  /** What the page changed; goes to the side tables before the next page. */
  readonly changes: SavedState
  /** The first fault of each slot that has one. */
  readonly faults: readonly LedgerFault[]
}

/** The reservations that a page names: those already in the side tables are needed to replay it. */
export function reservationsNamed(page: readonly LedgerEntryRow[]): readonly string[] {
  return [...new Set(page.flatMap((entry) => entry.reservation_id ?? []))]
}

/** Replays one page. `stored` are the side tables' rows of {@link reservationsNamed}. Throws on no ledger's account. */
export function replayPage(
  before: ReplayPosition | null,
  page: readonly LedgerEntryRow[],
  stored: ReadonlyMap<string, Reservation>,
): ReplayedPage {
  const headers = new Map<string, { header: Slot; created: boolean }>()
  const rows = new Map<string, { row: Reservation; created: boolean }>()
  const faults: LedgerFault[] = []
  let position = before
  for (const entry of page) {
    const at: ReplayPosition =
      position?.slotId === entry.slot_id
        ? position
        : { slotId: entry.slot_id, slot: null, lastMs: null, broken: false }
    position = at
    if (at.broken) continue
    const id = entry.reservation_id
    const reservation = id === null ? undefined : (rows.get(id)?.row ?? stored.get(id))
    const after = applied({ ...at, reservation }, entry)
    if (after instanceof LedgerFault) {
      faults.push(after)
      position = { ...at, broken: true }
      continue
    }
    position = { ...at, slot: after.slot, lastMs: after.lastMs }
    if (after.slot !== null) {
      const created = headers.get(entry.slot_id)?.created ?? at.slot === null
      headers.set(entry.slot_id, { header: after.slot, created })
    }
    if (id !== null && after.reservation !== undefined) {
      rows.set(id, { row: after.reservation, created: rows.get(id)?.created ?? reservation === undefined })
    }
  }
  return {
    position,
    changes: { ...unknownWriter, headers, rows, ledger: [], removedKeys: new Set() },
    faults,
  }
}

/** A slot's epoch and partition are not in the ledger. */
const unknownWriter = { id: { partition: null }, from: { epoch: 0 } } as const

function applied(...[before, entry]: Parameters<typeof applyLedgerEntry>) {
  try {
    return applyLedgerEntry(before, entry)
  } catch (error) {
    if (error instanceof LedgerFault) return error
    throw error
  }
}
