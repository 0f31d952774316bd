/**
 * Where a waiting client's outcome comes from when no reply arrives: each kind of command read back from the store.
 * Null means undecided or not sure; the client then gets its 202 and nothing false.
 */
import type { CommandOutcome, CreateSlotCommand, ReservationDocument } from '@ironsys/contracts'
import { canonicalJson } from './canonical.ts'
import type { LogPlace } from './cursor.ts'
import type { ApiDeps } from './deps.ts'
import { bodyHash } from './identity.ts'

type StoreDeps = Pick<ApiDeps, 'reads' | 'progress'>

/** `hash` is the request's when it had a key: the row may stem from an earlier request with the same one. */
export async function reserveOutcome(
  { reads }: StoreDeps,
  id: string,
  hash: string | undefined,
): Promise<CommandOutcome | null> {
  const reservation = await reads.reservation(id)
  if (reservation === null) return null
  if (hash !== undefined && reservationHash(reservation) !== hash) return { code: 'idempotency-key-reused' }
  return { code: reservation.reason ?? 'ok', reservation }
}

/** Of a reservation's content, as its request had it. */
export function reservationHash(
  content: Pick<ReservationDocument, 'slot_id' | 'user_id' | 'quantity' | 'metadata'>,
): string {
  const { slot_id, user_id, quantity, metadata } = content
  return bodyHash({ slot_id, user_id, quantity, metadata })
}

export async function cancelOutcome(
  { reads, progress }: StoreDeps,
  reservationId: string,
  place: LogPlace,
): Promise<CommandOutcome | null> {
  const decided = await progress.passed(place.partition, place.offset)
  const reservation = await reads.reservation(reservationId)
  if (reservation?.status === 'cancelled') return { code: 'ok', reservation }
  if (!decided) return null
  if (reservation === null) return { code: 'reservation-not-found' }
  return reservation.status === 'rejected' ? { code: 'not-cancellable', reservation } : null
}

/** Only an untouched slot shows what it was created with; of a later version nothing is said. */
export async function createSlotOutcome(
  { reads, progress }: StoreDeps,
  wanted: Omit<CreateSlotCommand, 'v' | 'type' | 'id' | 'body_hash'> & { readonly id: string },
  place: LogPlace,
): Promise<CommandOutcome | null> {
  if (!(await progress.passed(place.partition, place.offset))) return null
  const slot = await reads.slot(wanted.id)
  if (slot === null || slot.version !== 1) return null
  const { document } = slot
  const { name, start_time, end_time, capacity, sales_open_at, sales_close_at, metadata } = wanted
  const asked = { name, start_time, end_time, capacity, sales_open_at, sales_close_at, metadata }
  const available = capacity + Math.floor((capacity * wanted.overbooking_bps) / 10_000)
  const made = {
    name: document.name,
    start_time: document.start_time,
    end_time: document.end_time,
    capacity: document.capacity,
    sales_open_at: document.sales_open_at,
    sales_close_at: document.sales_close_at,
    metadata: document.metadata,
  }
  const same = canonicalJson(asked) === canonicalJson(made) && document.available === available
  return same ? { code: 'ok', slot: document } : { code: 'slot-exists' }
}

export async function updateSlotOutcome(
  { reads }: StoreDeps,
  commandId: string,
  hash: string | undefined,
): Promise<CommandOutcome | null> {
  const outcome = await reads.rememberedOutcome(commandId)
  if (outcome === null || outcome.body_hash === hash) return outcome
  return { code: 'idempotency-key-reused' }
}
