/** What this instance hears over Redis, and the views that live from it: snapshots, progress, replies. */
import {
  type ConfigurableSnapshotCache,
  connectSubscription,
  createLiveSubscriber,
  createSnapshotCache,
  type RedisConnection,
  readProgress,
} from '@ironsys/cache'
import {
  commandTopics,
  readOutcome,
  redisNames,
  type SlotDocument,
  slotDocumentSchema,
} from '@ironsys/contracts'
import type { ApiMetrics, Logger } from '@ironsys/telemetry'
import { type Arrivals, createArrivals } from './arrivals.ts'
import type { Breakers } from './breakers.ts'
import { snapshotCacheOptions } from './cache-config.ts'
import type { Config } from './config.ts'
import type { ReservationReads } from './deps.ts'
import { cacheObserver, replyObserver } from './metric-observers.ts'
import { createProgressView, type ProgressView } from './progress.ts'
import { steadyNowMs } from './times.ts'
import { createWaiting, type Waiting } from './waiting.ts'

export interface Live {
  readonly slots: ConfigurableSnapshotCache<SlotDocument>
  readonly arrivals: Arrivals
  readonly progress: ProgressView
  readonly waiting: Waiting
  close(): void
}

export interface LiveDeps {
  readonly config: Config
  readonly instanceId: string
  /** For commands; the subscription gets a connection of its own. */
  readonly redis: RedisConnection
  readonly reads: ReservationReads
  readonly breakers: Pick<Breakers, 'postgres' | 'redis'>
  readonly metrics: ApiMetrics
  readonly logger: Logger
}

const SUBSCRIBED_WITHIN_MS = 2000

/** Throws when Redis does not let us subscribe in time. */
export async function connectLive({
  config,
  instanceId,
  redis,
  reads,
  breakers,
  metrics,
  logger,
}: LiveDeps): Promise<Live> {
  const slots = createSnapshotCache<SlotDocument>({
    redis,
    redisBreaker: breakers.redis,
    redisKey: redisNames.slot,
    load: reads.slot,
    parse: readSlotDocument,
    toBody: (document) => JSON.stringify({ ...document, from_cache: true, stale: false }),
    nowMs: steadyNowMs,
    observe: cacheObserver(metrics),
    options: snapshotCacheOptions(config),
  })
  const progress = createProgressView({
    topics: commandTopics,
    partitions: config.PARTITIONS,
    read: reads.progress,
    nowMs: steadyNowMs,
  })
  const waiting = createWaiting(
    instanceId,
    replyObserver(metrics),
    () => breakers.postgres.state() === 'closed',
  )
  const arrivals = createArrivals()
  await progress.load()

  const setLive = (live: boolean) => {
    slots.setLive(live)
    progress.setLive(live)
    waiting.setLive(live)
  }
  /** What was announced while nobody listened. The rates come with it; the store has only the offsets. */
  const catchUp = async () => {
    for (const topic of commandTopics) {
      const published = await readProgress(redis, topic, config.PARTITIONS)
      for (const each of published) progress.apply(each)
    }
  }
  const subscriber = createLiveSubscriber<SlotDocument>({
    redis: connectSubscription(config.redis, { name: 'api-live', logger }),
    instanceId,
    parseDocument: readSlotDocument,
    onSnapshots: (announcements) => {
      slots.apply(announcements)
      arrivals.announced(announcements.map(({ key }) => key))
    },
    onReplies: (replies) => {
      for (const { to, outcome } of replies) {
        const read = readReply(outcome)
        if (read === null) logger.warn({ to }, 'a reply could not be read')
        else waiting.deliver(to, read)
      }
    },
    onProgress: progress.apply,
    onLost: () => setLive(false),
    onRestored: () => {
      setLive(true)
      catchUp().catch((err: unknown) => logger.warn({ err }, 'published progress could not be read'))
    },
    onUnreadable: (channel) => logger.warn({ channel }, 'a message could not be read'),
  })
  if (!(await subscriber.ready(SUBSCRIBED_WITHIN_MS))) {
    subscriber.close()
    throw new Error('Redis does not answer the subscription')
  }
  return { slots, arrivals, progress, waiting, close: () => subscriber.close() }
}

function readSlotDocument(document: unknown): SlotDocument | null {
  return slotDocumentSchema.safeParse(document).data ?? null
}

function readReply(outcome: unknown) {
  try {
    return readOutcome(outcome)
  } catch {
    return null
  }
}
