/** A limiter on a Redis of the test's own, and what became of it. */
import { connectRedisAt, redisReady } from '@ironsys/cache'
import type { Bucket } from './bucket.ts'
import { createRateLimiter, type RateLimiter } from './limiter.ts'
import { createRedisTokens, tokenScripts } from './redis-tokens.ts'

export interface RedisLimiter {
  readonly limiter: RateLimiter<'ip'>
  /** Of each change whether it is local since. */
  readonly changes: boolean[]
  readonly fetches: string[]
  take(id: string, cost?: number): Promise<boolean>
  close(): void
}

interface RedisLimiterOptions {
  readonly cluster?: boolean
  readonly entriesMax?: number
  readonly timeoutMs?: number
}

const silent = { info() {}, warn() {} }

export async function connectLimiter(
  urls: readonly [string, ...string[]],
  bucket: Bucket,
  { cluster = false, entriesMax = 100_000, timeoutMs = 2000 }: RedisLimiterOptions = {},
): Promise<RedisLimiter> {
  const settings = { name: 'test-limits', logger: silent, commandTimeoutMs: timeoutMs, scripts: tokenScripts }
  const redis = connectRedisAt({ urls, cluster }, settings)
  if (!(await redisReady(redis, 20_000))) throw new Error('Redis does not answer')
  const changes: boolean[] = []
  const fetches: string[] = []
  const observer = {
    fetched: (result: string) => void fetches.push(result),
    changed: (isLocal: boolean) => void changes.push(isLocal),
  }
  const limiter = createRateLimiter<'ip'>(
    { source: createRedisTokens(redis), nowMs: () => performance.now(), observer },
    { limits: { ip: bucket }, localShare: 0.25, entriesMax },
  )
  return {
    limiter,
    changes,
    fetches,
    take: (id, cost = 1) => limiter.take([{ limit: 'ip', id }], cost),
    close() {
      limiter.close()
      redis.disconnect()
    },
  }
}
