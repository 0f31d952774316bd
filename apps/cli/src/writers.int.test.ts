/** Waiting for writers, on real Postgres: the log and the writer are the test's, so that each can stand still. */
import { partitionOfKey, slotIdSchema, topics } from '@ironsys/contracts'
import { createPool, type Pool } from '@ironsys/postgres'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { DeploymentAccess } from './deployment.ts'
import { type Ask, createWriters, type Writers } from './writers.ts'

const PARTITIONS = 4
const { reservationCommands, bookingCommands } = topics

let database: TestDatabase
let pool: Pool
/** What is tested asks through this one, so that its last question can be seen. */
let asked: Pool
let appended: { readonly topic: string; readonly partition: number; readonly value: string }[]
let ends: Map<string, Map<number, number>>

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 1 })
  asked = createPool(database.url, { applicationName: 'asked', maxConnections: 1 })
})

afterAll(async () => {
  await asked.end()
  await pool.end()
  await database.drop()
})

beforeEach(async () => {
  appended = []
  ends = new Map()
  await pool.query('TRUNCATE partition_progress, outbox')
})

const slotOf = (partition: number) => {
  for (let n = 0; ; n++) {
    const id = `aaaaaaaa-1111-4111-8111-${String(n).padStart(12, '0')}`
    if (partitionOfKey(id, PARTITIONS) === partition) return slotIdSchema.parse(id)
  }
}

const retire = (partition: number): Ask => {
  const slotId = slotOf(partition)
  return { key: slotId, command: { type: 'retire_slot', slot_id: slotId, keep_days: 90 } }
}

function writers(stallMs: number): Writers {
  const described = [reservationCommands, bookingCommands].map((topic) => {
    return [topic, { topic, clusterId: 'c', partitionCount: PARTITIONS, idKeyFingerprint: null }] as const
  })
  const access: DeploymentAccess = {
    pool: asked,
    log: {
      append: async ({ topic, partition }, _key, value) => {
        appended.push({ topic, partition, value })
        return { offset: 9 + appended.length, timeMs: 0 }
      },
    },
    topics: new Map(described),
    logEnds: async (topic) => ends.get(topic) ?? new Map(),
  }
  return createWriters(access, { stallMs })
}

const fence = (topic: string, partition: number, nextOffset: number, eventSeq = 0) =>
  pool.query(
    `INSERT INTO partition_progress (topic, partition, cluster_id, partition_count, next_offset, event_seq)
     VALUES ($1, $2, 'c', ${PARTITIONS}, $3, $4)
     ON CONFLICT (topic, partition) DO UPDATE SET next_offset = $3, event_seq = $4`,
    [topic, partition, nextOffset, eventSeq],
  )

/** Resolves when a look that began after this call has had its answer. */
async function looked(like: string): Promise<void> {
  const { rows } = await pool.query('SELECT clock_timestamp()::text AS now')
  await vi.waitFor(async () => {
    const text = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'asked'
                     AND query LIKE $1 AND query_start > $2::timestamptz AND state = 'idle'`
    expect((await pool.query(text, [like, rows[0].now])).rows.length).toBeGreaterThan(0)
  })
}

/** Whether it is over by the time that other work was done. */
function watch(work: Promise<void>) {
  const watched = { over: false }
  work.then(
    () => {
      watched.over = true
    },
    () => undefined,
  )
  return watched
}

test('commands go to the partition of their key, and are decided when the fence is behind them', async () => {
  await fence(reservationCommands, 1, 10)
  const deciding = writers(30_000).decide(reservationCommands, [retire(1), retire(3)])
  const watched = watch(deciding)
  await vi.waitFor(() => expect(appended.map(({ partition }) => partition)).toEqual([1, 3]))
  const [first] = appended
  expect(JSON.parse(first?.value ?? '')).toEqual({
    v: 2,
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    type: 'retire_slot',
    slot_id: slotOf(1),
    keep_days: 90,
  })
  await fence(reservationCommands, 1, 11)
  // At its command, not behind it; and the other topic's partition 3 is another one.
  await fence(reservationCommands, 3, 11)
  await fence(bookingCommands, 3, 99)
  await looked('%next_offset, event_seq%')
  expect(watched.over).toBe(false)
  await fence(reservationCommands, 3, 12)
  await deciding
})

test('a partition that stands still is named, and so is what to do', async () => {
  await fence(reservationCommands, 1, 100)
  await fence(reservationCommands, 3, 7)
  await expect(writers(100).decide(reservationCommands, [retire(1), retire(3)])).rejects.toThrow(
    /^partition 3 of reservations.commands stands at offset 7 and has to reach 12: is a worker running\?/,
  )
  expect(appended).toHaveLength(2)
})

test('one that has never decided anything stands at 0', async () => {
  await expect(writers(100).decide(reservationCommands, [retire(2)])).rejects.toThrow(
    /^partition 2 .* stands at offset 0 /,
  )
})

test('events alone are movement: a command may take many batches', async () => {
  const stallMs = 600
  await fence(reservationCommands, 1, 10, 1)
  const deciding = writers(stallMs).decide(reservationCommands, [retire(1)])
  const watched = watch(deciding)
  const endMs = performance.now() + 2 * stallMs
  for (let seq = 2; performance.now() < endMs; seq++) await fence(reservationCommands, 1, 10, seq)
  expect(watched.over).toBe(false)
  await fence(reservationCommands, 1, 11, 9_999_999)
  await deciding
})

test('settled is what was accepted, and what bookings ask of slots because of it', async () => {
  ends.set(bookingCommands, new Map([[0, 5]]))
  await fence(bookingCommands, 0, 4)
  const settling = writers(30_000).settle()
  const watched = watch(settling)
  await pool.query(
    `INSERT INTO outbox (topic, partition, first_seq, last_seq, messages) VALUES ($1, 0, 1, 3, '[]')`,
    [bookingCommands],
  )
  await fence(bookingCommands, 0, 5)
  // What it leads to is not published yet, so the slots' topic is not looked at yet.
  await looked('%FROM outbox%GROUP BY%')
  ends.set(reservationCommands, new Map([[2, 8]]))
  await fence(reservationCommands, 2, 7)
  expect(watched.over).toBe(false)
  // A later segment is none of it.
  await pool.query(
    `INSERT INTO outbox (topic, partition, first_seq, last_seq, messages) VALUES ($1, 0, 4, 4, '[]')`,
    [bookingCommands],
  )
  await pool.query('DELETE FROM outbox WHERE last_seq = 3')
  await fence(reservationCommands, 2, 8)
  await settling
})

test('what is never published is told', async () => {
  await pool.query(
    `INSERT INTO outbox (topic, partition, first_seq, last_seq, messages) VALUES ($1, 1, 3, 6, '[]')`,
    [bookingCommands],
  )
  await expect(writers(100).settle()).rejects.toThrow(
    /^what partition 1 of bookings.commands sends is published up to 2 and not up to 6/,
  )
})
