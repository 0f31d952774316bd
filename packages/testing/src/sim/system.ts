/** The simulated deployment: the three servers, what watches them, and how processes are wired to them. */
import type { SnapshotRedis } from '@ironsys/cache'
import { topics } from '@ironsys/contracts'
import { reservationDecider } from '@ironsys/reservations'
import {
  createMemoryDatabase,
  createMemoryRedis,
  type MemoryRedis,
  refusedByReservationTables,
} from '../twins/index.ts'
import { Checker, type Database, type Effects } from './checker.ts'
import { Departures } from './departures.ts'
import { LogCluster } from './log-cluster.ts'
import { createWire, Server } from './network.ts'
import type { Actor, Timeline } from './timeline.ts'
import { Findings } from './violations.ts'

export interface System {
  readonly timeline: Timeline
  readonly findings: Findings
  readonly checker: Checker
  readonly departures: Departures
  readonly log: LogCluster
  readonly database: Database
  readonly postgres: Server
  readonly redisData: MemoryRedis
  readonly redis: Server
  readonly partitions: number
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

/** Marks a reservation that the database refuses, as it would a value that breaks a CHECK. */
export const refusedByDatabase = { refused_by_the_database: true }

export function createSystem(timeline: Timeline, partitions: number): System {
  const findings = new Findings()
  const checker = new Checker(findings, partitions)
  const database: Database = createMemoryDatabase({
    keyOfRow: reservationDecider.keyOfRow,
    refuses,
    committed: (effects: Effects) => {
      const { id, from, to, ledger, deadLetters } = effects
      timeline.say(
        () =>
          `committed ${id.partition}: ${from.nextOffset} → ${to.nextOffset}, ${ledger.length} ledger entries, ` +
          `${deadLetters.length} dead letters`,
      )
      checker.committed(effects, database)
    },
  })
  const departures = new Departures(checker, database)
  const log = new LogCluster(timeline, partitions, (topic, partition, record) => {
    timeline.say(() => `appended ${topic}/${partition}@${record.offset}: ${record.value}`)
    checker.appended(topic, partition, record)
    departures.appended(topic, partition, record)
  })
  log.group.onCommit = (partition, offset) => departures.acknowledged(commandTopic, partition, offset)
  const redisData = createMemoryRedis({ nowMs: () => timeline.nowMs })
  redisData.subscribe((channel, message) => departures.message(channel, message))
  return {
    timeline,
    findings,
    checker,
    departures,
    log,
    database,
    postgres: new Server({ name: 'postgres', latencyMs: [1, 6], slowMs: 15_000, timeoutMs: 20_000 }),
    redisData,
    redis: new Server({ name: 'redis', latencyMs: [0, 3], slowMs: 1000, timeoutMs: 300 }),
    partitions,
  }
}

function refuses(effects: Effects): string | null {
  for (const { row, created } of effects.rows.values()) {
    if (created && row.metadata !== null && 'refused_by_the_database' in row.metadata)
      return `22P05: ${row.id}`
  }
  return refusedByReservationTables(effects)
}

export const commandTopic = topics.reservationCommands
