/** When something is tried again. Only what is safe to repeat, and never more than a share of what is asked anyway. */

export interface Backoff {
  /** The bound of the first wait and of the longest, milliseconds; doubles in between. */
  readonly firstMs: number
  readonly longestMs: number
}

/**
 * How long to wait before a retry, milliseconds: anything from 0 to the bound, "full jitter", which spreads those that
 * failed together best (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). `retries`: those
 * made before, 0 for the first; `random`: from 0 to 1.
 */
export function fullJitterMs(retries: number, { firstMs, longestMs }: Backoff, random: () => number): number {
  return random() * Math.min(longestMs, firstMs * 2 ** retries)
}

export interface RetryBudgetOptions {
  /** Retries per first attempt: 0.1 lets the load grow by a tenth. */
  readonly share: number
  /** Retries a second that are always there: few first attempts would otherwise allow none. */
  readonly perSecond: number
  /** What is saved up at most. */
  readonly most: number
}

export const retryBudgetDefaults: RetryBudgetOptions = { share: 0.1, perSecond: 10, most: 100 }

/** A token bucket; full at first. */
export interface RetryBudget {
  /** A first attempt was made. */
  earn(): void
  /** Whether a retry may be made now; takes it out of the budget. */
  spend(): boolean
}

/** `nowMs` is monotonic. */
export function createRetryBudget(
  nowMs: () => number,
  { share, perSecond, most }: RetryBudgetOptions = retryBudgetDefaults,
): RetryBudget {
  let saved = most
  let countedMs = nowMs()
  const save = (amount: number): void => {
    saved = Math.min(most, saved + amount)
  }
  return {
    earn: () => save(share),
    spend() {
      const now = nowMs()
      save(((now - countedMs) * perSecond) / 1000)
      countedMs = now
      if (saved < 1) return false
      saved--
      return true
    },
  }
}
