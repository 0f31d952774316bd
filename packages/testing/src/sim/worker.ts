/**
 * A worker process: the real consumer, host, writers, publisher and Redis sink, wired as apps/worker wires them, on
 * connections to the simulated servers.
 */
import { createRedisSink } from '@ironsys/cache'
import { type CommandOutcome, redisNames } from '@ironsys/contracts'
import {
  createPartitionHost,
  defaultWriterOptions,
  type Scheduler,
  startPartitionWriter,
  type WriterMode,
} from '@ironsys/engine'
import { createConsumerOn, createProducerOn, silentLogger } from '@ironsys/kafka'
import { createPublisher } from '@ironsys/outbox'
import {
  type ReservationDecider,
  reservationBinding,
  reservationDecider,
  type Slot,
  slotDocument,
} from '@ironsys/reservations'
import { createWire } from './network.ts'
import { commandTopic, connectRedis, type System } from './system.ts'
import type { Actor } from './timeline.ts'

export interface WorkerSettings {
  /** The newest schema version that it can read. */
  readonly schemaVersion: 1 | 2
  /** What it believes the topic's partition count to be. */
  readonly partitionCount: number
  readonly batchRecordsMax: number
  readonly cachedKeysMax: number
}

export interface WorkerProcess {
  readonly actor: Actor
  readonly settings: WorkerSettings
  /** The last mode of each partition that it has or had. */
  readonly modes: ReadonlyMap<number, WriterMode>
  /** True when it has given up by itself and must be started again. */
  hasFailed(): boolean
  /** Stops in good order. */
  stop(): Promise<void>
}

const SINK_CLOSE_TIMEOUT_MS = 2000

/** To be called in an event of `actor`: everything that it starts is that process's. */
export function startWorker(system: System, actor: Actor, settings: WorkerSettings): WorkerProcess {
  const { timeline, log } = system
  const modes = new Map<number, WriterMode>()
  let failed = false
  const scheduler: Scheduler = { nowMs: () => Date.now(), delay: virtualDelay }
  const wire = createWire(timeline, actor, system.postgres)
  const identity = { clusterId: log.clusterId, partitionCount: settings.partitionCount }
  const store = system.database.connect(identity, wire)
  const producer = createProducerOn(log.link(actor))
  const sink = createRedisSink<Slot, CommandOutcome>({
    redis: connectRedis(system, actor),
    redisKey: redisNames.slot,
    toDocument: slotDocument,
    nowMs: () => Date.now(),
    observe: { dropped: () => {}, replied: () => {} },
  })
  const fault = (id: { partition: number }, error: unknown) =>
    timeline.say(() => `partition ${id.partition}: ${error}`, actor)
  const publisher = createPublisher({
    store,
    events: producer,
    scheduler,
    observer: { pending: () => {}, fault },
  })
  const deps = {
    decider: readingUpTo(settings.schemaVersion),
    binding: reservationBinding(settings.partitionCount),
    store,
    publisher,
    sink,
    scheduler,
    observer: {
      mode: (id: { partition: number }, mode: WriterMode) => {
        modes.set(id.partition, mode)
        timeline.say(() => `partition ${id.partition} is ${mode}`, actor)
      },
      fault,
      committed: () => {},
    },
  }
  const { batchRecordsMax, cachedKeysMax } = settings
  const options = { ...defaultWriterOptions, batchRecordsMax, cachedKeysMax }
  const host = createPartitionHost({
    startWriter: (partition, partitionLog) =>
      startPartitionWriter({ topic: commandTopic, partition }, partitionLog, deps, options),
    rejoin: () => consumer.rejoin(),
    fault: (error) => timeline.say(() => `host: ${error}`, actor),
  })
  const consumer = createConsumerOn(
    log.connection(actor),
    { topic: commandTopic, logger: silentLogger },
    {
      assigned: (partitionLog, partition) => host.assigned(partitionLog, partition),
      revoked: (partition) => host.revoked(partition),
      crashed: () => {
        failed = true
      },
    },
  )
  consumer.start().catch(() => {
    failed = true
  })
  return {
    actor,
    settings,
    modes,
    hasFailed: () => failed,
    stop: async () => {
      await host.close()
      await consumer.close()
      await producer.close()
      await sink.close(SINK_CLOSE_TIMEOUT_MS)
    },
  }
}

/** A worker of a later release reads what an earlier one may not even discard. */
function readingUpTo(schemaVersion: 1 | 2): ReservationDecider {
  if (schemaVersion === 1) return reservationDecider
  const parse: ReservationDecider['parse'] = (value) =>
    reservationDecider.parse(value === null ? null : Buffer.from(value.toString().replace('"v":2', '"v":1')))
  return { ...reservationDecider, parse }
}

function virtualDelay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}
