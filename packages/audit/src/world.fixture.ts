/** A small deployment for one test: a database written by the engine's own parts, its log in memory, a real Redis. */
import { createHash, randomUUID } from 'node:crypto'
import { connectRedis, encodeSnapshot } from '@ironsys/cache'
import { type CommandOutcome, mintId, partitionOfKey, redisNames, topics } from '@ironsys/contracts'
import { decideBatch, type LogRecord, type PartitionId, type Progress } from '@ironsys/engine'
import { createPartitionStore, createPool, type Pool } from '@ironsys/postgres'
import {
  type Reservation,
  reservationBinding,
  reservationDecider,
  reservationTables,
  type Slot,
  slotDocument,
} from '@ironsys/reservations'
import { createTestDatabase, testServices } from '@ironsys/testing'
import type { LogSource } from './log-source.ts'

export const PARTITIONS = 2
const CLUSTER = 'test-cluster'
const FIRST_MS = Date.UTC(2026, 0, 1)

export type World = Awaited<ReturnType<typeof createWorld>>

/** Slot `a` has two confirmed and one cancelled reservation, a rejected one and a change; slot `b` has one. */
export async function createWorld() {
  const database = await createTestDatabase()
  const pool = createPool(database.url, { applicationName: 'audit-test', maxConnections: 3 })
  const redis = connectRedis(testServices().redisUrl, {
    name: 'audit-test',
    logger: { info: () => {}, warn: () => {} },
    commandTimeoutMs: 5000,
  })
  const log = createMemoryLog()
  const writer = createWriter(pool, log)
  const a = randomUUID()
  const b = randomUUID()
  const made = await fill(writer, a, b)
  const world = {
    pool,
    redis,
    log,
    a,
    b,
    /** Of slot `a`. */
    partition: partitionOfKey(a, PARTITIONS),
    ...made,
    writer,
    putSnapshot: async (slotId: string, change: (slot: Slot) => Slot = (slot) => slot, epoch = 1) => {
      const slot = change(writer.slot(slotId))
      const stored = { epoch, version: slot.version, ttlMs: 600_000, document: slotDocument(slot) }
      await redis.set(redisNames.slot(slotId), encodeSnapshot(stored))
    },
    close: async () => {
      await redis.del(redisNames.slot(a))
      await redis.del(redisNames.slot(b))
      redis.disconnect()
      await pool.end()
      await database.drop()
    },
  }
  return world
}

async function fill(writer: Writer, a: string, b: string) {
  const reserve = (slotId: string, quantity: number) => {
    const id = mintId(slotId, FIRST_MS)
    const user_id = `user-${quantity}`
    const command = {
      v: 1,
      type: 'reserve',
      id,
      slot_id: slotId,
      user_id,
      quantity,
      metadata: { seat: 'A"1' },
    }
    return writer.apply(slotId, command).then(() => id)
  }
  const createSlot = (id: string) =>
    writer.apply(id, {
      ...{ v: 1, type: 'create_slot', id, name: `Slot ${id}`, start_time: '2030-01-01T00:00:00Z' },
      ...{ end_time: '2030-01-01T01:00:00Z', capacity: 10, overbooking_bps: 1000, sales_open_at: null },
      ...{ sales_close_at: '2031-01-01T00:00:00Z', body_hash: hashOf(id) },
    })
  await createSlot(a)
  await createSlot(b)
  const first = await reserve(a, 2)
  const second = await reserve(a, 3)
  const cancelled = await reserve(a, 1)
  await writer.apply(a, { v: 1, type: 'cancel', id: randomUUID(), reservation_id: cancelled })
  const updateId = randomUUID()
  await writer.apply(a, {
    v: 1,
    type: 'update_slot',
    id: updateId,
    slot_id: a,
    name: 'Renamed',
    capacity: 12,
  })
  const rejected = await reserve(a, 1000)
  const only = await reserve(b, 4)
  const unknownSlot = randomUUID()
  await reserve(unknownSlot, 1)
  await writer.applyText(a, '{"v":1,"type":"reserve"')
  return { first, second, cancelled, rejected, only, updateId }
}

