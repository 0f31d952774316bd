/** The metrics of one process: which of the table's each app has, and the text that Prometheus scrapes. */
import { collectDefaultMetrics, Registry } from 'prom-client'
import { counterFamily, gaugeFamily, histogramFamily } from './instruments.ts'
import { metricsTable as table } from './metrics-table.ts'

export type ApiMetrics = ReturnType<typeof createApiMetrics>
export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>

/**
 * Makes the metrics of one app in a registry of its own, with Node's process metrics beside them. Metrics without
 * labels are there as cells and start at 0; of the others, bind what the hot path needs once with `with(labels)`.
 */
export function createMetrics(app: 'api'): ApiMetrics
export function createMetrics(app: 'worker'): WorkerMetrics
export function createMetrics(app: 'api' | 'worker'): ApiMetrics | WorkerMetrics {
  return app === 'api' ? createApiMetrics() : createWorkerMetrics()
}

function createApiMetrics() {
  const registry = new Registry()
  return {
    ...exposition(registry),
    httpRequests: counterFamily(registry, table.httpRequests),
    httpSeconds: histogramFamily(registry, table.httpSeconds),
    produceBatchMessages: histogramFamily(registry, table.produceBatchMessages).with({}),
    produceSeconds: histogramFamily(registry, table.produceSeconds).with({}),
    produceQueueMessages: gaugeFamily(registry, table.produceQueueMessages).with({}),
    produceFailures: counterFamily(registry, table.produceFailures),
    breakerState: gaugeFamily(registry, table.breakerState),
    breakerChanges: counterFamily(registry, table.breakerChanges),
    breakerRefused: counterFamily(registry, table.breakerRefused),
    cacheReads: counterFamily(registry, table.cacheReads),
    streams: gaugeFamily(registry, table.streams),
    streamsEnded: counterFamily(registry, table.streamsEnded),
    streamsRefused: counterFamily(registry, table.streamsRefused),
    slotPages: counterFamily(registry, table.slotPages),
    shed: counterFamily(registry, table.shed),
    shedShare: gaugeFamily(registry, table.shedShare),
    shedPressure: gaugeFamily(registry, table.shedPressure),
    replayRecords: counterFamily(registry, table.replayRecords),
    rateLimited: counterFamily(registry, table.rateLimited),
    rateLimitFetches: counterFamily(registry, table.rateLimitFetches),
    rateLimitsLocal: gaugeFamily(registry, table.rateLimitsLocal).with({}),
    traceSpans: counterFamily(registry, table.traceSpans),
    settingsVersion: gaugeFamily(registry, table.settingsVersion).with({}),
    settingsIgnoredVersion: gaugeFamily(registry, table.settingsIgnoredVersion).with({}),
    settingsLooks: counterFamily(registry, table.settingsLooks),
    replies: counterFamily(registry, table.replies),
  }
}

function createWorkerMetrics() {
  const registry = new Registry()
  return {
    ...exposition(registry),
    commandsDecided: counterFamily(registry, table.commandsDecided),
    batchRecords: histogramFamily(registry, table.batchRecords).with({}),
    batchSeconds: histogramFamily(registry, table.batchSeconds),
    acceptedToCommittedSeconds: histogramFamily(registry, table.acceptedToCommittedSeconds).with({}),
    partitionState: gaugeFamily(registry, table.partitionState),
    partitionLag: gaugeFamily(registry, table.partitionLag),
    fenced: counterFamily(registry, table.fenced).with({}),
    haltedPartitions: gaugeFamily(registry, table.haltedPartitions).with({}),
    deadLetters: counterFamily(registry, table.deadLetters),
    wakes: counterFamily(registry, table.wakes),
    holdsExpired: counterFamily(registry, table.holdsExpired),
    outboxPending: gaugeFamily(registry, table.outboxPending),
    replies: counterFamily(registry, table.replies),
    sinkDropped: counterFamily(registry, table.sinkDropped),
    auditChecked: counterFamily(registry, table.auditChecked).with({}),
    auditFindings: counterFamily(registry, table.auditFindings),
    auditFailures: counterFamily(registry, table.auditFailures).with({}),
    auditSeconds: histogramFamily(registry, table.auditSeconds).with({}),
    auditLastSuccess: gaugeFamily(registry, table.auditLastSuccess).with({}),
    auditRoundSeconds: gaugeFamily(registry, table.auditRoundSeconds).with({}),
  }
}

function exposition(registry: Registry) {
  collectDefaultMetrics({ register: registry })
  return {
    /** The exposition, to be served with {@link contentType}. */
    metricsText: (): Promise<string> => registry.metrics(),
    contentType: registry.contentType,
  }
}
