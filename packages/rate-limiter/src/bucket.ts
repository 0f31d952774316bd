/** A token bucket: it fills at a rate up to its burst, and what is let through takes tokens out of it. */

export interface Bucket {
  /** Tokens that come back each second; above 0. */
  readonly ratePerSecond: number
  /** What it holds when it is full; at least 1. */
  readonly burst: number
}

/** The largest cost of one request, which is as far as a bucket can be overdrawn. */
export const COST_MAX = 1000

/**
 * How many tokens have to be there for `cost` to be taken. What costs more than the whole burst would never pass: half of
 * it is enough, and the rest is owed, so that nothing else passes until it came back.
 */
export function tokensNeeded({ burst }: Bucket, cost: number): number {
  return cost <= burst ? cost : burst / 2
}

/** What `tokens` (negative: owed) have become after `elapsedMs`. */
export function refilled({ ratePerSecond, burst }: Bucket, tokens: number, elapsedMs: number): number {
  return Math.min(burst, tokens + (ratePerSecond * Math.max(0, elapsedMs)) / 1000)
}

/** The same with a part of its rate and of its burst, of which one token at least is left. */
export function shareOf({ ratePerSecond, burst }: Bucket, share: number): Bucket {
  return { ratePerSecond: ratePerSecond * share, burst: Math.max(1, burst * share) }
}

/** Milliseconds until it holds `tokens`. */
export function waitMs(bucket: Bucket, held: number, tokens: number): number {
  return Math.max(0, ((tokens - held) / bucket.ratePerSecond) * 1000)
}
