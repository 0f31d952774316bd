/** Commands that the workers write themselves: read back from the record, because no client can say what they mean. */
import type { Meaning } from './model/meaning.ts'

/** Of a record of reservations.commands; null when no worker writes such a thing. */
export function meaningOfOwn(text: string): Meaning | null {
  const { type, id, slot_id, reservation_id, booking_id, user_id, quantity } = JSON.parse(text)
  if (type === 'wake_slot') return { kind: 'command', command: { type, id, slotId: slot_id } }
  if (booking_id === undefined) return null
  switch (type) {
    case 'reserve': {
      const asked = { type, id, slotId: slot_id, user: user_id, quantity, bookingId: booking_id } as const
      const plain = {
        mode: 'hold',
        holdTtlMs: null,
        joinsWaitlist: false,
        hash: null,
        refused: false,
      } as const
      return { kind: 'command', command: { ...asked, ...plain } }
    }
    case 'confirm': {
      const told = { type, id, reservationId: reservation_id, bookingId: booking_id } as const
      return { kind: 'command', command: { ...told, late: null, caller: null } }
    }
    case 'cancel': {
      const told = { type, id, reservationId: reservation_id, bookingId: booking_id } as const
      return { kind: 'command', command: { ...told, caller: null } }
    }
    default:
      return null
  }
}
