/**
 * Asks the writers of partitions to do what nobody else may (I3), and waits until they have.
 *
 * Invariants:
 * 1. Decided is what lies below the fence: `partition_progress` moves in the transaction of the decision itself.
 * 2. Nothing waits for ever: a partition that has to move and does not, for `stallMs`, is named and ends it.
 */
import { randomUUID } from 'node:crypto'
import {
  type BookingCommand,
  COMMAND_SCHEMA_VERSION,
  type CommandTopic,
  partitionOfKey,
  type ReservationCommand,
  topics,
} from '@ironsys/contracts'
import { LocalFault, waitUntil } from '@ironsys/local'
import type { Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { type DeploymentAccess, queryRows } from './deployment.ts'

type Unaddressed<C> = C extends unknown ? Omit<C, 'v' | 'id'> : never

/** What one key's writer is asked. */
export interface Ask {
  readonly key: string
  readonly command: Unaddressed<ReservationCommand | BookingCommand>
}

export interface Writers {
  /**
   * Appends all of them at once, so the caller bounds how many, and resolves when all are decided. Throws a `LocalFault`
   * that names the partition which does not move, and what the log throws; what was appended is decided all the same.
   */
  decide(topic: CommandTopic, asks: readonly Ask[]): Promise<void>
  /**
   * Resolves when all is decided that the log holds now, and what follows from it: what bookings ask of slots is in the
   * log, and decided, too. Throws as {@link decide}.
   */
  settle(): Promise<void>
}

export interface WritersOptions {
  /** How long a partition may stand still, milliseconds: a worker that starts or takes over needs some. */
  readonly stallMs: number
}

const defaultWritersOptions: WritersOptions = { stallMs: 30_000 }

export function createWriters(
  { pool, log, topics: described, logEnds }: DeploymentAccess,
  options: WritersOptions = defaultWritersOptions,
): Writers {
  const { stallMs } = options
  const reach = (topic: CommandTopic, ends: ReadonlyMap<number, number>) =>
    reachAll(fencesOf(pool, topic), ends, stallMs)
  return {
    decide: async (topic, asks) => {
      const partitionCount = described.get(topic)?.partitionCount
      if (partitionCount === undefined) throw new Error(`topic ${topic} was not described`)
      const appended = await Promise.all(
        asks.map(async ({ key, command }) => {
          const partition = partitionOfKey(key, partitionCount)
          const value = JSON.stringify({ v: COMMAND_SCHEMA_VERSION, id: randomUUID(), ...command })
          const { offset } = await log.append({ topic, partition }, key, value)
          return { partition, next: offset + 1 }
        }),
      )
      const nexts = new Map<number, number>()
      for (const { partition, next } of appended) {
        nexts.set(partition, Math.max(next, nexts.get(partition) ?? 0))
      }
      await reach(topic, nexts)
    },
    settle: async () => {
      const { bookingCommands, reservationCommands } = topics
      await reach(bookingCommands, await logEnds(bookingCommands))
      const outbox = outboxOf(pool, bookingCommands)
      await reachAll(outbox, await lastSequences(pool, bookingCommands), stallMs)
      await reach(reservationCommands, await logEnds(reservationCommands))
    },
  }
}

/** How far the partitions of a topic are. */
interface Course {
  /** `at` is compared with where it has to be; `mark` differs whenever anything moved. */
  read(): Promise<ReadonlyMap<number, { readonly at: number; readonly mark: string }>>
  /** Of a partition without a row. */
  readonly atWithoutRow: number
  /** What to say of one that stands still. */
  readonly standsText: (partition: number, at: number, goal: number) => string
}

async function reachAll(course: Course, goals: ReadonlyMap<number, number>, stallMs: number): Promise<void> {
  let positions = await course.read()
  const atOf = (partition: number) => positions.get(partition)?.at ?? course.atWithoutRow
  for (;;) {
    const behind = [...goals].filter(([partition, goal]) => atOf(partition) < goal)
    const [first] = behind
    if (first === undefined) return
    const before = positions
    const hasMoved = async () => {
      positions = await course.read()
      return behind.some(([partition]) => positions.get(partition)?.mark !== before.get(partition)?.mark)
    }
    if (await waitUntil(hasMoved, stallMs)) continue
    const [partition, goal] = first
    throw new LocalFault(course.standsText(partition, atOf(partition), goal))
  }
}

const fenceRow = z.object({
  partition: z.int(),
  next_offset: z.coerce.number(),
  event_seq: z.coerce.number(),
})

function fencesOf(pool: Pool, topic: CommandTopic): Course {
  return {
    read: async () => {
      const text = 'SELECT partition, next_offset, event_seq FROM partition_progress WHERE topic = $1'
      const rows = (await queryRows(pool, 'cli-fences', text, [topic])).map((row) => fenceRow.parse(row))
      // A batch may move the events alone: it ends between two steps of a command.
      return new Map(
        rows.map(({ partition, next_offset, event_seq }) => [
          partition,
          { at: next_offset, mark: `${next_offset} ${event_seq}` },
        ]),
      )
    },
    atWithoutRow: 0,
    standsText: (partition, at, goal) =>
      `partition ${partition} of ${topic} stands at offset ${at} and has to reach ${goal}: ` +
      'is a worker running? ./ironsys lag shows how far it is, its log whether it halted; then run this again',
  }
}

const segmentRow = z.object({ partition: z.int(), first_seq: z.coerce.number(), last_seq: z.coerce.number() })

async function segmentsOf(pool: Pool, topic: CommandTopic) {
  const text = `SELECT partition, min(first_seq) AS first_seq, max(last_seq) AS last_seq FROM outbox
                 WHERE topic = $1 GROUP BY partition`
  return (await queryRows(pool, 'cli-outbox', text, [topic])).map((row) => segmentRow.parse(row))
}

async function lastSequences(pool: Pool, topic: CommandTopic): Promise<ReadonlyMap<number, number>> {
  return new Map((await segmentsOf(pool, topic)).map(({ partition, last_seq }) => [partition, last_seq]))
}

function outboxOf(pool: Pool, topic: CommandTopic): Course {
  return {
    read: async () => {
      const rows = await segmentsOf(pool, topic)
      return new Map(
        rows.map(({ partition, first_seq }) => [partition, { at: first_seq - 1, mark: String(first_seq) }]),
      )
    },
    atWithoutRow: Number.POSITIVE_INFINITY,
    standsText: (partition, at, goal) =>
      `what partition ${partition} of ${topic} sends is published up to ${at} and not up to ${goal}: ` +
      'is a worker running, and does Kafka take events? then run this again',
  }
}
