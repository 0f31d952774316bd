/** As outcomes.ts, for the commands of bookings. */
import type { CommandOutcome } from '@ironsys/contracts'
import type { LogPlace } from './cursor.ts'
import { hadSince, type StoreDeps } from './outcomes.ts'
import { ownOnly } from './ownership.ts'

/** `hash` is the request's when it had a key: the booking may stem from an earlier request with the same one. */
export async function bookOutcome(
  { reads }: StoreDeps,
  id: string,
  hash: string | undefined,
): Promise<CommandOutcome | null> {
  const stored = await reads.booking(id)
  if (stored === null) return null
  if (hash !== undefined && stored.bodyHash !== hash) return { code: 'idempotency-key-reused' }
  const { document: booking } = stored
  switch (booking.status) {
    case 'pending':
      return null
    case 'rejected':
      return { code: booking.reason ?? 'sold-out', booking }
    case 'held':
    case 'confirmed':
    case 'cancelled':
    case 'expired':
      return { code: 'ok', booking }
  }
}

export interface BookingAsked {
  readonly id: string
  readonly caller: string | undefined
}

export async function confirmBookingOutcome(
  { reads, progress }: StoreDeps,
  { id, caller }: BookingAsked,
  place: LogPlace,
): Promise<CommandOutcome | null> {
  if (!(await progress.passed(place))) return null
  const booking = ownOnly(await reads.booking(id), caller)?.document
  if (booking === undefined) return { code: 'booking-not-found' }
  switch (booking.status) {
    case 'confirmed':
      return { code: 'ok', booking }
    case 'held':
      // It was pending when the command was decided.
      return null
    case 'pending':
    case 'rejected':
      return { code: 'not-confirmable', booking }
    case 'expired':
      return hadSince(booking, 'held', place) ? null : { code: 'hold-expired', booking }
    case 'cancelled':
      return hadSince(booking, 'cancelled', place) ? null : { code: 'not-confirmable', booking }
  }
}

export async function cancelBookingOutcome(
  { reads, progress }: StoreDeps,
  { id, caller }: BookingAsked,
  place: LogPlace,
): Promise<CommandOutcome | null> {
  const decided = await progress.passed(place)
  // Somebody else's is answered no sooner than one that is unknown.
  const booking = ownOnly(await reads.booking(id), caller)?.document
  if (booking === undefined) return decided ? { code: 'booking-not-found' } : null
  if (booking.status === 'cancelled') return { code: 'ok', booking }
  if (!decided) return null
  const over = booking.status === 'rejected' || booking.status === 'expired'
  return over ? { code: 'not-cancellable', booking } : null
}
