export {
  type Breaker,
  type BreakerDeps,
  type BreakerState,
  CallRefusedError,
  createBreaker,
  type Verdict,
} from './breaker.ts'
export {
  type Backoff,
  createRetryBudget,
  fullJitterMs,
  type RetryBudget,
  type RetryBudgetOptions,
  retryBudgetDefaults,
} from './retry.ts'
export { type BreakerThresholds, checkThresholds, defaultThresholds, thresholdBounds } from './thresholds.ts'
