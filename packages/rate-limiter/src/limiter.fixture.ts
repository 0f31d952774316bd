/** Shared buckets in memory, with a clock of the test's, that answer when the test wants and fail when it wants. */
import type { Bucket } from './bucket.ts'
import { createRateLimiter, type LimiterOptions, type RateLimiter } from './limiter.ts'
import { createMemoryTokens } from './memory-tokens.ts'
import type { Grant, TokenRequest, TokenSource } from './token-source.ts'

export class Clock {
  ms = 1_000_000
  readonly now = () => this.ms
}

export class ModelTokens implements TokenSource {
  readonly asked: TokenRequest[] = []
  /** What is asked for is held up until {@link answer} while true. */
  isSlow = false
  fault: Error | null = null
  readonly #buckets: TokenSource
  readonly #waiting: (() => void)[] = []

  constructor(clock: Clock) {
    this.#buckets = createMemoryTokens(clock.now)
  }

  async take(request: TokenRequest): Promise<Grant> {
    this.asked.push(request)
    if (this.isSlow) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (this.fault !== null) throw this.fault
    return this.#buckets.take(request)
  }

  /** Lets the oldest held-up request through; false when there is none. */
  answer(): boolean {
    const next = this.#waiting.shift()
    next?.()
    return next !== undefined
  }
}

export function createTestLimiter(
  source: TokenSource,
  clock: Clock,
  bucket: Bucket,
  options: Partial<LimiterOptions<'ip' | 'user'>> = {},
): RateLimiter<'ip' | 'user'> & { readonly changes: boolean[] } {
  const changes: boolean[] = []
  const observer = { fetched() {}, changed: (isLocal: boolean) => void changes.push(isLocal) }
  const limiter = createRateLimiter<'ip' | 'user'>(
    { source, nowMs: clock.now, observer },
    { limits: { ip: bucket, user: null }, localShare: 0.25, entriesMax: 1000, ...options },
  )
  return Object.assign(limiter, { changes })
}

/** All promises that can go on have gone on. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
