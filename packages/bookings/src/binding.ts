import {
  COMMAND_SCHEMA_VERSION,
  followUpId,
  partitionOfId,
  partitionOfKey,
  type ReservationId,
  timeText,
  topics,
} from '@ironsys/contracts'
import type { Binding, OutgoingMessage } from '@ironsys/engine'
import { type BookingEvent, type ItemRequest, modeOf } from './state.ts'

/**
 * Binds the domain to a log of `partitionCount` partitions; events go to the partition of their commands. What follows
 * goes to the slots: of one booking to one slot always to the same partition, so that it arrives in the order of the events.
 */
export function bookingBinding(partitionCount: number): Binding<BookingEvent> {
  const ask = (bookingId: string, { slotId, reservationId, quantity }: ItemRequest, userId: string) =>
    command(partitionOfKey(slotId, partitionCount), slotId, {
      id: reservationId,
      type: 'reserve',
      slot_id: slotId,
      user_id: userId,
      quantity,
      mode: 'hold',
      booking_id: bookingId,
    })
  const tell = (bookingId: string, type: 'confirm' | 'cancel', reservationId: ReservationId, seq: number) =>
    command(partitionOfId(reservationId, partitionCount), reservationId, {
      id: followUpId(type, bookingId, reservationId, String(seq)),
      type,
      reservation_id: reservationId,
      booking_id: bookingId,
    })
  return {
    partitionOfKey: (key) => partitionOfKey(key, partitionCount),
    eventsTopic: topics.bookingEvents,
    toMessage: (id, key, event, { seq, version, atMs }) => ({
      topic: topics.bookingEvents,
      partition: id.partition,
      key,
      value: JSON.stringify({
        seq,
        type: event.type,
        booking_id: key,
        version,
        at: timeText(atMs),
        ...body(event),
      }),
    }),
    followUps: (key, event, { seq }) => {
      switch (event.type) {
        case 'booking_requested':
          return event.items.map((item) => ask(key, item, event.userId))
        case 'booking_confirmed':
          return event.confirms.map((id) => tell(key, 'confirm', id, seq))
        case 'booking_rejected':
        case 'booking_cancelled':
        case 'booking_expired':
          return event.releases.map((id) => tell(key, 'cancel', id, seq))
        case 'overdue_answered':
          return [tell(key, event.answer, event.reservationId, seq)]
        case 'item_held':
        case 'booking_held':
        case 'booker_erased':
        case 'booking_retired':
          return []
      }
    },
    wakeCommand: (key, atMs) =>
      JSON.stringify({
        v: COMMAND_SCHEMA_VERSION,
        id: followUpId('wake_booking', key, String(atMs)),
        type: 'wake_booking',
        booking_id: key,
      }),
  }
}

function command(partition: number, key: string, fields: object): OutgoingMessage {
  const value = JSON.stringify({ v: COMMAND_SCHEMA_VERSION, ...fields })
  return { topic: topics.reservationCommands, partition, key, value }
}

/** What consumers of `bookings.events` get beside the envelope. */
function body(event: BookingEvent): object {
  switch (event.type) {
    case 'booking_requested':
      return {
        user_id: event.userId,
        mode: modeOf(event),
        items: event.items.map(({ slotId, reservationId, quantity }) => ({
          slot_id: slotId,
          reservation_id: reservationId,
          quantity,
        })),
      }
    case 'item_held':
      return { reservation_id: event.reservationId }
    case 'booking_held':
      return { expires_at: timeText(event.deadlineMs) }
    case 'booking_rejected': {
      const { reason, refused } = event
      return { reason, ...(refused === null ? {} : { failed_slot_id: refused.slotId }) }
    }
    case 'overdue_answered':
      return { reservation_id: event.reservationId, answer: event.answer }
    case 'booker_erased':
      return { user_id: event.pseudonym }
    case 'booking_confirmed':
    case 'booking_cancelled':
    case 'booking_expired':
    case 'booking_retired':
      return {}
  }
}
