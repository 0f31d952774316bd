/** One worker: the domains bound to the engine, and the engine to Kafka, Postgres and Redis. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Booking, bookingBinding, bookingDecider, bookingTables } from '@ironsys/bookings'
import { connectRedisAt, createRedisSink, type RedisSinkDeps, type SnapshotForm } from '@ironsys/cache'
import { type CommandOutcome, commandTopics, redisNames, topics } from '@ironsys/contracts'
import type { Header, Scheduler, SnapshotSink, WriterObserver } from '@ironsys/engine'
import { createCommandProducer, createLogAdmin, type LogAdmin, requireTopic } from '@ironsys/kafka'
import { type Closers, openService, type Service } from '@ironsys/lifecycle'
import { createPublisher } from '@ironsys/outbox'
import {
  checkDeployment,
  createOutboxStore,
  createPool,
  ensureTimePartitions,
  type LogIdentity,
  type Pool,
} from '@ironsys/postgres'
import {
  reservationBinding,
  reservationDecider,
  reservationTables,
  type Slot,
  slotDocument,
} from '@ironsys/reservations'
import type { Logger, WorkerMetrics } from '@ironsys/telemetry'
import { auditorDefaults, startAuditor } from './auditor.ts'
import type { WorkerConfig } from './config.ts'
import { type DomainDeps, type OpenDomain, openDomain } from './domain.ts'
import { createPublisherObserver, createWriterObserver } from './observer.ts'
import { type OperationsServer, startOperations, type WorkerHealth } from './operations.ts'
import { PartitionModes } from './partition-modes.ts'

/** Writers of all domains and their prefetches share these; more partitions only queue for them. */
const DATABASE_CONNECTIONS = 12
const SINK_COMMAND_TIMEOUT_MS = 2000
const SINK_CLOSE_TIMEOUT_MS = 2000
const TIME_PARTITIONS_EVERY_MS = 6 * 3600 * 1000

export interface Worker extends Service {
  readonly operationsPort: number
  readonly failed: Promise<Error>
}

const scheduler: Scheduler = {
  nowMs: () => Date.now(),
  delay: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
}

/**
 * Starts a worker. Throws LogIdentityError when log and database do not belong together or a topic is missing,
 * StartFault for a port that is taken, and what the servers throw when they cannot be reached.
 */
export async function startWorker(
  config: WorkerConfig,
  metrics: WorkerMetrics,
  logger: Logger,
): Promise<Worker> {
  return openService(
    (err) => logger.error({ err }, 'closing'),
    (closers) => wire(config, metrics, logger, closers),
  )
}

async function wire(
  config: WorkerConfig,
  metrics: WorkerMetrics,
  logger: Logger,
  closers: Closers,
): Promise<Omit<Worker, 'close'>> {
  const clientId = `ironsys-worker-${randomUUID().slice(0, 8)}`
  const kafka = { brokers: config.kafkaBrokers, security: config.kafkaSecurity, clientId, logger }
  const health = { joined: false, stopping: false }
  const modes = new PartitionModes()

  const operations = await openOperations(config, metrics, () => healthOf(health, modes))
  closers.add(() => operations.close())

  const pool = createPool(config.databaseUrl, {
    applicationName: clientId,
    maxConnections: DATABASE_CONNECTIONS,
    keyLookupsOnly: true,
  })
  closers.add(() => pool.end())
  const admin = createLogAdmin(kafka)
  closers.add(() => admin.close())
  const log = await checkLog(admin, pool, config.partitions)
  closers.add(await keepTimePartitions(pool, logger))

  const producer = createCommandProducer({ ...kafka, clientId: `${clientId}-events` })
  closers.add(() => producer.close())
  const failure = Promise.withResolvers<Error>()
  const deps: DomainDeps = {
    kafka,
    group: config.group,
    pool,
    log,
    publisher: createPublisher({
      store: createOutboxStore(pool),
      events: producer,
      scheduler,
      observer: createPublisherObserver(metrics, logger),
    }),
    appender: producer,
    scheduler,
    metrics,
    logger,
    failed: failure.resolve,
  }
  const observer = createWriterObserver(metrics, logger, modes, scheduler.nowMs)
  const watch = openAuditor(config, metrics, logger, closers, log.partitionCount, modes)
  const sinkOf = connectSinks(config, metrics, logger, closers)
  const domains = [
    openDomain(reservations(log, sinkOf, watch(observer)), deps),
    openDomain(bookings(log, sinkOf, observer), deps),
  ]
  closers.add(() => closeAll(domains))
  closers.add(() => {
    health.stopping = true
  })
  await Promise.all(domains.map((domain) => domain.start()))
  health.joined = true
  return { operationsPort: operations.port, failed: failure.promise }
}

