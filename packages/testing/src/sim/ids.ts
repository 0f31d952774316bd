/** Ids as the edge derives them. */
import { createSecretKey } from 'node:crypto'
import { deriveId } from '@ironsys/contracts'

/** The id key of the deployment. */
export const idKey = createSecretKey(Buffer.alloc(32, 7))

export function slotIdOf(seed: number, index: number): string {
  return deriveId(idKey, `slot ${index}`, [`${seed}`, `${index}`])
}

/** Whose key it was. */
interface Asker {
  readonly user: string
  /** The caller's Idempotency-Key. */
  readonly key: string
}

/** The id that a reservation of this intent gets. */
export function reservationIdOf({ key, user }: Asker, slotId: string): string {
  return deriveId(idKey, slotId, [user, 'POST /reservations', slotId, key, '0'])
}

export function bookingIdOf({ key, user }: Asker): string {
  return deriveId(idKey, `booking of ${user}, ${key}`, [user, 'POST /bookings', key])
}

export function bookedReservationIdOf({ key, user }: Asker, slotId: string): string {
  return deriveId(idKey, slotId, [user, 'POST /bookings', slotId, key])
}
