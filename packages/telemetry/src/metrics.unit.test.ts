import { expect, test } from 'vitest'
import { createMetrics } from './metrics.ts'
import { type MetricSpec, metricsTable } from './metrics-table.ts'

const specs: readonly MetricSpec[] = Object.values(metricsTable)

test('every metric of the table is exposed by an app, with its type and help, and nothing else of ours is', async () => {
  const texts = await Promise.all([createMetrics('api').metricsText(), createMetrics('worker').metricsText()])
  const exposed = new Set(texts.flatMap((text) => text.match(/^# HELP ironsys_\S+ .*$/gm) ?? []))
  expect(exposed).toEqual(new Set(specs.map((spec) => `# HELP ${spec.name} ${spec.help}`)))
  for (const spec of specs) {
    expect(texts.some((text) => text.includes(`# TYPE ${spec.name} ${spec.type}\n`))).toBe(true)
  }
})

test('the table keeps the conventions of names, labels and buckets', () => {
  expect(new Set(specs.map((spec) => spec.name)).size).toBe(specs.length)
  for (const spec of specs) {
    expect(spec.name).toMatch(/^ironsys_[a-z_]+$/)
    expect(spec.name.endsWith('_total')).toBe(spec.type === 'counter')
    expect(spec.buckets !== undefined).toBe(spec.type === 'histogram')
    expect(spec.buckets ?? []).toEqual([...(spec.buckets ?? [])].sort((a, b) => a - b))
  }
})

test('counters and gauges show what their cells hold; a bound cell is the same cell', async () => {
  const metrics = createMetrics('worker')
  const decided = metrics.commandsDecided.with({ topic: 't', code: 'ok' })
  decided.inc()
  metrics.commandsDecided.with({ code: 'ok', topic: 't' }).inc(41)
  metrics.partitionState.with({ topic: 't', partition: '3', state: 'running' }).set(1)
  metrics.haltedPartitions.inc(3)
  metrics.haltedPartitions.dec()
  const text = await metrics.metricsText()
  expect(text).toContain('ironsys_commands_decided_total{topic="t",code="ok"} 42\n')
  expect(text).toContain('ironsys_partition_state{topic="t",partition="3",state="running"} 1\n')
  expect(text).toContain('ironsys_halted_partitions 2\n')
  expect(text).toContain('ironsys_fenced_total 0\n')
})

test('a removed label set is not exposed any more', async () => {
  const metrics = createMetrics('worker')
  const labels = { topic: 't', partition: '3' }
  metrics.partitionLag.with(labels).set(7)
  metrics.partitionLag.remove(labels)
  expect(await metrics.metricsText()).not.toContain('ironsys_partition_lag_records{')
})

test('a histogram counts cumulatively, bounds included, and observeMany equals that many observations', async () => {
  const one = createMetrics('worker')
  const many = createMetrics('worker')
  for (const value of [0.001, 0.004, 0.004, 0.004, 99]) one.acceptedToCommittedSeconds.observe(value)
  many.acceptedToCommittedSeconds.observe(0.001)
  many.acceptedToCommittedSeconds.observeMany(0.004, 3)
  many.acceptedToCommittedSeconds.observeMany(99, 1)
  const lines = async (metrics: typeof one) =>
    (await metrics.metricsText()).split('\n').filter((line) => line.startsWith('ironsys_accepted'))
  const text = await lines(many)
  expect(text).toEqual(await lines(one))
  expect(text).toContain('ironsys_accepted_to_committed_seconds_bucket{le="0.001"} 1')
  expect(text).toContain('ironsys_accepted_to_committed_seconds_bucket{le="0.005"} 4')
  expect(text).toContain('ironsys_accepted_to_committed_seconds_bucket{le="60"} 4')
  expect(text).toContain('ironsys_accepted_to_committed_seconds_bucket{le="+Inf"} 5')
  expect(text).toContain('ironsys_accepted_to_committed_seconds_count 5')
})

test('labelled histograms keep their label sets apart', async () => {
  const metrics = createMetrics('worker')
  metrics.batchSeconds.with({ phase: 'decide' }).observe(0.002)
  metrics.batchSeconds.with({ phase: 'commit' }).observe(0.02)
  const text = await metrics.metricsText()
  expect(text).toContain('ironsys_batch_seconds_bucket{phase="decide",le="0.002"} 1\n')
  expect(text).toContain('ironsys_batch_seconds_bucket{phase="commit",le="0.002"} 0\n')
  expect(text).toContain('ironsys_batch_seconds_count{phase="commit"} 1\n')
})

test('process metrics are there', async () => {
  expect(await createMetrics('api').metricsText()).toContain('process_resident_memory_bytes')
})
