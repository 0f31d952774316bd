import { mintId, partitionOfKey, topics } from '@ironsys/contracts'
import { expect, test } from 'vitest'
import { homePartition, subjectOf } from './home.ts'

const PARTITIONS = 12
const commandId = '11111111-1111-4111-8111-111111111111'
const slotId = '22222222-2222-4222-8222-222222222222'
const bookingId = '33333333-3333-4333-8333-333333333333'
const reservationId = mintId(slotId, 0)

const record = (command: object) => Buffer.from(JSON.stringify({ v: 2, id: commandId, ...command }))

test.each([
  {
    topic: topics.reservationCommands,
    value: record({ type: 'cancel', reservation_id: reservationId, booking_id: bookingId }),
    key: slotId,
    subject: { kind: 'reservation', id: reservationId },
  },
  {
    topic: topics.bookingCommands,
    value: record({ type: 'cancel_booking', booking_id: bookingId }),
    key: bookingId,
    subject: { kind: 'booking', id: bookingId },
  },
])('a record of $topic is read as that domain does', ({ topic, value, key, subject }) => {
  expect(homePartition(topic, value, PARTITIONS)).toBe(partitionOfKey(key, PARTITIONS))
  expect(subjectOf(topic, value)).toEqual(subject)
})

test.each([topics.reservationCommands, topics.bookingEvents, 'things'])(
  'to %s a command of bookings means nothing',
  (topic) => {
    const value = record({ type: 'cancel_booking', booking_id: bookingId })
    expect(homePartition(topic, value, PARTITIONS)).toBeNull()
    expect(subjectOf(topic, value)).toBeNull()
  },
)
