/** The shared buckets in Redis: one key each, one script call for each batch of tokens. */
import type { Result } from 'ioredis'
import { COST_MAX } from './bucket.ts'
import type { TokenSource } from './token-source.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    /** Key, rate per second, burst, want, least: what was granted, and what is left as decimal text. */
    takeTokens(
      key: string,
      ratePerSecond: number,
      burst: number,
      want: number,
      least: number,
    ): Result<[granted: number, left: string], Context>
  }
}

/** A connection that was given {@link tokenScripts} has it. */
export interface TokenRedis {
  takeTokens(
    key: string,
    ratePerSecond: number,
    burst: number,
    want: number,
    least: number,
  ): Promise<readonly [granted: number, left: string]>
}

/**
 * A bucket is the moment at which it is full again, in microseconds of Redis's own clock, and expires then: no key is a
 * full bucket. It is owed `COST_MAX` beyond its burst at most; more is from a limit that was lower or a clock that was ahead,
 * and is written down to that at once: else it would be as much at each look until its own time came.
 * Rounded so that there is never a token too many.
 */
const takeTokensLua = `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local perToken = 1000000 / tonumber(ARGV[1])
local burst, want, least = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local missing = math.max(0, (tonumber(redis.call('GET', KEYS[1])) or 0) - now)
local most = (burst + ${COST_MAX}) * perToken
local isTooMuch = missing > most
missing = math.min(missing, most)
local tokens = burst - missing / perToken
local needed = least
if least > burst then needed = burst / 2 end
local granted = 0
if want > 0 and tokens >= needed then
  granted = math.max(least, math.min(want, math.floor(tokens)))
  missing = missing + granted * perToken
end
if granted > 0 or isTooMuch then
  redis.call('SET', KEYS[1], string.format('%.0f', math.ceil(now + missing)), 'PX', math.ceil(missing / 1000))
end
return { granted, string.format('%.3f', burst - missing / perToken) }
`

/** For the options of the connection. */
export const tokenScripts = { takeTokens: { lua: takeTokensLua, numberOfKeys: 1 } } as const

/** The connection's command time-out is how long an answer is waited for. */
export function createRedisTokens(redis: TokenRedis): TokenSource {
  return {
    async take({ key, bucket, want, least }) {
      const { ratePerSecond, burst } = bucket
      const [granted, left] = await redis.takeTokens(redisKey(key), ratePerSecond, burst, want, least)
      return { granted, left: Number(left) }
    },
  }
}

/** With a hash tag, as all keys have. */
function redisKey(key: string): string {
  return `ironsys:{limit:${key}}`
}
