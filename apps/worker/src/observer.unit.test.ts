/** What the metrics and the health answer say of partitions of several topics. */
import { topics } from '@ironsys/contracts'
import type { DecidedBatch, DomainEvent, Header } from '@ironsys/engine'
import { createLogger, createMetrics } from '@ironsys/telemetry'
import { expect, test } from 'vitest'
import { createWriterObserver } from './observer.ts'
import { PartitionModes } from './partition-modes.ts'

const ofSlots = { topic: topics.reservationCommands, partition: 3 }
const ofBookings = { topic: topics.bookingCommands, partition: 3 }

function observed() {
  const metrics = createMetrics('worker')
  const modes = new PartitionModes()
  const observer = createWriterObserver(
    metrics,
    createLogger({ name: 'test', level: 'silent' }),
    modes,
    () => 1000,
  )
  return { metrics, modes, observer }
}

/** A batch whose ledger has an entry of each type. */
function batchOf(
  id: typeof ofSlots | typeof ofBookings,
  types: readonly string[],
): DecidedBatch<DomainEvent, Header, unknown, unknown> {
  const progress = { nextOffset: 7, epoch: 1, logTimeMs: 0, lastRecord: null, eventSeq: 0, steps: 0 }
  const header = { version: 1 }
  return {
    consumed: 0,
    touched: 0,
    needed: null,
    reached: [],
    halt: null,
    effects: {
      id,
      from: progress,
      to: { ...progress, eventSeq: types.length },
      headers: new Map(),
      rows: new Map(),
      removedKeys: new Set(),
      ledger: types.map((type) => {
        return { key: 'k', atMs: 0, event: { type, rowId: null }, before: null, after: header }
      }),
      remembered: [],
      deadLetters: [],
      segment: null,
    },
    committed: {
      id,
      epoch: 1,
      nextOffset: 7,
      headers: new Map(),
      removed: new Map(),
      due: new Map(),
      replies: [],
      decided: 0,
      firstTimeMs: 0,
      outcomes: new Map(),
      appendedAt: new Map(),
    },
  }
}

test('the same partition of another topic is another partition', async () => {
  const { metrics, modes, observer } = observed()
  observer.mode(ofSlots, 'running')
  observer.mode(ofBookings, 'halted')
  expect(modes.document()).toEqual({
    'reservations.commands': { 3: 'running' },
    'bookings.commands': { 3: 'halted' },
  })
  observer.mode(ofSlots, 'closed')
  expect(modes.document()).toEqual({ 'bookings.commands': { 3: 'halted' } })
  expect([modes.of(ofSlots), modes.of(ofBookings)]).toEqual([undefined, 'halted'])
  const text = await metrics.metricsText()
  expect(text).toContain('ironsys_halted_partitions 1\n')
  expect(text).toContain(
    'ironsys_partition_state{topic="bookings.commands",partition="3",state="halted"} 1\n',
  )
  expect(text).toContain(
    'ironsys_partition_state{topic="reservations.commands",partition="3",state="running"} 0\n',
  )
  observer.mode(ofBookings, 'closed')
  expect(modes.document()).toEqual({})
  expect(await metrics.metricsText()).toContain('ironsys_halted_partitions 0\n')
})

test('holds that expired are counted by partition, also of a batch without a record', async () => {
  const { metrics, observer } = observed()
  const phases = { prefetchMs: 0, decideMs: 0, commitMs: 0 }
  observer.committed(batchOf(ofSlots, ['hold_expired', 'waiter_promoted', 'hold_expired']), phases)
  observer.committed(batchOf({ ...ofSlots, partition: 4 }, ['reservation_held']), phases)
  const lines = (await metrics.metricsText()).match(/^ironsys_holds_expired_total\{.*$/gm)
  expect(lines).toEqual(['ironsys_holds_expired_total{partition="3"} 2'])
})
