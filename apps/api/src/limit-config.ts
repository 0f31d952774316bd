/** The part of the environment that is about rate limits. */
import type { Bucket, Limits } from '@ironsys/rate-limiter'
import { z } from 'zod'
import { isProxyName } from './client-address.ts'

/** Of endpoints there are three kinds; each endpoint has a bucket of its own of its kind's size. */
export type EndpointLimit = 'reading' | 'writing' | 'finishing'
export type LimitName = 'ip' | 'user' | EndpointLimit
export type ApiLimits = Limits<LimitName>

const tokens = z.coerce.number().min(0).max(100_000_000)
const rate = tokens.refine((value) => value === 0 || value >= 0.001, 'must be 0 (no limit) or at least 0.001')
const burst = tokens.min(1)

export const limitEnvironment = {
  RATE_IP_PER_SECOND: rate.default(500),
  RATE_IP_BURST: burst.default(2000),
  RATE_USER_PER_SECOND: rate.default(100),
  RATE_USER_BURST: burst.default(1000),
  RATE_READING_PER_SECOND: rate.default(200_000),
  RATE_READING_BURST: burst.default(400_000),
  RATE_WRITING_PER_SECOND: rate.default(50_000),
  RATE_WRITING_BURST: burst.default(100_000),
  RATE_FINISHING_PER_SECOND: rate.default(50_000),
  RATE_FINISHING_BURST: burst.default(100_000),
  /** Of each limit, in each process, while Redis is away. */
  RATE_LOCAL_SHARE: z.coerce.number().min(0.001).max(1).default(0.25),
  /** Addresses and users that are known to a process at a time, of each. */
  RATE_BUCKETS: z.coerce.number().int().min(1000).max(10_000_000).default(100_000),
  /** Whose `X-Forwarded-For` is believed: addresses and CIDRs, with commas. */
  TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((part) => part.trim() || []))
    .refine((names) => names.every(isProxyName), 'must be addresses or CIDRs, with commas'),
}

type RateSetting = Exclude<
  keyof typeof limitEnvironment,
  'RATE_LOCAL_SHARE' | 'RATE_BUCKETS' | 'TRUSTED_PROXIES'
>
export type RateSettings = { readonly [Name in RateSetting]: number }

/** A rate of 0 is no limit. */
export function limitsOf(settings: RateSettings): ApiLimits {
  return {
    ip: bucketOf(settings.RATE_IP_PER_SECOND, settings.RATE_IP_BURST),
    user: bucketOf(settings.RATE_USER_PER_SECOND, settings.RATE_USER_BURST),
    reading: bucketOf(settings.RATE_READING_PER_SECOND, settings.RATE_READING_BURST),
    writing: bucketOf(settings.RATE_WRITING_PER_SECOND, settings.RATE_WRITING_BURST),
    finishing: bucketOf(settings.RATE_FINISHING_PER_SECOND, settings.RATE_FINISHING_BURST),
  }
}

function bucketOf(ratePerSecond: number, size: number): Bucket | null {
  return ratePerSecond === 0 ? null : { ratePerSecond, burst: size }
}
