/** State as its ledger makes it, beside state as it is stored. */
import {
  applyLedgerEntry,
  type LedgerStep,
  ledgerColumns,
  ledgerEntryFromRow,
  loadState,
  type Reservation,
  readState,
  reservationTables,
  type SavedState,
  type Slot,
} from '@ironsys/reservations'
import { z } from 'zod'
import type { Query } from './consistent-read.ts'
import {
  type Change,
  differences,
  doubtfulReservationFields,
  doubtfulSlotFields,
  reservationFields,
  slotFields,
} from './state-fields.ts'

export interface Derived {
  readonly slot: Slot
  /** The slot as it is stored, or null. */
  readonly storedSlot: Slot | null
  /** Reservations whose row is missing or differs, as the ledger makes them. */
  readonly reservations: readonly Reservation[]
  readonly changes: readonly Change[]
}

/** Entries, and reservations, read at once. */
const PAGE = 5000

/** Ledger and state do not allow a repair: its message says why, for the operator. */
export class RepairFault extends Error {
  override readonly name = 'RepairFault'
}

/** A ledger up to some version, folded with the writer's own `evolve`. Keeps the slot's reservations in memory. */
export interface LedgerFold {
  readonly step: LedgerStep
  readonly reservations: ReadonlyMap<string, Reservation>
  /** The newest entry created or changed the slot: nothing after it says again what it says. */
  readonly endsInChange: boolean
}

const nothing: LedgerFold = {
  step: { slot: null, reservation: undefined, lastMs: null },
  reservations: new Map(),
  endsInChange: false,
}

/**
 * The whole ledger of one slot, or what was added to it since `before`: at most `entriesMax` entries.
 * Throws LedgerFault when the ledger is damaged, {@link RepairFault} when there are more entries.
 */
export async function foldLedger(
  query: Query,
  slotId: string,
  before: LedgerFold = nothing,
  entriesMax: number = Number.MAX_SAFE_INTEGER,
): Promise<LedgerFold> {
  const reservations = new Map(before.reservations)
  let { step, endsInChange } = before
  let read = 0
  await query(
    `DECLARE ledger NO SCROLL CURSOR FOR SELECT row_to_json(e) AS entry FROM (
       SELECT ${ledgerColumns} FROM slot_ledger WHERE slot_id = $1 AND version > $2::bigint
        ORDER BY slot_ledger.version, slot_ledger.at) e`,
    [slotId, step.slot?.version ?? 0],
  )
  for (;;) {
    const rows = await query(`FETCH ${PAGE} FROM ledger`)
    read += rows.length
    if (read > entriesMax) throw new RepairFault('too much was decided meanwhile: try again')
    for (const row of rows) {
      const entry = ledgerEntryFromRow(row.entry)
      const reservation = entry.reservation_id === null ? undefined : reservations.get(entry.reservation_id)
      step = applyLedgerEntry({ ...step, reservation }, entry)
      endsInChange = entry.reservation_id === null
      if (step.reservation !== undefined) reservations.set(step.reservation.id, step.reservation)
    }
    if (rows.length < PAGE) break
  }
  await query('CLOSE ledger')
  return { step, reservations, endsInChange }
}

/**
 * State as the ledger makes it against what is stored: the slot, and its reservations or the given ones of them.
 * Throws {@link RepairFault} when the ledger does not reach as far as state, or when the two differ in what the ledger
 * says only once: either of them may have been changed.
 */
export async function compareState(
  query: Query,
  slotId: string,
  fold: LedgerFold,
  reservationIds: readonly string[] | null = null,
): Promise<Derived> {
  const { slot } = fold.step
  if (slot === null) throw new RepairFault('its ledger is empty: there is nothing to derive it from')
  const storedSlot = await readSlot(query, slotId)
  if (storedSlot !== null && storedSlot.version > slot.version) {
    throw new RepairFault(
      `the ledger ends at version ${slot.version}, the stored slot is at ${storedSlot.version}: what is missing is not derivable`,
    )
  }
  const changes = [
    ...differences('slot', storedSlot === null ? null : slotFields(storedSlot), slotFields(slot)),
  ]
  if (storedSlot !== null) requireDerivable(changes, doubtfulSlotFields(storedSlot, slot, fold.endsInChange))
  const wanted =
    reservationIds === null
      ? [...fold.reservations.values()]
      : reservationIds.flatMap((id) => fold.reservations.get(id) ?? [])
  const different: Reservation[] = []
  for (const page of pagesOf(wanted)) {
    const stored = await readReservations(query, page)
    for (const reservation of page) {
      const row = stored.get(reservation.id)
      const found = differences(
        `reservation ${reservation.id}`,
        row === undefined ? null : reservationFields(row),
        reservationFields(reservation),
      )
      if (row !== undefined) requireDerivable(found, doubtfulReservationFields(row, reservation))
      if (found.length > 0) different.push(reservation)
      changes.push(...found)
    }
  }
  return { slot, storedSlot, reservations: different, changes }
}

function requireDerivable(changes: readonly Change[], doubtful: readonly string[]): void {
  const change = changes.find(({ field }) => doubtful.includes(field))
  if (change === undefined) return
  const { subject, field, stored, derived } = change
  throw new RepairFault(
    `${subject} ${field} is ${stored ?? 'none'}, its ledger says ${derived ?? 'none'}: nobody can tell here which of them is right`,
  )
}

/** In whose name state is written. */
export interface Writer {
  readonly partition: number
  readonly epoch: number
}

/** Puts the derived rows in the place of the stored ones, in the writer's own statements. */
export async function writeState(
  query: Query,
  { slot, reservations }: Derived,
  writer: Writer,
): Promise<void> {
  await query('DELETE FROM slots WHERE id = $1', [slot.id])
  await save(query, writer, { headers: new Map([[slot.id, { header: slot, created: true }]]) })
  for (const page of pagesOf(reservations)) {
    await query('DELETE FROM reservations WHERE id = ANY ($1::uuid[])', [page.map(({ id }) => id)])
    await save(query, writer, { rows: new Map(page.map((row) => [row.id, { row, created: true }])) })
  }
}

async function save(
  query: Query,
  { partition, epoch }: Writer,
  rows: Partial<Pick<SavedState, 'headers' | 'rows'>>,
): Promise<void> {
  const state: SavedState = {
    ...{ id: { partition }, from: { epoch }, headers: new Map(), rows: new Map(), ledger: [] },
    ...{ removedKeys: new Set<string>(), ...rows },
  }
  for (const { text, values } of reservationTables.save(state)) await query(text, values)
}

/** What `loadState` answers, in one row. */
export const stateAnswer = z.object({ headers: z.array(z.unknown()), rows: z.array(z.unknown()) })

async function readSlot(query: Query, slotId: string): Promise<Slot | null> {
  const { text, values } = loadState([slotId], [])
  const [answer] = await query(text, values)
  return readState(stateAnswer.parse(answer)).headers.get(slotId) ?? null
}

async function readReservations(query: Query, page: readonly Reservation[]) {
  const ids = page.map(({ id }) => id)
  const { text, values } = loadState([], ids)
  const [answer] = await query(text, values)
  return readState(stateAnswer.parse(answer)).rows
}

/** At most {@link PAGE} each. */
export function* pagesOf<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += PAGE) yield items.slice(start, start + PAGE)
}
