/** What the events topic says against the ledger. Its order and its end are looked at in log.int.test.ts. */
import { randomUUID } from 'node:crypto'
import { topics } from '@ironsys/contracts'
import type { LogRecord } from '@ironsys/engine'
import { expect, test } from 'vitest'
import { useWorld } from './audited-world.fixture.ts'

const audited = useWorld()

test.each([
  [
    'of another kind',
    { type: 'reservation_held' },
    'is reservation_held, version 3 of slot {a}: the ledger has another reservation_confirmed',
  ],
  [
    'of nothing that was decided',
    { version: 7 },
    'is reservation_confirmed, version 7 of slot {a}: the ledger has no entry',
  ],
  [
    'of another reservation',
    { reservation_id: randomUUID() },
    'is reservation_confirmed, version 3 of slot {a}: the ledger has another',
  ],
])('an event %s is named', async (_what, changed, expected) => {
  const { a, log, partition } = audited.world
  const records = log.records(topics.reservationEvents, partition)
  const at = records.findIndex(({ value }) => {
    const event = JSON.parse(String(value))
    return event.slot_id === a && event.version === 3
  })
  const record = requireRecord(records[at])
  records[at] = {
    ...record,
    value: Buffer.from(JSON.stringify({ ...JSON.parse(String(record.value)), ...changed })),
  }
  expect(await audited.findings()).toEqual([expect.stringContaining(audited.filled(expected))])
})

function requireRecord(record: LogRecord | undefined): LogRecord {
  if (record === undefined) throw new Error('there is no record')
  return record
}
