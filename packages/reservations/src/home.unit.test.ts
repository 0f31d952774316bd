import { partitionOfKey } from '@ironsys/contracts'
import { describe, expect, test } from 'vitest'
import {
  cancel,
  confirm,
  erase,
  idOf,
  reserve,
  retire,
  slot,
  slotId,
  update,
  wake,
} from './commands.fixture.ts'
import { homePartition, subjectOf } from './home.ts'

const PARTITIONS = 12
// A command's own id may be of any slot: only a create's says where it belongs.
const elsewhere = { id: '33333333-3333-4333-8333-333333333333' }

test.each([
  [reserve('ann'), 'reservation', idOf('ann')],
  [{ ...confirm('ann'), ...elsewhere }, 'reservation', idOf('ann')],
  [{ ...cancel('ann'), ...elsewhere }, 'reservation', idOf('ann')],
  [slot(), 'slot', slotId],
  [{ ...update({ capacity: 3 }), ...elsewhere }, 'slot', slotId],
  [{ ...wake(), ...elsewhere }, 'slot', slotId],
  [{ ...erase('ann', ['ann']), ...elsewhere }, 'slot', slotId],
  [{ ...retire(), ...elsewhere }, 'slot', slotId],
])('$type belongs to the partition of its slot', (command, kind, id) => {
  const home = partitionOfKey(slotId, PARTITIONS)
  expect(partitionOfKey(elsewhere.id, PARTITIONS)).not.toBe(home)
  const value = Buffer.from(JSON.stringify(command))
  expect(homePartition(value, PARTITIONS)).toBe(home)
  expect(subjectOf(value)).toEqual({ kind, id })
})

describe('what cannot be read', () => {
  const half = JSON.stringify({ v: 1, type: 'reserve', slot_id: slotId })
  test.each(['', 'nonsense', '{"v":3}', half])('belongs nowhere: %j', (text) => {
    expect(homePartition(Buffer.from(text), PARTITIONS)).toBeNull()
    expect(subjectOf(Buffer.from(text))).toBeNull()
  })
})
