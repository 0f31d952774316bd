/** What the adapters report, put into cells that are bound once. */
import type { CacheTier } from '@ironsys/cache'
import type { ProducerObserver } from '@ironsys/kafka'
import type { LimiterObserver } from '@ironsys/rate-limiter'
import type { ApiMetrics, CounterCell, Logger, SpanResult } from '@ironsys/telemetry'
import type { PageSource } from './slot-pages.ts'
import type { StreamEnd } from './stream.ts'
import type { StreamForm } from './stream-frames.ts'
import type { StreamObserver } from './stream-hub.ts'
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

export function pageObserver({ slotPages }: ApiMetrics): (source: PageSource) => void {
  const cells: Readonly<Record<PageSource, CounterCell>> = {
    memory: slotPages.with({ source: 'memory' }),
    store: slotPages.with({ source: 'store' }),
    stale: slotPages.with({ source: 'stale' }),
  }
  return (source) => cells[source].inc()
}

/** Logs the beginning and the end of an outage. */
export function limiterObserver(
  { rateLimitFetches, rateLimitsLocal }: Pick<ApiMetrics, 'rateLimitFetches' | 'rateLimitsLocal'>,
  logger: Logger,
): LimiterObserver {
  const cells = {
    granted: rateLimitFetches.with({ result: 'granted' }),
    refused: rateLimitFetches.with({ result: 'refused' }),
    failed: rateLimitFetches.with({ result: 'failed' }),
  }
  return {
    fetched: (result) => cells[result].inc(),
    changed(isLocal, err) {
      rateLimitsLocal.set(isLocal ? 1 : 0)
      if (isLocal) logger.warn({ err }, 'rate limits are local, a share of each: Redis does not answer')
      else logger.info({}, 'rate limits are shared again')
    },
  }
}

export function replyObserver({ replies }: ApiMetrics): (result: ReplyResult) => void {
  const cells: Readonly<Record<ReplyResult, CounterCell>> = {
    delivered: replies.with({ result: 'delivered' }),
    unclaimed: replies.with({ result: 'unclaimed' }),
    'timed-out': replies.with({ result: 'timed-out' }),
  }
  return (result) => cells[result].inc()
}

export function spanObserver({ traceSpans }: ApiMetrics): (result: SpanResult, spans: number) => void {
  const cells: Readonly<Record<SpanResult, CounterCell>> = {
    exported: traceSpans.with({ result: 'exported' }),
    failed: traceSpans.with({ result: 'failed' }),
    dropped: traceSpans.with({ result: 'dropped' }),
  }
  return (result, spans) => cells[result].inc(spans)
}

export function streamObserver({ streams, streamsEnded, streamsRefused }: StreamMetrics): StreamObserver {
  const ofForm = (form: StreamForm) => {
    const ended = (why: StreamEnd) => streamsEnded.with({ form, why })
    return {
      open: streams.with({ form }),
      ended: {
        client: ended('client'),
        gone: ended('gone'),
        draining: ended('draining'),
        stalled: ended('stalled'),
        silent: ended('silent'),
        unruly: ended('unruly'),
      } satisfies Record<StreamEnd, CounterCell>,
    }
  }
  const cells = { sse: ofForm('sse'), websocket: ofForm('websocket') } satisfies Record<StreamForm, unknown>
  const refused = {
    caller: streamsRefused.with({ limit: 'caller' }),
    process: streamsRefused.with({ limit: 'process' }),
  }
  return {
    opened: (form) => cells[form].open.inc(),
    closed(form, why) {
      cells[form].open.dec()
      cells[form].ended[why].inc()
    },
    refused: (limit) => refused[limit].inc(),
  }
}

type StreamMetrics = Pick<ApiMetrics, 'streams' | 'streamsEnded' | 'streamsRefused'>

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
