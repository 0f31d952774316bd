/** A small deployment for one test: a database written by the engine's own parts, its log in memory, a real Redis. */
import { createHash, randomUUID } from 'node:crypto'
import { bookingBinding, bookingDecider, bookingTables } from '@ironsys/bookings'
import { connectRedis, encodeSnapshot } from '@ironsys/cache'
import { type CommandOutcome, mintId, partitionOfKey, redisNames, topics } from '@ironsys/contracts'
import {
  type Binding,
  type Command,
  type Decider,
  type DomainEvent,
  decideBatch,
  type Header,
  type LogRecord,
  type Page,
  type PartitionId,
  type Progress,
} from '@ironsys/engine'
import { createPartitionStore, createPool, type DomainTables, type Pool } from '@ironsys/postgres'
import {
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
/** Log time begins an hour ago, so that holds of hours are not over. */
export const FIRST_MS = Date.now() - 3_600_000

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
  const writer = createWriters(pool, log)
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

export type Writer = ReturnType<typeof createWriters>

/** The one writer of every partition of both domains, which do at once what the log asks of them. */
function createWriters(pool: Pool, log: MemoryLog) {
  const slots = createWriter(pool, log, topics.reservationCommands, {
    decider: reservationDecider,
    binding: reservationBinding(PARTITIONS),
    tables: reservationTables,
  })
  const bookings = createWriter(pool, log, topics.bookingCommands, {
    decider: bookingDecider,
    binding: bookingBinding(PARTITIONS),
    tables: bookingTables,
  })
  /** Until nothing in the log is undecided. */
  const drain = async (): Promise<void> => {
    while ((await slots.decideAll()) || (await bookings.decideAll()));
  }
  const append = (topic: string, key: string, text: string): LogRecord =>
    log.append({ topic, partition: partitionOfKey(key, PARTITIONS) }, key, text)
  return {
    append,
    drain,
    decideSlots: slots.decideAll,
    decideBookings: bookings.decideAll,
    applyText: (slotId: string, text: string): Promise<void> => {
      append(topics.reservationCommands, slotId, text)
      return drain()
    },
    apply: (slotId: string, command: object): Promise<void> => {
      append(topics.reservationCommands, slotId, JSON.stringify(command))
      return drain()
    },
    book: (bookingId: string, command: object): Promise<void> => {
      append(topics.bookingCommands, bookingId, JSON.stringify(command))
      return drain()
    },
    slot: slots.header,
  }
}

interface DomainParts<C extends Command, E extends DomainEvent, H extends Header, R> {
  readonly decider: Decider<C, E, H, R, CommandOutcome>
  readonly binding: Binding<E>
  readonly tables: DomainTables<E, H, R, CommandOutcome>
}

const EVENTS_MAX = 1000

function createWriter<C extends Command, E extends DomainEvent, H extends Header, R>(
  pool: Pool,
  log: MemoryLog,
  topic: string,
  { decider, binding, tables }: DomainParts<C, E, H, R>,
) {
  const store = createPartitionStore(pool, tables, { clusterId: CLUSTER, partitionCount: PARTITIONS })
  const progresses = new Map<number, Progress>()
  const headers = new Map<string, H>()
  const rows = new Map<string, R>()
  const remembered = new Map<string, CommandOutcome>()
  const page = (key: string, list: string): Page<R> => {
    const found = [...rows.values()].flatMap((row) =>
      decider.keyOfRow(row) === key
        ? decider.listsOf(row).flatMap((place) => (place.list === list ? [{ at: place.at, row }] : []))
        : [],
    )
    found.sort(
      (one, other) => one.at - other.at || (decider.rowId(one.row) < decider.rowId(other.row) ? -1 : 1),
    )
    return { key, list, rows: found.map(({ row }) => row), complete: true }
  }
  const decide = async (partition: number): Promise<boolean> => {
    const id = { topic, partition }
    const from = progresses.get(partition) ?? (await store.open(id))
    progresses.set(partition, from)
    const record = log.records(topic, partition).find(({ offset }) => offset >= from.nextOffset)
    if (record === undefined) return false
    const { effects } = decideBatch({
      ...{ decider, binding, id, from, eventsMax: EVENTS_MAX, refusedOffsets: new Map() },
      records: [{ record, command: decider.parse(record.value) }],
      before: {
        header: (key) => headers.get(key) ?? null,
        row: (rowId) => rows.get(rowId),
        remembered: (commandId) => remembered.get(commandId),
        page,
        emptyList: () => false,
        changedRows: [],
      },
    })
    await store.commit(effects)
    await pool.query('DELETE FROM outbox')
    progresses.set(partition, effects.to)
    for (const key of effects.removedKeys) headers.delete(key)
    for (const [rowId, row] of rows) if (effects.removedKeys.has(decider.keyOfRow(row))) rows.delete(rowId)
    for (const [key, { header }] of effects.headers) headers.set(key, header)
    for (const [rowId, { row }] of effects.rows) rows.set(rowId, row)
    for (const message of effects.segment?.messages ?? [])
      log.append({ topic: message.topic, partition: message.partition }, message.key, message.value)
    return true
  }
  return {
    /** Everything in the log of this domain. Answers whether there was anything. */
    decideAll: async (): Promise<boolean> => {
      let any = false
      for (let partition = 0; partition < PARTITIONS; partition++) while (await decide(partition)) any = true
      return any
    },
    header: (key: string): H => {
      const header = headers.get(key)
      if (header === undefined) throw new Error(`nothing is known of ${key}`)
      return header
    },
  }
}

type MemoryLog = ReturnType<typeof createMemoryLog>

/** All topics. `records` may be changed by a test. */
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
    /** Time passes in the log, seconds. */
    pass: (seconds: number): void => {
      timeMs += seconds * 1000
    },
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