type Writer = ReturnType<typeof createWriter>

/** Decides one command at a time, as the one writer of every partition, and commits it with the engine's store. */
function createWriter(pool: Pool, log: MemoryLog) {
  const store = createPartitionStore(pool, reservationTables, {
    clusterId: CLUSTER,
    partitionCount: PARTITIONS,
  })
  const progresses = new Map<number, Progress>()
  const slots = new Map<string, Slot>()
  const rows = new Map<string, Reservation>()
  const remembered = new Map<string, CommandOutcome>()
  const applyText = async (slotId: string, text: string): Promise<void> => {
    const id: PartitionId = {
      topic: topics.reservationCommands,
      partition: partitionOfKey(slotId, PARTITIONS),
    }
    const from = progresses.get(id.partition) ?? (await store.open(id))
    const record = log.append(id, slotId, text)
    const { effects } = decideBatch({
      decider: reservationDecider,
      binding: reservationBinding(PARTITIONS),
      id,
      from,
      records: [{ record, command: reservationDecider.parse(record.value) }],
      before: {
        header: (key) => slots.get(key) ?? null,
        row: (rowId) => rows.get(rowId),
        remembered: (commandId) => remembered.get(commandId),
      },
      refusedOffsets: new Map(),
    })
    await store.commit(effects)
    await pool.query('DELETE FROM outbox')
    progresses.set(id.partition, effects.to)
    for (const [key, { header }] of effects.headers) slots.set(key, header)
    for (const [rowId, { row }] of effects.rows) rows.set(rowId, row)
    for (const { topic, partition, key, value } of effects.segment?.messages ?? [])
      log.append({ topic, partition }, key, value)
  }
  return {
    applyText,
    apply: (slotId: string, command: object) => applyText(slotId, JSON.stringify(command)),
    slot: (slotId: string): Slot => {
      const slot = slots.get(slotId)
      if (slot === undefined) throw new Error(`no slot ${slotId}`)
      return slot
    },
  }
}

type MemoryLog = ReturnType<typeof createMemoryLog>

/** Both topics. `records` may be changed by a test. */
function createMemoryLog() {
  const topicsOf = new Map<string, Map<number, LogRecord[]>>()
  let timeMs = FIRST_MS
  const records = (topic: string, partition: number): LogRecord[] => {
    const partitions =
      topicsOf.get(topic) ?? new Map(Array.from({ length: PARTITIONS }, (_, each) => [each, []]))
    topicsOf.set(topic, partitions)
    const list = partitions.get(partition)
    if (list === undefined) throw new Error(`no partition ${partition}`)
    return list
  }
  const source: LogSource = {
    describe: async () => ({ clusterId: CLUSTER, partitions: PARTITIONS }),
    bounds: async (topic) => {
      records(topic, 0)
      return new Map(
        [...(topicsOf.get(topic) ?? [])].map(([partition, list]) => [
          partition,
          { low: list[0]?.offset ?? 0, high: (list.at(-1)?.offset ?? -1) + 1 },
        ]),
      )
    },
    read: async (topic, ranges, handle) => {
      for (const [partition, { from, to }] of ranges) {
        const wanted = records(topic, partition).filter(({ offset }) => offset >= from && offset < to)
        if (wanted.length > 0) await handle(partition, wanted)
      }
    },
    close: async () => {},
  }
  return {
    ...source,
    records,
    append: ({ topic, partition }: PartitionId, key: string, value: string): LogRecord => {
      const list = records(topic, partition)
      timeMs += 1000
      const offset = (list.at(-1)?.offset ?? -1) + 1
      const record = { offset, timeMs, key: Buffer.from(key), value: Buffer.from(value) }
      list.push(record)
      return record
    },
  }
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
