/** What leaves with a slot's decisions: an event each, and what a booking is told of its reservations. */
import { bookingCommandSchema, partitionOfKey, topics } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import { reservationBinding } from './binding.ts'
import {
  book,
  bookingId,
  buy,
  cancel,
  confirm,
  erase,
  hold,
  idOf,
  join,
  noonMs,
  slot,
  slotId,
  timeAt,
  update,
  wake,
} from './commands.fixture.ts'
import { given, type Scene } from './decider.fixture.ts'
import { parseCommand } from './parse.ts'

const PARTITIONS = 12
const binding = reservationBinding(PARTITIONS)
const booking = { booking_id: bookingId }
const over = timeAt(30 * 24 * 3600 + 3600)

/** The commands that follow from all that has happened. */
function followUps({ writer }: Scene) {
  return writer.history.flatMap(({ event, version, atMs }, index) =>
    binding.followUps(slotId, event, { seq: index + 1, version, atMs }),
  )
}

const told = (scene: Scene) =>
  followUps(scene).map(({ value }) => bookingCommandSchema.parse(JSON.parse(value)))

describe('a booking', () => {
  test('is told that its units are held, and until when the slot lasts', () => {
    expect(told(given(slot(), book('ann')))).toMatchObject([
      {
        type: 'item_decided',
        booking_id: bookingId,
        reservation_id: idOf('ann'),
        code: 'held',
        slot_end_time: over,
      },
    ])
  })

  test.each([
    ['sold-out', given(slot({ capacity: 0 }), book('ann')), over],
    ['slot-not-found', given(book('ann')), null],
  ])('is told why not: %s', (code, scene, slot_end_time) => {
    expect(told(scene)).toMatchObject([
      { type: 'item_decided', reservation_id: idOf('ann'), code, slot_end_time },
    ])
  })

  test('is asked for what it has not said, each time under another id, and told nothing else', () => {
    const scene = given(slot(), book('ann'), book('ann')).at(300).when(wake()).at(600).when(wake())
    const [decided, first, second, ...others] = told(
      scene.when(confirm('ann', booking), cancel('ann', booking)),
    )
    expect([decided?.type, first?.type, second?.type, others.length]).toEqual([
      'item_decided',
      'hold_overdue',
      'hold_overdue',
      0,
    ])
    expect(second?.id).not.toBe(first?.id)
    expect(told(scene)).toEqual([decided, first, second])
  })

  test('is told in its own partition', () => {
    const partition = partitionOfKey(bookingId, PARTITIONS)
    const [message] = followUps(given(slot(), book('ann')))
    expect(message).toMatchObject({ topic: topics.bookingCommands, key: bookingId, partition })
  })
})

test('who is in no booking causes no command', () => {
  const scene = given(
    slot({ capacity: 1, waitlist: true }),
    hold('ann'),
    join('bob'),
    buy('cy'),
    cancel('ann'),
  )
  expect(followUps(scene.at(900).when(wake()))).toEqual([])
})

test('every event leaves for its partition, with its place and what it is about', () => {
  const scene = given(slot({ waitlist: true }), hold('ann', 4, { hold_ttl_seconds: 60 }), book('bob', 6))
    .when(join('cy'), buy('dee'), update({ name: 'Noon' }), erase('dee', ['dee'], 'p-1'))
    .at(60)
    .when(confirm('ann', { late: 'waitlist' }))
  const id = { topic: topics.reservationCommands, partition: 3 }
  const messages = scene.writer.history.map(({ event, version, atMs }, index) =>
    binding.toMessage(id, slotId, event, { seq: index + 1, version, atMs }),
  )
  for (const message of messages) {
    expect(message).toMatchObject({ topic: topics.reservationEvents, partition: 3, key: slotId })
  }
  const base = { slot_id: slotId, at: timeAt(0) }
  expect(messages.slice(0, 6).map(({ value }) => JSON.parse(value))).toEqual([
    {
      ...base,
      seq: 1,
      version: 1,
      type: 'slot_created',
      name: 'Morning',
      start_time: timeAt(30 * 24 * 3600),
      end_time: over,
      capacity: 10,
      overbooking_bps: 0,
    },
    {
      ...base,
      seq: 2,
      version: 2,
      type: 'reservation_held',
      reservation_id: idOf('ann'),
      user_id: 'ann',
      quantity: 4,
      expires_at: timeAt(60),
    },
    {
      ...base,
      seq: 3,
      version: 3,
      type: 'reservation_held',
      reservation_id: idOf('bob'),
      user_id: 'bob',
      quantity: 6,
      booking_id: bookingId,
    },
    {
      ...base,
      seq: 4,
      version: 4,
      type: 'reservation_waitlisted',
      reservation_id: idOf('cy'),
      user_id: 'cy',
      quantity: 1,
    },
    {
      ...base,
      seq: 5,
      version: 4,
      type: 'reservation_rejected',
      reservation_id: idOf('dee'),
      user_id: 'dee',
      quantity: 1,
      reason: 'sold-out',
    },
    {
      ...base,
      seq: 6,
      version: 5,
      type: 'slot_updated',
      name: 'Noon',
      status: 'open',
      capacity: 10,
      overbooking_bps: 0,
    },
  ])
})

test('a wake is a command of the slot, the same each time for the same instant', () => {
  const value = binding.wakeCommand(slotId, noonMs)
  expect(parseCommand(Buffer.from(value))).toMatchObject({ type: 'wake_slot', slot_id: slotId })
  expect(binding.wakeCommand(slotId, noonMs)).toBe(value)
  expect(binding.wakeCommand(slotId, noonMs + 1)).not.toBe(value)
})
