/** The ledger that a slot's history leaves, as the tables keep it. */
import { slotId } from './commands.fixture.ts'
import { evolve } from './evolve.ts'
import type { LedgerEntryRow } from './rebuild.ts'
import type { Happened } from './slot-writer.fixture.ts'
import type { Reservation, ReservationErased, Slot } from './state.ts'

export function ledgerOf(history: readonly Happened[]): readonly LedgerEntryRow[] {
  const rows = new Map<string, Reservation>()
  let ledger: LedgerEntryRow[] = []
  let slot: Slot | null = null
  for (const { event, atMs } of history) {
    const before: Slot | null = slot
    const row = event.rowId === null ? undefined : rows.get(event.rowId)
    const after = evolve({ header: before, row }, event, atMs)
    if (after.row !== undefined) rows.set(after.row.id, after.row)
    slot = after.header
    if (event.type === 'reservation_erased') ledger = ledger.map((entry) => erased(entry, event))
    if (slot === null || slot.version === (before?.version ?? 0)) continue
    ledger.push({
      slot_id: slotId,
      version: slot.version,
      at: atMs,
      held_delta: slot.pool.heldUnits - (before?.pool.heldUnits ?? 0),
      confirmed_delta: slot.pool.confirmedUnits - (before?.pool.confirmedUnits ?? 0),
      capacity: slot.pool.capacityUnits,
      overbooking_bps: slot.pool.overbookingBps,
      type: event.type,
      reservation_id: event.rowId,
      event: JSON.parse(JSON.stringify(event)),
    })
  }
  return ledger
}

/** An erasure takes the person out of what the ledger says of the reservation already. */
function erased(entry: LedgerEntryRow, { rowId, pseudonym }: ReservationErased): LedgerEntryRow {
  const event = Object(entry.event)
  if (entry.reservation_id !== rowId || !('userId' in event)) return entry
  return { ...entry, event: { ...event, userId: pseudonym, metadata: null, bodyHash: null } }
}
