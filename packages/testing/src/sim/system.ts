/** The simulated deployment: the three servers, what watches them, and how processes are wired to them. */

import { type Booking, type BookingEvent, bookingDecider } from '@ironsys/bookings'
import type { SnapshotRedis } from '@ironsys/cache'
import { type CommandOutcome, topics } from '@ironsys/contracts'
import { reservationDecider } from '@ironsys/reservations'
import {
  createMemoryDatabase,
  createMemoryRedis,
  erasedFromLedger,
  type MemoryRedis,
  refusedByReservationTables,
} from '../twins/index.ts'
import { BookingChecker, type BookingDatabase, type BookingEffects } from './booking-checker.ts'
import { Checker, type Database, type Effects } from './checker.ts'
import { Departures } from './departures.ts'
import { LogCluster } from './log-cluster.ts'
import { createWire, Server } from './network.ts'
import type { PartitionChecks } from './partition-checks.ts'
import type { Actor, Timeline } from './timeline.ts'
import { Findings } from './violations.ts'

/** What decides on one topic, as far as all of them are alike. */
export interface Domain {
  readonly topic: string
  readonly checks: PartitionChecks
  readonly database: Pick<Database, 'progress' | 'outbox' | 'raiseEpoch'>
}

export interface System {
  readonly timeline: Timeline
  readonly findings: Findings
  readonly checker: Checker
  readonly departures: Departures
  readonly log: LogCluster
  readonly database: Database
  readonly bookingChecker: BookingChecker
  readonly bookings: BookingDatabase
  readonly domains: readonly Domain[]
  readonly postgres: Server
  readonly redisData: MemoryRedis
  readonly redis: Server
  readonly partitions: number
  /** Who hears of every commit, after the checker. */
  readonly onCommit: (listener: (effects: Effects) => void) => void
}

/** The Redis connection of one process. */
export function connectRedis(
  { timeline, departures, redisData, redis }: System,
  actor: Actor,
): SnapshotRedis {
  const wire = createWire(timeline, actor, redis)
  return redisData.connect((request, work) =>
    wire(request, () => {
      const answer = work()
      if (request === 'put-snapshot') departures.stored(redisData)
      return answer
    }),
  )
}

export function flushRedis({ departures, redisData }: System): void {
  redisData.flush()
  departures.flushed()
}

/** How long a hold lasts that the database refuses, as it would a value that breaks a CHECK. Milliseconds. */
export const REFUSED_TTL_MS = 777_000

export function createSystem(timeline: Timeline, partitions: number): System {
  const findings = new Findings()
  const checker = new Checker(findings, partitions, () => timeline.nowMs)
  const listeners: ((effects: Effects) => void)[] = []
  const database: Database = createMemoryDatabase({
    decider: reservationDecider,
    refuses,
    rewrites: erasedFromLedger,
    committed: (effects: Effects) => {
      const { id, from, to, ledger, deadLetters } = effects
      timeline.say(
        () =>
          `committed ${id.partition}: ${from.nextOffset} → ${to.nextOffset}, ${ledger.length} ledger entries, ` +
          `${deadLetters.length} dead letters`,
      )
      checker.committed(effects, database)
      bookingChecker.reservationsCommitted(effects, bookings)
      for (const listener of listeners) listener(effects)
    },
  })
  const bookingChecker = new BookingChecker(findings, partitions)
  const bookings: BookingDatabase = createMemoryDatabase<BookingEvent, Booking, never, CommandOutcome>({
    decider: bookingDecider,
    committed: (effects: BookingEffects) => {
      const { id, from, to, headers } = effects
      timeline.say(
        () =>
          `committed bookings ${id.partition}: ${from.nextOffset} → ${to.nextOffset}, ${headers.size} bookings`,
      )
      bookingChecker.committed(effects, bookings)
    },
  })
  const domains: readonly Domain[] = [
    { topic: topics.reservationCommands, checks: checker.checks, database },
    { topic: topics.bookingCommands, checks: bookingChecker.checks, database: bookings },
  ]
  const departures = new Departures(checker, bookingChecker, domains, database)
  const log = new LogCluster(timeline, partitions, (topic, partition, record) => {
    timeline.say(() => `appended ${topic}/${partition}@${record.offset}: ${record.value}`)
    for (const domain of domains) if (domain.topic === topic) domain.checks.appended(partition, record)
    departures.appended(topic, partition, record)
  })
  for (const [topic, group] of log.groups) {
    group.onCommit = (partition, offset) => departures.acknowledged({ topic, partition }, offset)
  }
  const redisData = createMemoryRedis({ nowMs: () => timeline.nowMs })
  redisData.subscribe((channel, message) => departures.message(channel, message))
  return {
    timeline,
    findings,
    checker,
    departures,
    log,
    database,
    bookingChecker,
    bookings,
    domains,
    postgres: new Server({ name: 'postgres', latencyMs: [1, 6], slowMs: 15_000, timeoutMs: 20_000 }),
    redisData,
    redis: new Server({ name: 'redis', latencyMs: [0, 3], slowMs: 1000, timeoutMs: 300 }),
    partitions,
    onCommit: (listener) => void listeners.push(listener),
  }
}

function refuses(effects: Effects): string | null {
  for (const { row, created } of effects.rows.values()) {
    if (created && row.holdTtlMs === REFUSED_TTL_MS) return `22P05: ${row.id}`
  }
  return refusedByReservationTables(effects)
}

/** The domain that decides on the topic. */
export function domainOf({ domains }: System, topic: string): Domain {
  const domain = domains.find((each) => each.topic === topic)
  if (domain === undefined) throw new Error(`nobody decides on ${topic}`)
  return domain
}

export const commandTopic = topics.reservationCommands
