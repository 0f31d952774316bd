/** One worker: the reservations domain bound to the engine, and the engine to Kafka, Postgres and Redis. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { connectRedis, createRedisSink, type RedisSink } from '@ironsys/cache'
import { type CommandOutcome, redisNames, topics } from '@ironsys/contracts'
import {
  createPartitionHost,
  type Scheduler,
  startPartitionWriter,
  type WriterObserver,
} from '@ironsys/engine'
import {
  createCommandConsumer,
  createCommandProducer,
  createLogAdmin,
  type LogAdmin,
  requireTopic,
  type TopicDescription,
} from '@ironsys/kafka'
import { type Closers, openService, type Service } from '@ironsys/lifecycle'
import { createPublisher } from '@ironsys/outbox'
import {
  checkDeployment,
  createOutboxStore,
  createPartitionStore,
  createPool,
  ensureTimePartitions,
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
import { createPublisherObserver, createWriterObserver, type PartitionModes } from './observer.ts'
import { type OperationsServer, startOperations, type WorkerHealth } from './operations.ts'

/** Writers and their prefetches share these; more partitions only queue for them. */
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
 * Starts a worker. Throws LogIdentityError when log and database do not belong together or the topic is missing,
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
  const kafka = { brokers: config.kafkaBrokers, clientId, logger }
  const health = { joined: false, stopping: false }
  const modes: PartitionModes = new Map()

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
  const log = await checkLog(admin, pool, config)
  closers.add(await keepTimePartitions(pool, logger))

  const sink = openSink(config, metrics, logger, closers)
  const producer = createCommandProducer({ ...kafka, clientId: `${clientId}-events` })
  closers.add(() => producer.close())

  const watch = openAuditor(config, metrics, logger, closers, log.partitions, modes)
  const publisherObserver = createPublisherObserver(metrics, logger)
  const writerDeps = {
    decider: reservationDecider,
    binding: reservationBinding(log.partitions),
    store: createPartitionStore(pool, reservationTables, {
      clusterId: log.clusterId,
      partitionCount: log.partitions,
    }),
    publisher: createPublisher({
      store: createOutboxStore(pool),
      events: producer,
      scheduler,
      observer: publisherObserver,
    }),
    sink,
    scheduler,
    observer: watch(createWriterObserver(metrics, logger, modes, scheduler.nowMs)),
  }
  const failure = Promise.withResolvers<Error>()
  const host = createPartitionHost({
    startWriter: (partition, partitionLog) =>
      startPartitionWriter({ topic: topics.reservationCommands, partition }, partitionLog, writerDeps),
    rejoin: () => consumer.rejoin(),
    fault: (err) => logger.error({ err }, 'partition host'),
  })
  const consumer = createCommandConsumer(
    { ...kafka, groupId: config.group, topic: topics.reservationCommands },
    {
      assigned: (partitionLog, partition) => host.assigned(partitionLog, partition),
      revoked: (partition) => {
        // Also for a writer that has halted: its alert ends with its ownership.
        writerDeps.observer.mode({ topic: topics.reservationCommands, partition }, 'closed')
        host.revoked(partition)
      },
      crashed: failure.resolve,
    },
  )
  closers.add(() => consumer.close())
  closers.add(() => host.close())
  closers.add(() => {
    health.stopping = true
  })
  await consumer.start()
  health.joined = true
  return { operationsPort: operations.port, failed: failure.promise }
}

function openOperations(
  config: WorkerConfig,
  metrics: WorkerMetrics,
  health: () => WorkerHealth,
): Promise<OperationsServer> {
  const { metricsText, contentType } = metrics
  return startOperations(config.opsHost, config.opsPort, { metricsText, contentType, health })
}

async function checkLog(admin: LogAdmin, pool: Pool, config: WorkerConfig): Promise<TopicDescription> {
  const topic = topics.reservationCommands
  const log = await requireTopic(admin, topic, config.partitions)
  await checkDeployment(pool, {
    topic,
    clusterId: log.clusterId,
    partitionCount: log.partitions,
    idKeyFingerprint: null,
  })
  return log
}

function openSink(
  config: WorkerConfig,
  metrics: WorkerMetrics,
  logger: Logger,
  closers: Closers,
): RedisSink<Slot, CommandOutcome> {
  const redis = connectRedis(config.redisUrl, {
    name: 'worker',
    logger,
    commandTimeoutMs: SINK_COMMAND_TIMEOUT_MS,
  })
  const replied = metrics.replies.with({ result: 'published' })
  const sink = createRedisSink<Slot, CommandOutcome>({
    redis,
    redisKey: redisNames.slot,
    toDocument: slotDocument,
    nowMs: scheduler.nowMs,
    observe: {
      dropped: (kind, count) => metrics.sinkDropped.with({ kind }).inc(count),
      replied: (count) => replied.inc(count),
    },
  })
  closers.add(() => redis.disconnect())
  closers.add(() => sink.close(SINK_CLOSE_TIMEOUT_MS))
  return sink
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
  const owns = (partition: number) => modes.get(partition) === 'running'
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
  const partitions = Object.fromEntries(modes)
  const all = [...modes.values()]
  if (state.stopping) return { status: 'stopping', partitions }
  if (!state.joined || all.includes('opening')) return { status: 'starting', partitions }
  return { status: all.includes('halted') ? 'degraded' : 'ready', partitions }
}
