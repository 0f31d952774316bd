/** The settings that this process follows while it runs, and what each part of it takes of them. */
import type { ConfigurableSnapshotCache, SnapshotCacheWindows } from '@ironsys/cache'
import type { Closers } from '@ironsys/lifecycle'
import { createPool } from '@ironsys/postgres'
import type { RateLimiter } from '@ironsys/rate-limiter'
import {
  createSettingsStore,
  environmentName,
  followSettings,
  type LiveSettings,
  type Settings,
  type SettingsObserver,
  type SettingsStore,
  STORE_TIMEOUT_MS,
  settingNames,
  settingsSchema,
} from '@ironsys/settings'
import type { ApiMetrics, Logger } from '@ironsys/telemetry'
import { type BreakerSettings, breakerSettings } from './breaker-config.ts'
import type { Breakers } from './breakers.ts'
import type { Config } from './config.ts'
import type { ApiOptions } from './deps.ts'
import { type ApiLimits, type LimitName, limitsOf } from './limit-config.ts'
import type { Shedder, ShedThresholds } from './shedder.ts'

export interface RuntimeSettings {
  readonly live: LiveSettings
  readonly store: SettingsStore
}

export interface RuntimeSettingsDeps {
  readonly metrics: Pick<ApiMetrics, 'settingsVersion' | 'settingsIgnoredVersion' | 'settingsLooks'>
  readonly logger: Logger
  readonly closers: Closers
  readonly clientId: string
}

/** One is for the looks, of which none shall wait behind an operator's change. */
const CONNECTIONS = 2

/** Throws when the store does not answer. The logger's level follows from here on. */
export async function connectSettings(
  config: Config,
  { metrics, logger, closers, clientId }: RuntimeSettingsDeps,
): Promise<RuntimeSettings> {
  const pool = createPool(config.DATABASE_URL, {
    applicationName: `${clientId}-settings`,
    maxConnections: CONNECTIONS,
    statementTimeoutMs: STORE_TIMEOUT_MS,
    connectTimeoutMs: STORE_TIMEOUT_MS,
  })
  closers.add(() => pool.end())
  const store = createSettingsStore(pool)
  const observer = settingsObserver(metrics, logger)
  const live = await followSettings({ store, observer, random: Math.random }, settingDefaults(config))
  closers.add(() => live.close())
  live.on(
    (now) => now.logLevel,
    (level) => {
      logger.level = level
    },
  )
  return { live, store }
}

export interface FollowingParts {
  readonly slots: Pick<ConfigurableSnapshotCache<unknown>, 'configure'>
  readonly limiter: Pick<RateLimiter<LimitName>, 'configure'>
  readonly breakers: Pick<Breakers, 'configure'>
  readonly shedder: Pick<Shedder, 'configure'>
}

/** Call before the parts are used. What is read anew for each request is not told. */
export function followParts(live: Pick<LiveSettings, 'on'>, parts: FollowingParts): void {
  live.on(cacheWindowsOf, (windows) => parts.slots.configure(windows))
  live.on(rateLimitsOf, (limits) => parts.limiter.configure(limits))
  live.on(breakersOf, (thresholds) => parts.breakers.configure(thresholds))
  live.on(sheddingOf, (thresholds) => parts.shedder.configure(thresholds))
}

/** What is read anew for each answer. */
export function appOptions(config: Config, instanceId: string, now: () => Settings): ApiOptions {
  return {
    partitions: config.PARTITIONS,
    instanceId,
    slowRequestMs: () => now().slowRequestMs,
    logOneOf: () => now().logOneOf,
    staleWhileRevalidateMs: () => now().cacheStaleWhileRevalidateMs,
    corsOrigins: config.CORS_ORIGINS,
  }
}

/** What the environment gives. */
export function settingDefaults(config: Config): Settings {
  const values: Readonly<Record<string, unknown>> = config
  return settingsSchema.parse(
    Object.fromEntries(settingNames.map((name) => [name, values[environmentName(name)]])),
  )
}

export function cacheWindowsOf(now: Settings): SnapshotCacheWindows {
  return {
    freshMs: now.cacheFreshMs,
    staleWhileRevalidateMs: now.cacheStaleWhileRevalidateMs,
    staleIfErrorMs: now.cacheStaleIfErrorMs,
    sharedFreshMs: now.cacheSharedFreshMs,
    negativeMs: now.cacheNegativeMs,
  }
}

export function rateLimitsOf(now: Settings): ApiLimits {
  return limitsOf({
    RATE_IP_PER_SECOND: now.rateIpPerSecond,
    RATE_IP_BURST: now.rateIpBurst,
    RATE_USER_PER_SECOND: now.rateUserPerSecond,
    RATE_USER_BURST: now.rateUserBurst,
    RATE_READING_PER_SECOND: now.rateReadingPerSecond,
    RATE_READING_BURST: now.rateReadingBurst,
    RATE_WRITING_PER_SECOND: now.rateWritingPerSecond,
    RATE_WRITING_BURST: now.rateWritingBurst,
    RATE_FINISHING_PER_SECOND: now.rateFinishingPerSecond,
    RATE_FINISHING_BURST: now.rateFinishingBurst,
  })
}

export function breakersOf(now: Settings): BreakerSettings {
  return breakerSettings({
    BREAKER_ERROR_PERCENT: now.breakerErrorPercent,
    BREAKER_VOLUME: now.breakerVolume,
    BREAKER_WINDOW_MS: now.breakerWindowMs,
    BREAKER_OPEN_MS: now.breakerOpenMs,
    BREAKER_KAFKA_SILENT_MS: now.breakerKafkaSilentMs,
    BREAKER_POSTGRES_SILENT_MS: now.breakerPostgresSilentMs,
    BREAKER_REDIS_SILENT_MS: now.breakerRedisSilentMs,
    BREAKER_KAFKA_CAPACITY: now.breakerKafkaCapacity,
    BREAKER_POSTGRES_CAPACITY: now.breakerPostgresCapacity,
    BREAKER_REDIS_CAPACITY: now.breakerRedisCapacity,
  })
}

export function sheddingOf(now: Settings): ShedThresholds {
  return {
    queueMessages: now.shedQueueMessages,
    loopDelayMs: now.shedLoopDelayMs,
    lagMs: now.shedLagMs,
    finishingFactor: now.shedFinishingFactor,
  }
}

/** In metrics and in the log of this process: one line per version, and one when an outage begins and ends. */
function settingsObserver(
  { settingsVersion, settingsIgnoredVersion, settingsLooks }: RuntimeSettingsDeps['metrics'],
  logger: Logger,
): SettingsObserver {
  const looks = {
    answered: settingsLooks.with({ result: 'answered' }),
    failed: settingsLooks.with({ result: 'failed' }),
  }
  return {
    looked: (isAnswered) => looks[isAnswered ? 'answered' : 'failed'].inc(),
    changed(to, changes) {
      settingsVersion.set(to?.version ?? 0)
      const fields = { version: to?.version ?? 0, by: to?.changedBy, note: to?.note, changes }
      logger.info(fields, 'settings changed')
    },
    ignored(version) {
      settingsIgnoredVersion.set(version?.version ?? 0)
      if (version === null) logger.info('the newest settings can be read again')
      else {
        const { version: number, changedBy: by, why } = version
        logger.error({ version: number, by, why }, 'the newest settings cannot be read here and are ignored')
      }
    },
    lost: (err) => logger.warn({ err }, 'the store of settings does not answer: what is in force stays so'),
    found: () => logger.info('the store of settings answers again'),
    failed: (err) => logger.error({ err }, 'a part of this process refuses its new settings'),
  }
}
