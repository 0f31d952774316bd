/** Writers of bookings, one after the other, on a database of their own. */
import { type BookingCommand, topics } from '@ironsys/contracts'
import {
  type CommittedBatch,
  defaultWriterOptions,
  type OutboxSegment,
  startPartitionWriter,
} from '@ironsys/engine'
import { createPartitionStore, createPool } from '@ironsys/postgres'
import { createTestDatabase } from '@ironsys/testing'
import { createMemoryLog } from '@ironsys/testing/twins'
import { expect, vi } from 'vitest'
import { bookingBinding } from './binding.ts'
import { book, both } from './booking-world.fixture.ts'
import { bookingDecider } from './decider.ts'
import type { Booking } from './state.ts'
import { bookingTables } from './tables.ts'

export const id = { topic: topics.bookingCommands, partition: 0 }
const identity = { clusterId: 'cluster', partitionCount: 1 }
/** A request with all that a row can have. */
export const hold = book(both, {
  mode: 'hold',
  hold_ttl_seconds: 600,
  user_id: 'ann, "bob" ☃ \\',
  reply_to: 'api {7}',
  body_hash: 'a'.repeat(32),
})

/** A command and its time in the log. */
export type At = readonly [BookingCommand, number]

export async function openWorld() {
  const database = await createTestDatabase()
  // As the worker has it.
  const pool = createPool(database.url, { applicationName: 'test', maxConnections: 4, keyLookupsOnly: true })
  const store = createPartitionStore(pool, bookingTables, identity)
  const log = createMemoryLog()
  const batches: CommittedBatch<Booking, unknown>[] = []
  const segments: OutboxSegment[] = []
  const faults: unknown[] = []
  /** What a writer of its own, which knows nothing yet, makes of these commands. */
  const write = async (...commands: readonly At[]): Promise<void> => {
    for (const [command, atMs] of commands) log.append(JSON.stringify(command), atMs)
    const deps = {
      decider: bookingDecider,
      binding: bookingBinding(identity.partitionCount),
      store,
      // No wake is due at a time before all bookings.
      scheduler: { nowMs: () => 0, delay: untilAborted },
      appender: { append: () => Promise.reject(new Error('a wake')) },
      sink: { committed: (batch: CommittedBatch<Booking, unknown>) => void batches.push(batch) },
      publisher: {
        open: () => {},
        committed: (_id: unknown, segment: OutboxSegment) => void segments.push(segment),
        release: async () => {},
      },
      observer: {
        mode: () => {},
        fault: (_id: unknown, error: unknown) => void faults.push(error),
        committed: () => {},
      },
    }
    const writer = startPartitionWriter(id, log.reader(), deps, defaultWriterOptions)
    await vi.waitFor(async () => expect((await store.open(id)).nextOffset).toBe(log.high), 5000)
    await writer.close()
    expect(faults).toEqual([])
  }
  const load = async (key: string): Promise<Booking | undefined> => {
    const request = { keys: [key], rowIds: [], commandIds: [], listedKeys: [], untilMs: 0, pages: [] }
    return (await store.prefetch(request)).headers.get(key)
  }
  const close = async () => {
    await pool.end()
    await database.drop()
  }
  return { pool, store, write, load, batches, segments, close }
}

function untilAborted(_ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
