import {
  COMMAND_SCHEMA_VERSION,
  followUpId,
  type ItemDecidedCommand,
  partitionOfKey,
  timeText,
  timeTextOrNull,
  topics,
} from '@ironsys/contracts'
import type { Binding, EventPosition, OutgoingMessage } from '@ironsys/engine'
import type { ReservationEvent } from './state.ts'

/** Binds the domain to a log of `partitionCount` partitions; events go to the partition of their commands. */
export function reservationBinding(partitionCount: number): Binding<ReservationEvent> {
  return {
    partitionOfKey: (key) => partitionOfKey(key, partitionCount),
    eventsTopic: topics.reservationEvents,
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
    followUps: (_key, event, position) => {
      const command = commandToBooking(event, position)
      if (command === null) return []
      const partition = partitionOfKey(command.booking_id, partitionCount)
      const value = JSON.stringify(command)
      return [
        { topic: topics.bookingCommands, partition, key: command.booking_id, value },
      ] satisfies OutgoingMessage[]
    },
    wakeCommand: (key, atMs) =>
      JSON.stringify({
        v: COMMAND_SCHEMA_VERSION,
        id: followUpId('wake_slot', key, String(atMs)),
        type: 'wake_slot',
        slot_id: key,
      }),
  }
}

/** What a booking is told of the reservation that it asked for. */
function commandToBooking(event: ReservationEvent, { version }: EventPosition) {
  switch (event.type) {
    case 'reservation_held':
    case 'reservation_rejected': {
      if (event.bookingId === null) return null
      const code: ItemDecidedCommand['code'] = event.type === 'reservation_held' ? 'held' : event.reason
      return {
        v: COMMAND_SCHEMA_VERSION,
        id: followUpId('item_decided', event.rowId),
        type: 'item_decided',
        booking_id: event.bookingId,
        reservation_id: event.rowId,
        code,
        slot_end_time: timeTextOrNull(event.slotEndMs),
      } as const
    }
    case 'hold_overdue':
      return {
        v: COMMAND_SCHEMA_VERSION,
        id: followUpId('hold_overdue', event.rowId, String(version)),
        type: 'hold_overdue',
        booking_id: event.bookingId,
        reservation_id: event.rowId,
      } as const
    default:
      return null
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
    case 'slot_retired':
      return {}
    case 'reservation_confirmed':
    case 'reservation_held':
    case 'reservation_waitlisted':
    case 'reservation_rejected':
      return {
        reservation_id: event.rowId,
        user_id: event.userId,
        quantity: event.quantity,
        ...(event.bookingId === null ? {} : { booking_id: event.bookingId }),
        ...(event.type === 'reservation_held' && event.bookingId === null
          ? { expires_at: timeText(event.expiresMs) }
          : {}),
        ...(event.type === 'reservation_rejected' ? { reason: event.reason } : {}),
      }
    case 'reservation_cancelled':
      return {
        reservation_id: event.rowId,
        quantity: event.quantity,
        previous_status: event.from,
        reason: event.reason,
      }
    case 'waiter_promoted':
      return {
        reservation_id: event.rowId,
        quantity: event.quantity,
        expires_at: timeText(event.expiresMs),
      }
    case 'hold_confirmed':
    case 'hold_expired':
    case 'expired_reconfirmed':
    case 'expired_requeued':
    case 'late_confirmation_refused':
      return { reservation_id: event.rowId, quantity: event.quantity }
    case 'hold_overdue':
      return { reservation_id: event.rowId, quantity: event.quantity, booking_id: event.bookingId }
    case 'reservation_erased':
      return { reservation_id: event.rowId, user_id: event.pseudonym }
  }
}
