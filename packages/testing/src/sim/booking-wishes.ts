/** What clients want of bookings, as the edge writes it. */
import { createHash } from 'node:crypto'
import { deriveId, partitionOfKey, topics } from '@ironsys/contracts'
import { bookedReservationIdOf, bookingIdOf, idKey } from './ids.ts'
import type { BookingCommand, BookingMeaning } from './model/booking-model.ts'

export type BookingWish =
  | {
      readonly type: 'book'
      /** At most one per slot: the edge has summed them. */
      readonly items: readonly { readonly slotId: string; readonly quantity: number }[]
      readonly mode: 'confirm' | 'hold'
      readonly holdTtlMs: number | null
    }
  | {
      readonly type: 'confirm_booking' | 'cancel_booking'
      readonly bookingId: string
      readonly caller: string | null
    }

interface BookingIntent {
  readonly key: string
  readonly user: string
  readonly wish: BookingWish
}

export interface WrittenBooking {
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly logKey: string
  readonly value: string
  readonly meaning: null
  readonly booking: BookingMeaning
}

export function writeBooking(intent: BookingIntent, envelope: object, partitions: number): WrittenBooking {
  const command = commandOf(intent)
  const { id, bookingId } = command
  const value = JSON.stringify({ ...envelope, id, type: command.type, ...fieldsOf(command) })
  const partition = partitionOfKey(bookingId, partitions)
  const booking: BookingMeaning = { kind: 'command', command }
  return { id, topic: topics.bookingCommands, partition, logKey: bookingId, value, meaning: null, booking }
}

type ClientCommand = Extract<BookingCommand, { type: BookingWish['type'] }>

function commandOf({ user, key, wish }: BookingIntent): ClientCommand {
  if (wish.type !== 'book') {
    const { bookingId } = wish
    return { ...wish, id: deriveId(idKey, bookingId, [user, wish.type, bookingId, key]) }
  }
  const bookingId = bookingIdOf({ user, key })
  const hash = createHash('sha256').update(JSON.stringify(wish)).digest('hex').slice(0, 32)
  const items = wish.items.map((item) => ({
    ...item,
    reservationId: bookedReservationIdOf({ user, key }, item.slotId),
  }))
  return { ...wish, id: bookingId, bookingId, user, items, hash }
}

function fieldsOf(command: ClientCommand): object {
  if (command.type !== 'book') {
    const { bookingId, caller } = command
    return { booking_id: bookingId, ...(caller === null ? {} : { caller }) }
  }
  const { user, mode, holdTtlMs, items, hash } = command
  return {
    user_id: user,
    items: items.map(({ slotId, reservationId, quantity }) => ({
      slot_id: slotId,
      reservation_id: reservationId,
      quantity,
    })),
    mode,
    ...(holdTtlMs === null ? {} : { hold_ttl_seconds: holdTtlMs / 1000 }),
    body_hash: hash,
  }
}
