/** The rate limits of this process, shared with all others through Redis. */
import { connectRedisAt, redisReady } from '@ironsys/cache'
import type { Closers } from '@ironsys/lifecycle'
import { createRateLimiter, createRedisTokens, type RateLimiter, tokenScripts } from '@ironsys/rate-limiter'
import type { ApiMetrics, Logger } from '@ironsys/telemetry'
import type { Config } from './config.ts'
import type { DependencyName, DependencyState } from './deps.ts'
import { type LimitName, limitsOf } from './limit-config.ts'
import { limiterObserver } from './metric-observers.ts'
import { steadyNowMs } from './times.ts'

/** Who waits for tokens waits for so long at most: then Redis counts as away. */
const TOKENS_TIMEOUT_MS = 100
const REDIS_READY_MS = 2000

export interface LimitDeps {
  readonly metrics: ApiMetrics
  readonly logger: Logger
  readonly closers: Closers
}

/** On a connection of its own: a request must not wait for what the cache has asked for. */
export async function connectLimits(
  config: Config,
  { metrics, logger, closers }: LimitDeps,
): Promise<RateLimiter<LimitName>> {
  const redis = connectRedisAt(config.redis, {
    name: 'api-limits',
    logger,
    commandTimeoutMs: TOKENS_TIMEOUT_MS,
    scripts: tokenScripts,
  })
  closers.add(() => redis.disconnect())
  // If it is not, limits are local until it is.
  await redisReady(redis, REDIS_READY_MS)
  const limiter = createRateLimiter(
    {
      source: createRedisTokens(redis),
      nowMs: steadyNowMs,
      observer: limiterObserver(metrics, logger),
    },
    { limits: limitsOf(config), localShare: config.RATE_LOCAL_SHARE, entriesMax: config.RATE_BUCKETS },
  )
  closers.add(() => limiter.close())
  return limiter
}

/** Dependencies as health shows them: without shared limits, Redis is not all there, whatever a probe says. */
export function shownWith(
  limiter: Pick<RateLimiter<LimitName>, 'isLocal'>,
  states: Readonly<Record<DependencyName, DependencyState>>,
): Readonly<Record<DependencyName, DependencyState>> {
  return limiter.isLocal() && states.redis === 'up' ? { ...states, redis: 'degraded' } : states
}