function reservations({ partitionCount }: LogIdentity, sinkOf: MakeSink, observer: WriterObserver) {
  return {
    topic: topics.reservationCommands,
    decider: reservationDecider,
    binding: reservationBinding(partitionCount),
    tables: reservationTables,
    sink: sinkOf<Slot>({ redisKey: redisNames.slot, toDocument: slotDocument }),
    observer,
  }
}

/** Nobody reads bookings from Redis: each is read by its own client alone, and from the store. */
function bookings({ partitionCount }: LogIdentity, sinkOf: MakeSink, observer: WriterObserver) {
  return {
    topic: topics.bookingCommands,
    decider: bookingDecider,
    binding: bookingBinding(partitionCount),
    tables: bookingTables,
    sink: sinkOf<Booking>(null),
    observer,
  }
}

/** All at once: with servers that do not answer, each takes its time. */
async function closeAll(domains: readonly OpenDomain[]): Promise<void> {
  const ends = await Promise.allSettled(domains.map((domain) => domain.close()))
  const reasons = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
  if (reasons.length > 0) throw new AggregateError(reasons, 'a domain did not close')
}

function openOperations(
  config: WorkerConfig,
  metrics: WorkerMetrics,
  health: () => WorkerHealth,
): Promise<OperationsServer> {
  const { metricsText, contentType } = metrics
  return startOperations(config.opsHost, config.opsPort, { metricsText, contentType, health })
}

/** The log has every topic, and is the one that the database belongs to. */
async function checkLog(admin: LogAdmin, pool: Pool, partitionCount: number): Promise<LogIdentity> {
  const { clusterId } = await requireTopic(admin, topics.reservationCommands, partitionCount)
  for (const topic of Object.values(topics)) await requireTopic(admin, topic, partitionCount)
  for (const topic of commandTopics) {
    await checkDeployment(pool, { topic, clusterId, partitionCount, idKeyFingerprint: null })
  }
  return { clusterId, partitionCount }
}

type MakeSink = <H extends Header>(snapshots: SnapshotForm<H> | null) => SnapshotSink<H, CommandOutcome>

/** Answers how a domain's sink is made; all share one connection. */
function connectSinks(
  config: WorkerConfig,
  metrics: WorkerMetrics,
  logger: Logger,
  closers: Closers,
): MakeSink {
  const redis = connectRedisAt(config.redis, {
    name: 'worker',
    logger,
    commandTimeoutMs: SINK_COMMAND_TIMEOUT_MS,
  })
  closers.add(() => redis.disconnect())
  const replied = metrics.replies.with({ result: 'published' })
  const observe: RedisSinkDeps<Header>['observe'] = {
    dropped: (kind, count) => metrics.sinkDropped.with({ kind }).inc(count),
    replied: (count) => replied.inc(count),
  }
  return <H extends Header>(snapshots: SnapshotForm<H> | null) => {
    const sink = createRedisSink<H, CommandOutcome>({ redis, snapshots, nowMs: scheduler.nowMs, observe })
    closers.add(() => sink.close(SINK_CLOSE_TIMEOUT_MS))
    return sink
  }
}

/** Answers how the auditor is told what the writers commit. */
function openAuditor(
  config: WorkerConfig,
  metrics: WorkerMetrics,
  logger: Logger,
  closers: Closers,
  partitionCount: number,
  modes: PartitionModes,
): (observer: WriterObserver) => WriterObserver {
  const intervalMs = config.auditIntervalMs
  if (intervalMs === null) return (observer) => observer
  const applicationName = 'ironsys-auditor'
  const pool = createPool(config.databaseUrl, { applicationName, maxConnections: 1, readOnly: true })
  const topic = topics.reservationCommands
  const owns = (partition: number) => modes.of({ topic, partition }) === 'running'
  const deps = { pool, owns, partitionCount, scheduler, metrics, logger }
  const auditor = startAuditor(deps, { ...auditorDefaults, intervalMs })
  closers.add(() => pool.end())
  closers.add(() => auditor.close())
  return auditor.watching
}

/** Makes the tables' partitions of the coming days now and every few hours. Answers how to stop. */
async function keepTimePartitions(pool: Pool, logger: Logger): Promise<() => void> {
  await ensureTimePartitions(pool)
  const timer = setInterval(() => {
    ensureTimePartitions(pool).catch((err: unknown) => logger.error({ err }, 'time partitions'))
  }, TIME_PARTITIONS_EVERY_MS)
  return () => clearInterval(timer)
}

function healthOf(
  state: { readonly joined: boolean; readonly stopping: boolean },
  modes: PartitionModes,
): WorkerHealth {
  const partitions = modes.document()
  if (state.stopping) return { status: 'stopping', partitions }
  if (!state.joined || modes.count('opening') > 0) return { status: 'starting', partitions }
  return { status: modes.count('halted') > 0 ? 'degraded' : 'ready', partitions }
}
