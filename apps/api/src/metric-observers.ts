/** What the adapters report, put into cells that are bound once. */
import type { CacheTier } from '@ironsys/cache'
import type { ProducerObserver } from '@ironsys/kafka'
import type { ApiMetrics, CounterCell } from '@ironsys/telemetry'
import type { ReplyResult } from './waiting.ts'

export function cacheObserver({ cacheReads }: ApiMetrics): (tier: CacheTier) => void {
  const cells: Readonly<Record<CacheTier, CounterCell>> = {
    l1: cacheReads.with({ tier: 'l1' }),
    l2: cacheReads.with({ tier: 'l2' }),
    l3: cacheReads.with({ tier: 'l3' }),
    stale: cacheReads.with({ tier: 'stale' }),
    negative: cacheReads.with({ tier: 'negative' }),
  }
  return (tier) => cells[tier].inc()
}

export function replyObserver({ replies }: ApiMetrics): (result: ReplyResult) => void {
  const cells: Readonly<Record<ReplyResult, CounterCell>> = {
    delivered: replies.with({ result: 'delivered' }),
    unclaimed: replies.with({ result: 'unclaimed' }),
    'timed-out': replies.with({ result: 'timed-out' }),
  }
  return (result) => cells[result].inc()
}

export function produceObserver(metrics: ApiMetrics, outstanding: () => number): ProducerObserver {
  const { produceFailures } = metrics
  const failures = {
    overloaded: produceFailures.with({ reason: 'overloaded' }),
    unavailable: produceFailures.with({ reason: 'unavailable' }),
    unknown: produceFailures.with({ reason: 'outcome-unknown' }),
  }
  return {
    request: ({ messages, durationMs }) => {
      metrics.produceBatchMessages.observe(messages)
      metrics.produceSeconds.observe(durationMs / 1000)
      metrics.produceQueueMessages.set(outstanding())
    },
    rejected: (reason) => failures[reason].inc(),
  }
}
