/** What leaves: events, and the commands that follow from them, as their readers get them. */
import {
  followUpId,
  partitionOfId,
  partitionOfKey,
  reservationCommandSchema,
  topics,
} from '@ironsys/contracts'
import type { EventPosition } from '@ironsys/engine'
import { describe, expect, test } from 'vitest'
import { bookingBinding } from './binding.ts'
import {
  answer,
  book,
  bookingId,
  cancel,
  confirm,
  erase,
  given,
  july1,
  noonMs,
  overdue,
  PARTITIONS,
  place,
  retire,
  wake,
} from './booking-world.fixture.ts'
import { parseCommand } from './parse.ts'
import type { BookingEvent } from './state.ts'

const binding = bookingBinding(PARTITIONS)
const [seat, meal] = [place(1, 2), place(2)]
const position: EventPosition = { seq: 41, version: 7, atMs: noonMs }
const followUps = (event: BookingEvent) =>
  binding.followUps(bookingId, event, position).map((message) => {
    const { value, ...address } = message
    return { ...address, command: reservationCommandSchema.parse(JSON.parse(value)) }
  })

const told = (type: 'confirm' | 'cancel', { reservationId }: typeof seat) => ({
  topic: topics.reservationCommands,
  partition: partitionOfId(reservationId, PARTITIONS),
  key: reservationId,
  command: {
    v: 2,
    id: followUpId(type, bookingId, reservationId, '41'),
    type,
    reservation_id: reservationId,
    booking_id: bookingId,
  },
})

describe('the commands that follow', () => {
  test('ask each slot for a hold of the booking, under the id of the reservation', () => {
    const event = given().when(book([seat, meal])).events[0] ?? expect.fail('no event')
    const asked = ({ slotId, reservationId, quantity }: typeof seat) => ({
      topic: topics.reservationCommands,
      partition: partitionOfKey(slotId, PARTITIONS),
      key: slotId,
      command: {
        v: 2,
        id: reservationId,
        type: 'reserve',
        slot_id: slotId,
        user_id: 'ann',
        quantity,
        mode: 'hold',
        booking_id: bookingId,
      },
    })
    expect(followUps(event)).toEqual([asked(seat), asked(meal)])
  })

  test('tell each slot what becomes of its hold', () => {
    const ids = [seat.reservationId, meal.reservationId]
    expect(followUps({ type: 'booking_confirmed', rowId: null, confirms: ids })).toEqual([
      told('confirm', seat),
      told('confirm', meal),
    ])
    const both = [told('cancel', seat), told('cancel', meal)]
    expect(followUps({ type: 'booking_cancelled', rowId: null, releases: ids })).toEqual(both)
    expect(followUps({ type: 'booking_expired', rowId: null, releases: ids })).toEqual(both)
    const rejected = { type: 'booking_rejected', rowId: null, reason: 'sold-out', refused: null } as const
    expect(followUps({ ...rejected, releases: [meal.reservationId] })).toEqual([told('cancel', meal)])
  })

  test('tell a slot again', () => {
    const again = { type: 'overdue_answered', rowId: null, reservationId: seat.reservationId } as const
    expect(followUps({ ...again, answer: 'confirm' })).toEqual([told('confirm', seat)])
    expect(followUps({ ...again, answer: 'cancel' })).toEqual([told('cancel', seat)])
  })

  test('go to one partition for one slot, so that a release cannot overtake its request', () => {
    const { reservationId, slotId } = seat
    expect(partitionOfId(reservationId, PARTITIONS)).toBe(partitionOfKey(slotId, PARTITIONS))
  })

  test('are none where nothing is asked or told', () => {
    const quiet: readonly BookingEvent[] = [
      { type: 'item_held', rowId: null, reservationId: seat.reservationId, slotEndMs: null },
      { type: 'booking_held', rowId: null, deadlineMs: noonMs },
      { type: 'booker_erased', rowId: null, pseudonym: 'gone-1' },
      { type: 'booking_retired', rowId: null },
    ]
    expect(quiet.flatMap(followUps)).toEqual([])
  })
})

test('a wake is a command of its own, the same for the same time', () => {
  const value = binding.wakeCommand(bookingId, noonMs)
  expect(parseCommand(Buffer.from(value))).toEqual({
    v: 2,
    id: followUpId('wake_booking', bookingId, String(noonMs)),
    type: 'wake_booking',
    booking_id: bookingId,
  })
})

test('events leave in order, with what their readers need', () => {
  const world = given()
  const life = [
    book([seat, meal], { mode: 'hold' }),
    answer(seat, 'held', july1),
    answer(meal),
    confirm(),
    overdue(seat.reservationId),
    erase('ann', 'gone-1'),
    cancel(),
  ]
  const events = life.flatMap((each) => world.when(each).events)
  events.push(...world.when(retire(8), Date.parse(july1) + 8 * 24 * 3600 * 1000).events)
  const other = given(book([seat]))
  events.push(...other.when(answer(seat, 'sold-out')).events)
  const late = given(book([seat]))
  events.push(...late.when(wake(), noonMs + 60_000).events)
  const messages = events.map((event) =>
    binding.toMessage({ topic: 't', partition: 5 }, bookingId, event, position),
  )
  for (const { topic, partition, key } of messages) {
    expect([topic, partition, key]).toEqual([topics.bookingEvents, 5, bookingId])
  }
  const envelope = { seq: 41, booking_id: bookingId, version: 7, at: new Date(noonMs).toISOString() }
  const items = [seat, meal].map(({ slotId, reservationId, quantity }) => ({
    slot_id: slotId,
    reservation_id: reservationId,
    quantity,
  }))
  expect(messages.map(({ value }) => JSON.parse(value))).toEqual(
    [
      { type: 'booking_requested', user_id: 'ann', mode: 'hold', items },
      { type: 'item_held', reservation_id: seat.reservationId },
      { type: 'item_held', reservation_id: meal.reservationId },
      { type: 'booking_held', expires_at: new Date(noonMs + 600_000).toISOString() },
      { type: 'booking_confirmed' },
      { type: 'overdue_answered', reservation_id: seat.reservationId, answer: 'confirm' },
      { type: 'booker_erased', user_id: 'gone-1' },
      { type: 'booking_cancelled' },
      { type: 'booking_retired' },
      { type: 'booking_rejected', reason: 'sold-out', failed_slot_id: seat.slotId },
      { type: 'booking_rejected', reason: 'booking-timed-out' },
    ].map((body) => ({ ...envelope, ...body })),
  )
})
