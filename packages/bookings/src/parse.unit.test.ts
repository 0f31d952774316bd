import { followUpId } from '@ironsys/contracts'
import { expect, test } from 'vitest'
import { book, bookingId, place } from './booking-world.fixture.ts'
import { homePartition, subjectOf } from './home.ts'
import { parseCommand } from './parse.ts'

const read = (fields: unknown) => parseCommand(Buffer.from(JSON.stringify(fields)))
const [seat, meal] = [place(1), place(2)]
const id = followUpId('wake')
const wake = { v: 2, id, type: 'wake_booking', booking_id: bookingId }

test.each([
  ['nothing', parseCommand(null), 'an empty record', null],
  ['no JSON', parseCommand(Buffer.from('{')), 'not JSON', null],
  ['no object', read([]), expect.any(String), null],
  ['an unknown type', read({ ...wake, type: 'wake' }), expect.stringContaining('type'), id],
  ['an unknown field', read({ ...wake, more: 1 }), expect.stringContaining('more'), id],
  ['no booking', read({ ...wake, booking_id: 'x' }), expect.stringContaining('booking_id'), id],
])('%s is not a command', (_case, command, detail, commandId) => {
  expect(command).toEqual({ unreadable: 'malformed', detail, commandId })
})

test('a newer command halts instead of being thrown away', () => {
  expect(read({ ...wake, v: 3 })).toMatchObject({ unreadable: 'newer-schema', commandId: id })
})

test.each([
  ['two items of one slot', [seat, place(1)], 'two items of one slot'],
  [
    'two items with one id',
    [seat, { ...meal, reservationId: seat.reservationId }],
    'two items with one reservation id',
  ],
  [
    'an id of another slot',
    [seat, { ...meal, reservationId: place(3).reservationId }],
    'a reservation id does not carry the hash of its slot id',
  ],
  ['no items', [], expect.stringContaining('items')],
  ['21 items', Array.from({ length: 21 }, (_, index) => place(index)), expect.stringContaining('items')],
  ['an item of nothing', [{ ...seat, quantity: 0 }], expect.stringContaining('quantity')],
])('a booking with %s is refused', (_case, places, detail) => {
  const items = places.map(({ slotId, reservationId, quantity }) => ({
    slot_id: slotId,
    reservation_id: reservationId,
    quantity,
  }))
  const fields = { v: 2, id: bookingId, type: 'book', user_id: 'ann', mode: 'hold', items }
  expect(read(fields)).toEqual({ unreadable: 'malformed', detail, commandId: bookingId })
})

test('a booking of twenty slots is read', () => {
  const twenty = Array.from({ length: 20 }, (_, index) => place(index))
  expect(book(twenty)).toMatchObject({ type: 'book', items: { length: 20 } })
})

test('every command belongs to its booking', () => {
  for (const value of [wake, book([seat])].map((command) => Buffer.from(JSON.stringify(command)))) {
    expect(subjectOf(value)).toEqual({ kind: 'booking', id: bookingId })
    expect(homePartition(value, 1)).toBe(0)
  }
  expect([subjectOf(Buffer.from('{')), homePartition(Buffer.from('{'), 1)]).toEqual([null, null])
})
