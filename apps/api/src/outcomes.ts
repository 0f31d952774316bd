/**
 * Where a waiting client's outcome comes from when no reply arrives: each kind of command read back from the store.
 * Null means undecided or not sure; the client then gets its 202 and nothing false. Bookings have a file of their own.
 */
import type {
  CommandOutcome,
  ConfirmCommand,
  CreateSlotCommand,
  ReservationDocument,
  ReserveRequest,
  SlotDocument,
} from '@ironsys/contracts'
import { canonicalJson } from './canonical.ts'
import type { LogPlace } from './cursor.ts'
import type { ApiDeps } from './deps.ts'
import { bodyHash } from './identity.ts'
import { ownOnly } from './ownership.ts'
import { readReservation } from './stored-reservation.ts'

export type StoreDeps = Pick<ApiDeps, 'reads' | 'progress'>

/** `hash` is the request's when it had a key: the row may stem from an earlier request with the same one. */
export async function reserveOutcome(
  { reads }: StoreDeps,
  id: string,
  hash: string | undefined,
): Promise<CommandOutcome | null> {
  const stored = await readReservation(reads, id)
  if (stored === null) return null
  if (hash !== undefined && stored.bodyHash !== hash) return { code: 'idempotency-key-reused' }
  const { document: reservation } = stored
  return { code: codeOf(reservation), reservation }
}

/** Of what a reservation's request asks for. What is said that would hold anyway does not count. */
export function reservationHash(body: ReserveRequest): string {
  const { slot_id, user_id, quantity, mode, hold_ttl_seconds, join_waitlist, metadata } = body
  return bodyHash({
    slot_id,
    user_id,
    quantity,
    mode,
    hold_ttl_seconds,
    join_waitlist: join_waitlist || undefined,
    metadata,
  })
}

export interface ConfirmAsked extends Pick<ConfirmCommand, 'late' | 'caller'> {
  readonly id: string
  readonly commandId: string
  /** Of the request, when it had a key. */
  readonly hash: string | undefined
}

/** A confirmation that may be late, or had a key, is remembered; any other shows in what the reservation has become. */
export async function confirmOutcome(
  deps: StoreDeps,
  { id, commandId, late, caller, hash }: ConfirmAsked,
  place: LogPlace,
): Promise<CommandOutcome | null> {
  if (late !== undefined || hash !== undefined) return rememberedOutcome(deps, commandId, hash)
  if (!(await deps.progress.passed(place))) return null
  const stored = await readReservation(deps.reads, id, caller)
  if (stored === null) return { code: 'reservation-not-found' }
  const { document: reservation } = stored
  const refusal = refusalToAll(reservation)
  if (refusal !== null) return refusal
  const wasSince = (status: ReservationDocument['status']) => hadSince(reservation, status, place)
  switch (reservation.status) {
    case 'confirmed':
      return { code: 'ok', reservation }
    case 'held':
      // It waited when the command was decided, and was promoted since.
      return null
    case 'waitlisted':
      return { code: 'not-confirmable', reservation }
    case 'expired':
      return wasSince('held') || wasSince('waitlisted') ? null : { code: 'hold-expired', reservation }
    case 'cancelled':
      return wasSince('cancelled') ? null : { code: 'not-confirmable', reservation }
    case 'rejected':
      return { code: 'not-confirmable', reservation }
  }
}

export async function cancelOutcome(
  { reads, progress }: StoreDeps,
  { id, caller }: Pick<ConfirmAsked, 'id' | 'caller'>,
  place: LogPlace,
): Promise<CommandOutcome | null> {
  const decided = await progress.passed(place)
  // Somebody else's is answered no sooner than one that is unknown.
  const stored = ownOnly(await reads.reservation(id), caller)
  if (stored === null) return decided ? { code: 'reservation-not-found' } : null
  const { document: reservation } = stored
  const refusal = refusalToAll(reservation)
  if (refusal !== null) return refusal
  if (reservation.status === 'cancelled') return { code: 'ok', reservation }
  if (!decided) return null
  const over = reservation.status === 'rejected' || reservation.status === 'expired'
  return over ? { code: 'not-cancellable', reservation } : null
}

/** Whether it became `status` at the command's time or later: it may have been something else for the command. */
export function hadSince<S extends string>(
  { transitions }: { readonly transitions: readonly { readonly status: S; readonly at: string }[] },
  status: S,
  { timeMs }: LogPlace,
): boolean {
  return transitions.some((each) => each.status === status && Date.parse(each.at) >= timeMs)
}

function codeOf({ status, reason }: ReservationDocument): CommandOutcome['code'] {
  return status === 'rejected' && reason !== undefined ? reason : 'ok'
}

/** What holds whatever the reservation has become. */
function refusalToAll(reservation: ReservationDocument): CommandOutcome | null {
  return reservation.booking_id === undefined ? null : { code: 'part-of-booking', reservation }
}

/** Only an untouched slot shows what it was created with; of a later version nothing is said. */
export async function createSlotOutcome(
  { reads, progress }: StoreDeps,
  wanted: Omit<CreateSlotCommand, 'v' | 'type' | 'id' | 'body_hash'> & { readonly id: string },
  place: LogPlace,
): Promise<CommandOutcome | null> {
  if (!(await progress.passed(place))) return null
  const slot = await reads.slot(wanted.id)
  if (slot === null || slot.version !== 1) return null
  const { document } = slot
  const available = wanted.capacity + Math.floor((wanted.capacity * wanted.overbooking_bps) / 10_000)
  const asked = { ...creationOf(wanted), available }
  const made = { ...creationOf(document), available: document.available }
  return canonicalJson(asked) === canonicalJson(made)
    ? { code: 'ok', slot: document }
    : { code: 'slot-exists' }
}

/** What a slot's document shows of its creation as it was asked for; the overbooking shows in the units available. */
type Creation = Pick<
  SlotDocument,
  Exclude<keyof CreateSlotCommand, 'v' | 'type' | 'reply_to' | 'id' | 'body_hash' | 'overbooking_bps'>
>

/** A record, so that the compiler misses here what is added to the command, and in the document what is added here. */
const creationFields: Readonly<Record<keyof Creation, true>> = {
  name: true,
  start_time: true,
  end_time: true,
  capacity: true,
  hold_ttl_seconds: true,
  max_per_user: true,
  waitlist: true,
  sales_open_at: true,
  sales_close_at: true,
  metadata: true,
}

function creationOf(slot: Creation): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(slot).filter(([field]) => Object.hasOwn(creationFields, field)))
}

/** Of a command that is idempotent neither by its id nor by state. */
export async function rememberedOutcome(
  { reads }: StoreDeps,
  commandId: string,
  hash: string | undefined,
): Promise<CommandOutcome | null> {
  const outcome = await reads.rememberedOutcome(commandId)
  if (outcome === null || outcome.body_hash === hash) return outcome
  return { code: 'idempotency-key-reused' }
}
