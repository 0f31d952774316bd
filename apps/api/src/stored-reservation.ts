/** A reservation as the store has it, with its place in line while it waits. */
import type { ReservationDocument } from '@ironsys/contracts'
import type { ReservationReads, Stored } from './deps.ts'
import { ownOnly } from './ownership.ts'

/** Null for one that is not decided or unknown, and for one that is not the `owner`'s where there is one. */
export async function readReservation(
  reads: ReservationReads,
  id: string,
  owner?: string,
): Promise<Stored<ReservationDocument> | null> {
  const stored = ownOnly(await reads.reservation(id), owner)
  return stored === null ? null : { ...stored, document: await withPosition(reads, stored.document) }
}

/** What the decision says of its place is kept; one that has left its line meanwhile is shown as it was. */
export async function withPosition(
  reads: ReservationReads,
  document: ReservationDocument,
): Promise<ReservationDocument> {
  if (document.status !== 'waitlisted' || document.waitlist_position !== undefined) return document
  const place = await reads.waitlistPosition(document.id)
  if (place === null) return document
  return {
    ...document,
    waitlist_position: place.position,
    ...(place.approximate && { waitlist_position_approximate: true }),
  }
}
