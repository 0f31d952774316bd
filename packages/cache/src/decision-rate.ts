/** How fast a partition's writer decides, for the ETA of those who wait: what it can do, not what it was asked for. */

export interface DecisionRate {
  /** One committed batch. Times in Unix milliseconds; `firstTimeMs` is the log's, `nowMs` this process's. */
  add(decided: number, firstTimeMs: number, nowMs: number): void
  /** Commands per second, rounded; 0 before the first batch. */
  perSecond(): number
}

/** Batches weigh by the time they took: after this much work an old rate has lost 63 % of its weight. */
const MEMORY_MS = 1000

export function createDecisionRate(): DecisionRate {
  let rate = 0
  let lastCommitMs = 0
  return {
    add(decided, firstTimeMs, nowMs) {
      // Idle time does not count: work began with the batch's first record or with the commit before it.
      const busyMs = Math.max(1, nowMs - Math.max(lastCommitMs, Math.min(firstTimeMs, nowMs)))
      const weight = rate === 0 ? 1 : 1 - Math.exp(-busyMs / MEMORY_MS)
      rate += weight * ((decided * 1000) / busyMs - rate)
      lastCommitMs = nowMs
    },
    perSecond: () => Math.round(rate),
  }
}
