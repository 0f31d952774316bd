/** One API process: the public server and the operations port on real Kafka, Postgres and Redis. */
import { hash, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { connectRedisAt, redisReady } from '@ironsys/cache'
import { commandTopics, topics } from '@ironsys/contracts'
import { createDeadLetters, type DeadLetters, homePartition, redriveLimits } from '@ironsys/dead-letters'
import { createCommandProducer, createLogAdmin, type LogAdmin, requireTopic } from '@ironsys/kafka'
import { type Closers, listenFault, openService, type Service } from '@ironsys/lifecycle'
import { checkDeployment, createPool, registerIdKey } from '@ironsys/postgres'
import type { Settings } from '@ironsys/settings'
import { type ApiMetrics, createLogger, createTracing, type Logger, type Tracing } from '@ironsys/telemetry'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { openAuthenticator } from './authentication.ts'
import { breakerSettings } from './breaker-config.ts'
import { type Breakers, openBreakers } from './breakers.ts'
import { createAddressOf } from './client-address.ts'
import type { Config } from './config.ts'
import { createCursorCipher } from './cursor.ts'
import type { ApiDeps, DependencyName, DependencyState } from './deps.ts'
import { type HealthProbes, startHealthProbes } from './health-probes.ts'
import { createIdentity } from './identity.ts'
import { connectLimits, shownWith } from './limit-connection.ts'
import { connectLive } from './live.ts'
import { watchLoad } from './load-watch.ts'
import { produceObserver, spanObserver } from './metric-observers.ts'
import { buildOperations } from './operations.ts'
import { connectReplays } from './replay-connection.ts'
import { appOptions, connectSettings, followParts, type RuntimeSettings } from './runtime-settings.ts'
import { createSlotStreams } from './slot-streams.ts'
import { openStoreReads } from './store-reads.ts'
import { steadyNowMs } from './times.ts'
import { createWaitPlaces } from './wait-places.ts'

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
  let settings: RuntimeSettings | null = null
  const authenticator = openAuthenticator(config, { logger, closers, clientId })
  const auditLog = createLogger({ name: 'admin-audit', level: 'info' })
  const operations = buildOperations(
    {
      metrics,
      health,
      logger,
      authenticator,
      auditLog,
      deadLetters: () => deadLetters,
      settings: () => settings,
    },
    { instanceId },
  )
  closers.add(() => operations.close())
  const operationsPort = await listen(operations, config.OPS_HOST, config.OPS_PORT)

  settings = await connectSettings(config, { metrics, logger, closers, clientId })
  const now = settings.live.now
  const tracing = openTracing(config, { metrics, logger, closers, instanceId, now })
  const breakers = openBreakers({ metrics, logger }, breakerSettings(config))
  closers.add(() => breakers.close())
  const parts = await connectParts({ config, metrics, logger, closers, instanceId, clientId, breakers })
  const { reads, live, producer, clusterId } = parts
  const probes = openProbes(parts, { breakers, logger, closers })
  const limiter = await connectLimits(config, { metrics, logger, closers })
  health.states = () => shownWith(limiter, probes.states())
  deadLetters = connectDeadLetters(config, { clientId: `${clientId}-admin`, logger, closers })

  const closing = new AbortController()
  const { slots, arrivals, progress, waiting } = live
  const cursors = createCursorCipher(config.cursorKeys, clusterId)
  const identity = createIdentity(config.ID_KEY)
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
    waitPlaces: createWaitPlaces(config.WAITS_PER_CALLER),
    authenticator,
    auditLog,
    shedder: watchLoad(config, { producer, progress, metrics, logger, closers }),
    limiter,
    addressOf: createAddressOf(config.TRUSTED_PROXIES),
    health,
    metrics,
    logger,
    tracing,
    cursors,
    identity,
    replays: connectReplays(config, { identity, cursors, progress, metrics, logger, closers }),
    closing: closing.signal,
    nowMs: steadyNowMs,
  }
  followParts(settings.live, { slots, limiter, breakers, shedder: deps.shedder })
  const app = buildApp(deps, appOptions(config, instanceId, now))
  closers.add(async () => {
    health.stopping = true
    // Their clients come back elsewhere, or to one last snapshot here.
    slotStreams.drain()
    await closeGently(app, closing, config.DRAIN_MS)
  })
  return { port: await listen(app, config.HOST, config.PORT), operationsPort }
}

