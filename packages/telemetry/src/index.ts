export type { CounterCell, Family, GaugeCell, HistogramCell } from './instruments.ts'
export { createLogger, type Logger, type LoggerOptions, type LogLevel } from './logger.ts'
export { type ApiMetrics, createMetrics, type WorkerMetrics } from './metrics.ts'
export { type MetricSpec, metricsTable } from './metrics-table.ts'
