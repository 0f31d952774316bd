export { addressKey } from './address.ts'
export { type Bucket, COST_MAX } from './bucket.ts'
export type { Answer } from './lease.ts'
export {
  createRateLimiter,
  FETCHES_MAX,
  LEASE_TOKENS_MAX,
  type LimiterDeps,
  type LimiterObserver,
  type LimiterOptions,
  type LimitKey,
  type Limits,
  PROBE_MS,
  type RateLimiter,
  type Standing,
} from './limiter.ts'
export { createMemoryTokens } from './memory-tokens.ts'
export { createRedisTokens, type TokenRedis, tokenScripts } from './redis-tokens.ts'
export type { Grant, TokenRequest, TokenSource } from './token-source.ts'
