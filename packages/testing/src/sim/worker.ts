/**
 * A worker process: the real consumer, host, writers, publisher and Redis sink, wired as apps/worker wires them, on
 * connections to the simulated servers.
 */
import { bookingBinding, bookingDecider } from '@ironsys/bookings'
import { createRedisSink, type SnapshotForm } from '@ironsys/cache'
import { type CommandOutcome, redisNames, topics } from '@ironsys/contracts'
import {
  type Binding,
  type Command,
  createPartitionHost,
  type Decider,
  type DomainEvent,
  defaultWriterOptions,
  type Header,
  type OutboxStore,
  type PartitionId,
  type Scheduler,
  type Store,
  startPartitionWriter,
  type WriterMode,
  type WriterObserver,
} from '@ironsys/engine'
import { type CommandProducer, createConsumerOn, createProducerOn, silentLogger } from '@ironsys/kafka'
import { createPublisher } from '@ironsys/outbox'
import {
  type ReservationDecider,
  reservationBinding,
  reservationDecider,
  slotDocument,
} from '@ironsys/reservations'
import { createWire } from './network.ts'
import { connectRedis, type System } from './system.ts'
import type { Actor } from './timeline.ts'

export interface WorkerSettings {
  /** The newest schema version that it can read. */
  readonly schemaVersion: 2 | 3
  /** What it believes the topic's partition count to be. */
  readonly partitionCount: number
  readonly batchRecordsMax: number
  readonly batchEventsMax: number
  readonly cachedKeysMax: number
  readonly cachedRowsMax: number
  /** Rows of a page that was not asked for by name: a store may answer fewer than are wanted. */
  readonly firstPageRowsMax: number
}

export interface WorkerProcess {
  readonly actor: Actor
  readonly settings: WorkerSettings
  /** The last mode of each partition that it has or had, by `topic/partition`. */
  readonly modes: ReadonlyMap<string, WriterMode>
  /** True when it has given up by itself and must be started again. */
  hasFailed(): boolean
  /** Stops in good order. */
  stop(): Promise<void>
}

const SINK_CLOSE_TIMEOUT_MS = 2000
/** Many more than batches have steps: who decides so often without waiting for anything goes on for ever. */
const DECISIONS_PER_EVENT_MAX = 20_000

/** To be called in an event of `actor`: everything that it starts is that process's. */
export function startWorker(system: System, actor: Actor, settings: WorkerSettings): WorkerProcess {
  const { timeline, log, database, bookings } = system
  const modes = new Map<string, WriterMode>()
  let failed = false
  const wire = createWire(timeline, actor, system.postgres)
  const identity = { clusterId: log.clusterId, partitionCount: settings.partitionCount }
  const producer = createProducerOn(log.link(actor))
  const shared: Shared = {
    system,
    actor,
    settings,
    producer,
    modes,
    failed: () => {
      failed = true
    },
  }
  const hosted = [
    host(shared, {
      topic: topics.reservationCommands,
      decider: readingUpTo(settings.schemaVersion),
      binding: reservationBinding(settings.partitionCount),
      store: withShortPages(database.connect(identity, wire), settings),
      snapshots: { redisKey: redisNames.slot, toDocument: slotDocument },
    }),
    host(shared, {
      topic: topics.bookingCommands,
      decider: bookingDecider,
      binding: bookingBinding(settings.partitionCount),
      store: bookings.connect(identity, wire),
      snapshots: null,
    }),
  ]
  return {
    actor,
    settings,
    modes,
    hasFailed: () => failed,
    stop: async () => {
      await Promise.all(hosted.map(({ stopDeciding }) => stopDeciding()))
      await producer.close()
      await Promise.all(hosted.map(({ sink }) => sink.close(SINK_CLOSE_TIMEOUT_MS)))
    },
  }
}

interface Shared {
  readonly system: System
  readonly actor: Actor
  readonly settings: WorkerSettings
  readonly producer: CommandProducer
  readonly modes: Map<string, WriterMode>
  readonly failed: () => void
}

interface HostedDomain<C extends Command, E extends DomainEvent, H extends Header, R> {
  readonly topic: string
  readonly decider: Decider<C, E, H, R, CommandOutcome>
  readonly binding: Binding<E>
  readonly store: Store<E, H, R, CommandOutcome> & OutboxStore
  readonly snapshots: SnapshotForm<H> | null
}

