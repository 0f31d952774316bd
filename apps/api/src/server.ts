/** One API process: the public server and the operations port on real Kafka, Postgres and Redis. */
import { hash, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createBookingReads } from '@ironsys/bookings'
import { connectRedisAt, redisReady } from '@ironsys/cache'
import { commandTopics, topics } from '@ironsys/contracts'
import { createDeadLetters, type DeadLetters, homePartition, redriveLimits } from '@ironsys/dead-letters'
import { createCommandProducer, createLogAdmin, type LogAdmin, requireTopic } from '@ironsys/kafka'
import { type Closers, listenFault, openService, type Service } from '@ironsys/lifecycle'
import { checkDeployment, createPool, queryAll, registerIdKey } from '@ironsys/postgres'
import { createReservationReads, type RunStatement } from '@ironsys/reservations'
import { type ApiMetrics, createTracing, type Logger, type Tracing } from '@ironsys/telemetry'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import type { Config } from './config.ts'
import { createCursorCipher } from './cursor.ts'
import type { ApiDeps, DependencyName, DependencyState } from './deps.ts'
import { startHealthProbes } from './health-probes.ts'
import { createIdentity } from './identity.ts'
import { connectLive } from './live.ts'
import { produceObserver, spanObserver } from './metric-observers.ts'
import { buildOperations } from './operations.ts'
import { createSlotStreams } from './slot-streams.ts'
import { steadyNowMs } from './times.ts'

const READ_CONNECTIONS = 8
const ADMIN_CONNECTIONS = 2
const REDIS_READY_MS = 2000
/** Clients that wait for a decision get it, or what is known after this long. */
const WAITS_CUT_AFTER_MS = 3000
const IDLE_SWEEP_MS = 50

export interface Api extends Service {
  readonly port: number
  readonly operationsPort: number
}

/**
 * Throws {@link StartFault} or LogIdentityError for what no waiting repairs, and whatever a server that cannot be
 * reached leads to: the caller decides whether to try again.
 */
export async function startApi(config: Config, metrics: ApiMetrics, logger: Logger): Promise<Api> {
  return openService(
    (err) => logger.error({ err }, 'closing'),
    (closers) => wire(config, metrics, logger, closers),
  )
}

async function wire(
  config: Config,
  metrics: ApiMetrics,
  logger: Logger,
  closers: Closers,
): Promise<Omit<Api, 'close'>> {
  const instanceId = randomBytes(6).toString('hex')
  const clientId = `ironsys-api-${instanceId}`
  const health = createHealth()
  let deadLetters: DeadLetters | null = null
  const operations = buildOperations(
    { metrics, health, logger, deadLetters: () => deadLetters },
    { instanceId },
  )
  closers.add(() => operations.close())
  const operationsPort = await listen(operations, config.OPS_HOST, config.OPS_PORT)

  const tracing = openTracing(config, { metrics, logger, closers, instanceId })
  const parts = await connectParts({ config, metrics, logger, closers, instanceId, clientId })
  const { reads, redis, admin, live, producer, clusterId } = parts
  const probes = startHealthProbes(
    {
      postgres: reads.ping,
      redis: () => redis.ping(),
      kafka: () => admin.describe(topics.reservationCommands),
    },
    (dependency, state) => logger.warn({ dependency, state }, 'a dependency changed'),
  )
  closers.add(() => probes.close())
  health.states = probes.states
  deadLetters = connectDeadLetters(config, { clientId: `${clientId}-admin`, logger, closers })

  const closing = new AbortController()
  const { slots, arrivals, progress, waiting } = live
  const slotStreams = createSlotStreams(slots, metrics, {
    streams: config.STREAMS_MAX,
    streamsPerCaller: config.STREAMS_PER_CALLER,
  })
  const deps: ApiDeps = {
    log: producer,
    slots,
    slotStreams,
    arrivals,
    reads,
    progress,
    waiting,
    health,
    metrics,
    logger,
    tracing,
    cursors: createCursorCipher(config.cursorKeys, clusterId),
    identity: createIdentity(config.ID_KEY),
    closing: closing.signal,
    nowMs: steadyNowMs,
  }
  const app = buildApp(deps, {
    partitions: config.PARTITIONS,
    instanceId,
    slowRequestMs: config.SLOW_REQUEST_MS,
    logOneOf: config.LOG_ONE_OF,
  })
  closers.add(async () => {
    health.stopping = true
    // Their clients come back elsewhere, or to one last snapshot here.
    slotStreams.drain()
    // Balancers need a moment to see it: until then their requests are served, each on a connection that ends with it.
    if (config.DRAIN_MS > 0) await delay(config.DRAIN_MS)
    const cut = setTimeout(() => closing.abort(), WAITS_CUT_AFTER_MS)
    // A connection that was busy when the close began is kept alive by its client: it ends once it is answered.
    const sweep = setInterval(() => app.server.closeIdleConnections(), IDLE_SWEEP_MS)
    await app.close()
    clearInterval(sweep)
    clearTimeout(cut)
  })
  return { port: await listen(app, config.HOST, config.PORT), operationsPort }
}

