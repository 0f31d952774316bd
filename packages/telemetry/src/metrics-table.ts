/**
 * Every metric there is: its name, help, type, labels and buckets. docs and dashboards name these; nothing else in
 * the code does. Units are in the names, as Prometheus wants them: seconds, never milliseconds.
 */

import { settingsMetrics } from './settings-metrics.ts'

export interface MetricSpec {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  /** Upper bounds, ascending; histograms only. */
  readonly buckets?: readonly number[]
}

/** Fine between 1 ms and 250 ms, where the promises of the path lie. */
const latencySeconds = [
  0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5,
  1, 2.5, 5, 10, 30, 60,
] as const

const sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] as const

export const metricsTable = {
  httpRequests: {
    name: 'ironsys_http_requests_total',
    help: 'HTTP requests answered, by route pattern, method and status code.',
    type: 'counter',
    labels: ['route', 'method', 'status'],
  },
  httpSeconds: {
    name: 'ironsys_http_request_seconds',
    help: 'Time from the request to its answer, by route pattern.',
    type: 'histogram',
    labels: ['route'],
    buckets: latencySeconds,
  },
  produceBatchMessages: {
    name: 'ironsys_produce_batch_messages',
    help: 'Commands per produce request to the log.',
    type: 'histogram',
    labels: [],
    buckets: sizes,
  },
  produceSeconds: {
    name: 'ironsys_produce_seconds',
    help: 'Time of one produce request until the log acknowledged it (acks=all).',
    type: 'histogram',
    labels: [],
    buckets: latencySeconds,
  },
  produceQueueMessages: {
    name: 'ironsys_produce_queue_messages',
    help: 'Commands that wait to be produced.',
    type: 'gauge',
    labels: [],
  },
  produceFailures: {
    name: 'ironsys_produce_failures_total',
    help: 'Commands that were not acknowledged, by reason: overloaded, unavailable, outcome-unknown.',
    type: 'counter',
    labels: ['reason'],
  },
  ...settingsMetrics,
  commandsDecided: {
    name: 'ironsys_commands_decided_total',
    help: 'Commands whose decision is committed, by topic and outcome code (ok or the reason of the rejection).',
    type: 'counter',
    labels: ['topic', 'code'],
  },
  batchRecords: {
    name: 'ironsys_batch_records',
    help: 'Log records per committed batch.',
    type: 'histogram',
    labels: [],
    buckets: sizes,
  },
  batchSeconds: {
    name: 'ironsys_batch_seconds',
    help: 'Time of one batch in each phase: prefetch, decide, commit.',
    type: 'histogram',
    labels: ['phase'],
    buckets: latencySeconds,
  },
  acceptedToCommittedSeconds: {
    name: 'ironsys_accepted_to_committed_seconds',
    help: "From a command's log append time (the broker's clock) to its known commit (the worker's clock).",
    type: 'histogram',
    labels: [],
    buckets: latencySeconds,
  },
  partitionState: {
    name: 'ironsys_partition_state',
    help: "1 for the state that this process's writer of a partition is in.",
    type: 'gauge',
    labels: ['topic', 'partition', 'state'],
  },
  partitionLag: {
    name: 'ironsys_partition_lag_records',
    help: 'Log records of a partition that are not yet decided.',
    type: 'gauge',
    labels: ['topic', 'partition'],
  },
  fenced: {
    name: 'ironsys_fenced_total',
    help: 'Times a writer found that another one had moved its partition on.',
    type: 'counter',
    labels: [],
  },
  haltedPartitions: {
    name: 'ironsys_halted_partitions',
    help: 'Partitions that stopped for an operator to look at. Anything above 0 is an alert.',
    type: 'gauge',
    labels: [],
  },
  deadLetters: {
    name: 'ironsys_dead_letters_total',
    help: 'Log records put into dead_letters, by topic and code: malformed, misrouted, data-error.',
    type: 'counter',
    labels: ['topic', 'code'],
  },
  wakes: {
    name: 'ironsys_wakes_total',
    help: 'Wakes that the log took: commands by which a writer makes itself look at what is due, by topic.',
    type: 'counter',
    labels: ['topic'],
  },
  holdsExpired: {
    name: 'ironsys_holds_expired_total',
    help: 'Holds whose expiry is committed, by partition of reservations.commands.',
    type: 'counter',
    labels: ['partition'],
  },
  outboxPending: {
    name: 'ironsys_outbox_pending_events',
    help: 'Committed events that are not yet known to be published, with the commands that follow from them.',
    type: 'gauge',
    labels: ['topic', 'partition'],
  },
  breakerState: {
    name: 'ironsys_breaker_state',
    help: 'Circuit breaker of a dependency (kafka, postgres, redis): 0 closed, 1 half-open, 2 open.',
    type: 'gauge',
    labels: ['dependency'],
  },
  breakerChanges: {
    name: 'ironsys_breaker_changes_total',
    help: 'Changes of a circuit breaker, by dependency and what it became: closed, half-open, open.',
    type: 'counter',
    labels: ['dependency', 'to'],
  },
  breakerRefused: {
    name: 'ironsys_breaker_refused_total',
    help: 'Calls that a circuit breaker refused: open (the dependency is out), full (too many calls under way).',
    type: 'counter',
    labels: ['dependency', 'why'],
  },
  cacheReads: {
    name: 'ironsys_cache_reads_total',
    help: 'Snapshot reads by the tier that answered: l1, l2, l3, stale (fallback), negative (known to be missing).',
    type: 'counter',
    labels: ['tier'],
  },
  slotPages: {
    name: 'ironsys_slot_pages_total',
    help: 'Pages of GET /slots by where they came from: memory, store, stale (the store could not be asked).',
    type: 'counter',
    labels: ['source'],
  },
  streams: {
    name: 'ironsys_streams',
    help: 'Streams of slots that are open, by form: sse, websocket.',
    type: 'gauge',
    labels: ['form'],
  },
  streamsEnded: {
    name: 'ironsys_streams_ended_total',
    help: 'Streams that ended, by form and why: client, gone, draining, stalled, silent, unruly.',
    type: 'counter',
    labels: ['form', 'why'],
  },
  streamsRefused: {
    name: 'ironsys_streams_refused_total',
    help: 'Streams that were refused, by the limit that was reached: caller, process.',
    type: 'counter',
    labels: ['limit'],
  },
  shed: {
    name: 'ironsys_shed_total',
    help: 'Commands refused with 503 overloaded before anything was done for them, by reason (produce-queue, event-loop, worker-lag) and class (new, finishing).',
    type: 'counter',
    labels: ['reason', 'class'],
  },
  shedShare: {
    name: 'ironsys_shed_share',
    help: 'The share of the commands of a class that is being refused, 0 to 1.',
    type: 'gauge',
    labels: ['class'],
  },
  shedPressure: {
    name: 'ironsys_shed_pressure',
    help: 'How high what load shedding looks at is, in parts of its threshold, by reason: from 1 on, if it stays, commands are refused.',
    type: 'gauge',
    labels: ['reason'],
  },
  replayRecords: {
    name: 'ironsys_replay_records_total',
    help: 'Looks for the record of a keyed request: found, none, failed (no answer from Redis in time), skipped (Redis is left alone after that).',
    type: 'counter',
    labels: ['result'],
  },
  rateLimited: {
    name: 'ironsys_rate_limited_total',
    help: 'Requests refused with 429 rate-limited, by the limit that was reached: ip, user, endpoint.',
    type: 'counter',
    labels: ['limit'],
  },
  rateLimitFetches: {
    name: 'ironsys_rate_limit_fetches_total',
    help: 'Batches of tokens asked for at Redis: granted, refused (none were left), failed (Redis did not answer).',
    type: 'counter',
    labels: ['result'],
  },
  rateLimitsLocal: {
    name: 'ironsys_rate_limits_local',
    help: '1 while Redis cannot be asked for tokens: this process then grants a share of each limit by itself.',
    type: 'gauge',
    labels: [],
  },
  replies: {
    name: 'ironsys_replies_total',
    help: 'Decisions sent to waiting clients: published by the worker; at the API delivered, unclaimed or timed-out.',
    type: 'counter',
    labels: ['result'],
  },
  traceSpans: {
    name: 'ironsys_trace_spans_total',
    help: 'Spans of traced requests: exported, failed (the collector did not take them), dropped (beyond a bound).',
    type: 'counter',
    labels: ['result'],
  },
  sinkDropped: {
    name: 'ironsys_sink_dropped_total',
    help: 'What Redis was too slow or too dead to take, by kind: snapshot, reply, progress.',
    type: 'counter',
    labels: ['kind'],
  },
  auditChecked: {
    name: 'ironsys_audit_checked_total',
    help: 'Slots that the continuous auditor compared with their ledgers.',
    type: 'counter',
    labels: [],
  },
  auditFindings: {
    name: 'ironsys_audit_findings_total',
    help: 'Things that the continuous auditor found, each counted once, by check. Anything above 0 is an alert.',
    type: 'counter',
    labels: ['check'],
  },
  auditFailures: {
    name: 'ironsys_audit_failures_total',
    help: 'Looks of the continuous auditor that failed, mostly because the database did not answer in time.',
    type: 'counter',
    labels: [],
  },
  auditSeconds: {
    name: 'ironsys_audit_seconds',
    help: 'Time of one look of the continuous auditor at one slot.',
    type: 'histogram',
    labels: [],
    buckets: latencySeconds,
  },
  auditLastSuccess: {
    name: 'ironsys_audit_last_success_timestamp_seconds',
    help: 'When the continuous auditor last finished a look, Unix time; 0 before the first.',
    type: 'gauge',
    labels: [],
  },
  auditRoundSeconds: {
    name: 'ironsys_audit_round_seconds',
    help: 'How long the last whole round of the continuous auditor through all slots took: none is older unaudited.',
    type: 'gauge',
    labels: [],
  },
} as const satisfies Record<string, MetricSpec>