/** One domain of the process. */
function host<C extends Command, E extends DomainEvent, H extends Header, R>(
  { system, actor, settings, producer, modes, failed }: Shared,
  { topic, decider, binding, store, snapshots }: HostedDomain<C, E, H, R>,
) {
  const { timeline, log } = system
  const scheduler: Scheduler = { nowMs: () => Date.now(), delay: virtualDelay }
  const sink = createRedisSink<H, CommandOutcome>({
    redis: connectRedis(system, actor),
    snapshots,
    nowMs: () => Date.now(),
    observe: { dropped: () => {}, replied: () => {} },
  })
  const fault = (id: PartitionId, error: unknown) =>
    timeline.say(() => `partition ${id.partition} of ${id.topic}: ${error}`, actor)
  const publisher = createPublisher({
    store,
    events: producer,
    scheduler,
    observer: { pending: () => {}, fault },
  })
  const observer: WriterObserver = {
    mode: ({ topic, partition }, mode) => {
      modes.set(`${topic}/${partition}`, mode)
      timeline.say(() => `partition ${partition} of ${topic} is ${mode}`, actor)
    },
    fault,
    committed: () => {},
  }
  const deps = {
    decider: findingCircles(decider, system),
    binding,
    store,
    publisher,
    sink,
    appender: producer,
    scheduler,
    observer,
  }
  const { batchRecordsMax, batchEventsMax, cachedKeysMax, cachedRowsMax } = settings
  const options = { ...defaultWriterOptions, batchRecordsMax, batchEventsMax, cachedKeysMax, cachedRowsMax }
  const partitions = createPartitionHost({
    startWriter: (partition, partitionLog) =>
      startPartitionWriter({ topic, partition }, partitionLog, deps, options),
    rejoin: () => consumer.rejoin(),
    fault: (error) => timeline.say(() => `host: ${error}`, actor),
  })
  const consumer = createConsumerOn(
    log.connection(actor, topic),
    { topic, logger: silentLogger },
    {
      assigned: (partitionLog, partition) => partitions.assigned(partitionLog, partition),
      revoked: (partition) => partitions.revoked(partition),
      crashed: failed,
    },
  )
  consumer.start().catch(failed)
  const stopDeciding = async () => {
    await partitions.close()
    await consumer.close()
  }
  return { sink, stopDeciding }
}

/** A few rows are to this store what many are to the real one. */
function withShortPages<E extends DomainEvent, H extends Header, R, O>(
  store: Store<E, H, R, O> & OutboxStore,
  { firstPageRowsMax }: WorkerSettings,
): Store<E, H, R, O> & OutboxStore {
  return {
    ...store,
    prefetch: async (request) => {
      const loaded = await store.prefetch(request)
      const pages = loaded.pages.map((page) => {
        const isNamed = request.pages.some(({ key, list }) => key === page.key && list === page.list)
        if (isNamed || page.rows.length <= firstPageRowsMax) return page
        return { ...page, rows: page.rows.slice(0, firstPageRowsMax), complete: false }
      })
      return { ...loaded, pages }
    },
  }
}

/** Finds a writer that goes round in circles: virtual time would never come to that. */
function findingCircles<C extends Command, E extends DomainEvent, H extends Header, R>(
  decider: Decider<C, E, H, R, CommandOutcome>,
  { timeline, findings }: System,
): Decider<C, E, H, R, CommandOutcome> {
  let event = 0
  let decisions = 0
  return {
    ...decider,
    decide: (view, command, atMs) => {
      decisions = event === timeline.steps ? decisions + 1 : 1
      event = timeline.steps
      if (decisions > DECISIONS_PER_EVENT_MAX) {
        findings.add('liveness', `${command.id} is decided again and again`)
        throw new Error('decided again and again')
      }
      return decider.decide(view, command, atMs)
    },
  }
}

/** A worker of a later release reads what an earlier one may not even discard. */
function readingUpTo(schemaVersion: 2 | 3): ReservationDecider {
  if (schemaVersion === 2) return reservationDecider
  const parse: ReservationDecider['parse'] = (value) =>
    reservationDecider.parse(value === null ? null : Buffer.from(value.toString().replace('"v":3', '"v":2')))
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
