/** A slot as simple as can be: a capacity, and who has what. Answers bookings as packages/reservations does. */
import { reservationCommandSchema } from '@ironsys/contracts'

/** What one sender has sent, and what of it has not arrived. */
export interface Outbox<M> {
  readonly sent: M[]
  readonly underWay: M[]
}

export interface SimpleSlot {
  readonly capacity: number
  readonly taken: Map<string, Taken>
  readonly inbox: string[]
  readonly outbox: Outbox<ToBooking>
}

export interface Taken {
  readonly bookingId: string
  readonly units: number
  readonly status: 'held' | 'confirmed' | 'rejected' | 'cancelled'
}

export interface ToBooking {
  readonly type: 'item_decided' | 'hold_overdue'
  readonly booking_id: string
  readonly reservation_id: string
  readonly code?: string
  readonly slot_end_time?: null
}

export const simpleSlot = (capacity: number): SimpleSlot => ({
  capacity,
  taken: new Map(),
  inbox: [],
  outbox: { sent: [], underWay: [] },
})

/** Decides the next command of the slot's log. A repeat changes nothing, and says nothing. */
export function decideSlot(slot: SimpleSlot): void {
  const value = slot.inbox.shift()
  if (value === undefined) return
  const command = reservationCommandSchema.parse(JSON.parse(value))
  if (command.type === 'reserve') {
    const { id, quantity: units, booking_id = '' } = command
    if (slot.taken.has(id)) return
    const fits = takenUnits(slot) + units <= slot.capacity
    slot.taken.set(id, { bookingId: booking_id, units, status: fits ? 'held' : 'rejected' })
    const code = fits ? 'held' : 'sold-out'
    send(slot.outbox, { type: 'item_decided', booking_id, reservation_id: id, code, slot_end_time: null })
  } else if (command.type === 'confirm') move(slot, command.reservation_id, ['held'], 'confirmed')
  else if (command.type === 'cancel') move(slot, command.reservation_id, ['held', 'confirmed'], 'cancelled')
  else throw new Error(`${command.type} from a booking`)
}

/** Whatever is held has been held for long. */
export function nudge({ taken, outbox }: SimpleSlot): void {
  for (const [reservation_id, { bookingId: booking_id, status }] of taken) {
    if (status === 'held') send(outbox, { type: 'hold_overdue', booking_id, reservation_id })
  }
}

/** Held and confirmed. */
export function takenUnits({ taken }: SimpleSlot): number {
  return [...taken.values()]
    .filter(({ status }) => status === 'held' || status === 'confirmed')
    .reduce((sum, { units }) => sum + units, 0)
}

export function send<M>({ sent, underWay }: Outbox<M>, message: M): void {
  sent.push(message)
  underWay.push(message)
}

function move(
  { taken }: SimpleSlot,
  id: string,
  from: readonly Taken['status'][],
  to: Taken['status'],
): void {
  const row = taken.get(id)
  if (row !== undefined && from.includes(row.status)) taken.set(id, { ...row, status: to })
}