/** Everything is down until it was reached. */
function createHealth() {
  const health = {
    states: (): Readonly<Record<DependencyName, DependencyState>> => {
      return { postgres: 'down', redis: 'down', kafka: 'down' }
    },
    stopping: false,
    dependencies: () => health.states(),
    draining: () => health.stopping,
  }
  return health
}

/** Closes after everything that makes spans. */
function openTracing(
  { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, TRACE_RATIO: ratio }: Config,
  {
    metrics,
    logger,
    closers,
    instanceId,
  }: Pick<ConnectRequest, 'metrics' | 'logger' | 'closers' | 'instanceId'>,
): Tracing | null {
  if (endpoint === '') return null
  const tracing = createTracing(
    { logger, observe: spanObserver(metrics), nowMs: () => Date.now(), random: Math.random },
    { service: 'ironsys-api', instanceId, endpoint, ratio },
  )
  closers.add(() => tracing.close())
  return tracing
}

interface ConnectRequest {
  readonly config: Config
  readonly metrics: ApiMetrics
  readonly logger: Logger
  readonly closers: Closers
  readonly instanceId: string
  readonly clientId: string
}

async function connectParts({ config, metrics, logger, closers, instanceId, clientId }: ConnectRequest) {
  const kafka = { brokers: config.KAFKA_BROKERS, clientId, logger }
  const pool = createPool(config.DATABASE_URL, {
    applicationName: clientId,
    maxConnections: READ_CONNECTIONS,
    readOnly: true,
  })
  closers.add(() => pool.end())
  const run: RunStatement = async (statement) => (await queryAll(pool, [statement]))[0] ?? []
  const reads: ApiDeps['reads'] = { ...createReservationReads(run), ...createBookingReads(run) }
  await reads.ping()

  const admin = createLogAdmin(kafka)
  closers.add(() => admin.close())
  const clusterId = await checkLog(admin, config, pool)

  const redis = connectRedisAt(config.redis, { name: 'api', logger })
  closers.add(() => redis.disconnect())
  if (!(await redisReady(redis, REDIS_READY_MS))) throw new Error('Redis does not answer')
  const live = await connectLive({ config, instanceId, redis, reads, metrics, logger })
  closers.add(() => live.close())

  const producer = createCommandProducer(
    kafka,
    {},
    produceObserver(metrics, () => producer.outstanding),
  )
  closers.add(() => producer.close())
  await producer.connect()
  return { reads, redis, admin, live, producer, clusterId }
}

/** Connects at the first use: an operator's. Its producer gives up before the letter's row is let go. */
function connectDeadLetters(
  { DATABASE_URL, KAFKA_BROKERS, PARTITIONS }: Config,
  { clientId, logger, closers }: Pick<ConnectRequest, 'clientId' | 'logger' | 'closers'>,
): DeadLetters {
  const pool = createPool(DATABASE_URL, { applicationName: clientId, maxConnections: ADMIN_CONNECTIONS })
  closers.add(() => pool.end())
  const log = createCommandProducer({ brokers: KAFKA_BROKERS, clientId, logger }, redriveLimits)
  closers.add(() => log.close())
  const home = (topic: string, value: Buffer) => homePartition(topic, value, PARTITIONS)
  return createDeadLetters({ pool, log, homePartition: home })
}

/** The log is the one that the database belongs to, and the id key the one its ids were made with. */
async function checkLog(
  admin: LogAdmin,
  config: Config,
  pool: ReturnType<typeof createPool>,
): Promise<string> {
  const partitionCount = config.PARTITIONS
  const { clusterId } = await requireTopic(admin, topics.reservationCommands, partitionCount)
  for (const topic of commandTopics) await requireTopic(admin, topic, partitionCount)
  const idKeyFingerprint = hash('sha256', `ironsys id key ${config.ID_KEY.toString('hex')}`, 'hex').slice(
    0,
    32,
  )
  const writing = createPool(config.DATABASE_URL, { applicationName: 'ironsys-api-start', maxConnections: 1 })
  try {
    await registerIdKey(writing, idKeyFingerprint)
  } finally {
    await writing.end()
  }
  for (const topic of commandTopics) {
    await checkDeployment(pool, { topic, clusterId, partitionCount, idKeyFingerprint })
  }
  return clusterId
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    throw listenFault(error, host, port)
  }
  const address = app.server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}
