import { mintId, partitionOfKey, slotIdSchema } from '@ironsys/contracts'
import { expect, test } from 'vitest'
import { homePartition, subjectOf } from './home.ts'

const PARTITIONS = 12
const slotId = slotIdSchema.parse('11111111-1111-4111-8111-111111111111')
const home = partitionOfKey(slotId, PARTITIONS)
const reservationId = mintId(slotId, 1)
// A command's own id may be of any slot: only a create's says where it belongs.
const commandId = mintId('22222222-2222-4222-8222-222222222222', 1)

const slot = {
  name: 'Morning',
  start_time: '2026-07-01T09:00:00.000Z',
  end_time: '2026-07-01T10:00:00.000Z',
  capacity: 10,
  overbooking_bps: 0,
  sales_open_at: null,
  sales_close_at: null,
  body_hash: 'a'.repeat(32),
}

test.each([
  [
    { type: 'reserve', id: reservationId, slot_id: slotId, user_id: 'ann', quantity: 1 },
    'reservation',
    reservationId,
  ],
  [{ type: 'cancel', id: commandId, reservation_id: reservationId }, 'reservation', reservationId],
  [{ type: 'create_slot', id: slotId, ...slot }, 'slot', slotId],
  [{ type: 'update_slot', id: commandId, slot_id: slotId, capacity: 3 }, 'slot', slotId],
])('$type belongs to the partition of its slot', (command, kind, id) => {
  expect(partitionOfKey(commandId, PARTITIONS)).not.toBe(home)
  const value = Buffer.from(JSON.stringify({ v: 1, ...command }))
  expect(homePartition(value, PARTITIONS)).toBe(home)
  expect(subjectOf(value)).toEqual({ kind, id })
})

test('what cannot be read belongs nowhere', () => {
  for (const text of [
    '',
    'nonsense',
    '{"v":2}',
    JSON.stringify({ v: 1, type: 'reserve', slot_id: slotId }),
  ]) {
    expect(homePartition(Buffer.from(text), PARTITIONS)).toBeNull()
    expect(subjectOf(Buffer.from(text))).toBeNull()
  }
})