async function closeGently(app: FastifyInstance, closing: AbortController, drainMs: number): Promise<void> {
  // Balancers need a moment to see it: until then their requests are served, each on a connection that ends with it.
  if (drainMs > 0) await delay(drainMs)
  const cut = setTimeout(() => closing.abort(), WAITS_CUT_AFTER_MS)
  // A connection that was busy when the close began is kept alive by its client: it ends once it is answered.
  const sweep = setInterval(() => app.server.closeIdleConnections(), IDLE_SWEEP_MS)
  await app.close()
  clearInterval(sweep)
  clearTimeout(cut)
}

function openProbes(
  { reads, redis, admin }: Awaited<ReturnType<typeof connectParts>>,
  { breakers, logger, closers }: Pick<ConnectRequest, 'breakers' | 'logger' | 'closers'>,
): HealthProbes {
  const probes = startHealthProbes(
    {
      postgres: reads.ping,
      redis: () => breakers.redis.call(() => redis.ping()),
      kafka: () => admin.describe(topics.reservationCommands),
    },
    breakers,
    (dependency, state) => logger.warn({ dependency, state }, 'a dependency changed'),
  )
  closers.add(() => probes.close())
  return probes
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
  { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }: Config,
  {
    metrics,
    logger,
    closers,
    instanceId,
    now,
  }: Pick<ConnectRequest, 'metrics' | 'logger' | 'closers' | 'instanceId'> & { readonly now: () => Settings },
): Tracing | null {
  if (endpoint === '') return null
  const tracing = createTracing(
    { logger, observe: spanObserver(metrics), nowMs: () => Date.now(), random: Math.random },
    { service: 'ironsys-api', instanceId, endpoint, ratio: () => now().traceRatio },
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
  readonly breakers: Breakers
}

async function connectParts({
  config,
  metrics,
  logger,
  closers,
  instanceId,
  clientId,
  breakers,
}: ConnectRequest) {
  const kafka = { brokers: config.KAFKA_BROKERS, security: config.kafkaSecurity, clientId, logger }
  const breaker = breakers.postgres
  const { pool, reads } = openStoreReads(config.DATABASE_URL, { clientId, breaker, closers })
  await reads.ping()

  const admin = createLogAdmin(kafka)
  closers.add(() => admin.close())
  const clusterId = await checkLog(admin, config, pool)

  const redis = connectRedisAt(config.redis, { name: 'api', logger })
  closers.add(() => redis.disconnect())
  if (!(await redisReady(redis, REDIS_READY_MS))) throw new Error('Redis does not answer')
  const live = await connectLive({ config, instanceId, redis, reads, breakers, metrics, logger })
  closers.add(() => live.close())

  const producer = createCommandProducer(
    kafka,
    {},
    produceObserver(metrics, () => producer.outstanding),
    breakers.kafka,
  )
  closers.add(() => producer.close())
  await producer.connect()
  return { reads, redis, admin, live, producer, clusterId }
}

/** Connects at the first use: an operator's. Its producer gives up before the letter's row is let go. */
function connectDeadLetters(
  { DATABASE_URL, KAFKA_BROKERS, kafkaSecurity, PARTITIONS }: Config,
  { clientId, logger, closers }: Pick<ConnectRequest, 'clientId' | 'logger' | 'closers'>,
): DeadLetters {
  const pool = createPool(DATABASE_URL, { applicationName: clientId, maxConnections: ADMIN_CONNECTIONS })
  closers.add(() => pool.end())
  const kafka = { brokers: KAFKA_BROKERS, security: kafkaSecurity, clientId, logger }
  const log = createCommandProducer(kafka, redriveLimits)
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
