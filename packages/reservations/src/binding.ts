import { partitionOfKey, topics } from '@ironsys/contracts'
import type { Binding } from '@ironsys/engine'
import { timeText } from './documents.ts'
import type { ReservationEvent } from './state.ts'

/** Binds the domain to a log of `partitionCount` partitions; events go to the partition of their commands. */
export function reservationBinding(partitionCount: number): Binding<ReservationEvent> {
  return {
    partitionOfKey: (key) => partitionOfKey(key, partitionCount),
    toMessage: (id, key, event, { seq, version, atMs }) => ({
      topic: topics.reservationEvents,
      partition: id.partition,
      key,
      value: JSON.stringify({
        seq,
        type: event.type,
        slot_id: key,
        version,
        at: timeText(atMs),
        ...body(event),
      }),
    }),
  }
}

/** What consumers of `reservations.events` get beside the envelope. */
function body(event: ReservationEvent): object {
  switch (event.type) {
    case 'slot_created': {
      const { slot } = event
      return {
        name: slot.name,
        start_time: timeText(slot.startMs),
        end_time: timeText(slot.endMs),
        capacity: slot.capacityUnits,
        overbooking_bps: slot.overbookingBps,
      }
    }
    case 'slot_updated':
      return {
        name: event.name,
        status: event.status,
        capacity: event.capacityUnits,
        overbooking_bps: event.overbookingBps,
      }
    case 'reservation_confirmed':
      return { reservation_id: event.rowId, user_id: event.userId, quantity: event.quantity }
    case 'reservation_rejected':
      return {
        reservation_id: event.rowId,
        user_id: event.userId,
        quantity: event.quantity,
        reason: event.reason,
      }
    case 'reservation_cancelled':
      return { reservation_id: event.rowId, quantity: event.quantity }
  }
}
