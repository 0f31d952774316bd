/**
 * Counters, gauges and histograms whose hot path is one addition: prom-client finds a label set by hashing it on
 * every call (about a microsecond), so callers bind a cell once and prom-client reads the cells when it is scraped.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { MetricSpec } from './metrics-table.ts'

export type LabelValues<L extends string> = Readonly<Record<L, string>>

export interface CounterCell {
  /** Adds `amount` (default 1, never negative). */
  inc(amount?: number): void
}

export interface GaugeCell {
  set(value: number): void
  inc(amount?: number): void
  dec(amount?: number): void
}

export interface HistogramCell {
  observe(value: number): void
  /** The same value `count` times, at the cost of one: what a batch knows of its records. */
  observeMany(value: number, count: number): void
}

/** A metric with labels: {@link Family.with} binds them. Keep the cell; the number of label sets must be bounded. */
export interface Family<L extends string, Cell> {
  with(labels: LabelValues<L>): Cell
  /** Forgets a label set: it is no longer exposed, and a cell bound before no longer counts. */
  remove(labels: LabelValues<L>): void
}

export function counterFamily<L extends string>(
  registry: Registry,
  spec: MetricSpec & { readonly labels: readonly L[] },
): Family<L, CounterCell> {
  const cells = createCells(spec.labels, () => new NumberCell())
  new Counter({
    ...promConfig(registry, spec),
    collect() {
      this.reset()
      for (const { labels, cell } of cells.all()) this.inc({ ...labels }, cell.value)
    },
  })
  return cells
}

export function gaugeFamily<L extends string>(
  registry: Registry,
  spec: MetricSpec & { readonly labels: readonly L[] },
): Family<L, GaugeCell> {
  const cells = createCells(spec.labels, () => new NumberCell())
  new Gauge({
    ...promConfig(registry, spec),
    collect() {
      this.reset()
      for (const { labels, cell } of cells.all()) this.set({ ...labels }, cell.value)
    },
  })
  return cells
}

export function histogramFamily<L extends string>(
  registry: Registry,
  spec: MetricSpec & { readonly labels: readonly L[]; readonly buckets: readonly number[] },
): Family<L, HistogramCell> {
  const cells = createCells(spec.labels, () => new BucketCell(spec.buckets))
  new ScrapedHistogram({ ...promConfig(registry, spec), buckets: [...spec.buckets] }, cells.all)
  return cells
}

function promConfig(registry: Registry, spec: MetricSpec) {
  return { name: spec.name, help: spec.help, labelNames: [...spec.labels], registers: [registry] }
}

interface Bound<Cell> {
  readonly labels: Readonly<Record<string, string>>
  readonly cell: Cell
}

interface Cells<L extends string, Cell> extends Family<L, Cell> {
  readonly all: () => Iterable<Bound<Cell>>
}

function createCells<L extends string, Cell>(names: readonly L[], make: () => Cell): Cells<L, Cell> {
  const bound = new Map<string, Bound<Cell>>()
  const keyOf = (labels: LabelValues<L>): string => names.map((name) => labels[name]).join('\0')
  return {
    with(labels) {
      const key = keyOf(labels)
      const known = bound.get(key)
      if (known !== undefined) return known.cell
      const made = { labels: Object.fromEntries(names.map((name) => [name, labels[name]])), cell: make() }
      bound.set(key, made)
      return made.cell
    },
    remove: (labels) => void bound.delete(keyOf(labels)),
    all: () => bound.values(),
  }
}

class NumberCell implements CounterCell, GaugeCell {
  value = 0

  inc(amount = 1): void {
    this.value += amount
  }

  dec(amount = 1): void {
    this.value -= amount
  }

  set(value: number): void {
    this.value = value
  }
}

class BucketCell implements HistogramCell {
  readonly counts: Float64Array
  sum = 0
  count = 0
  readonly #bounds: readonly number[]

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    this.observeMany(value, 1)
  }

  observeMany(value: number, count: number): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++
    this.counts[bucket] = (this.counts[bucket] ?? 0) + count
    this.sum += value * count
    this.count += count
  }
}

/** prom-client's histogram with its values taken from our cells. Buckets are cumulative in the exposition. */
class ScrapedHistogram extends Histogram {
  readonly #spec: { readonly name: string; readonly help: string; readonly buckets: readonly number[] }
  readonly #cells: () => Iterable<Bound<BucketCell>>

  constructor(
    config: ReturnType<typeof promConfig> & { readonly buckets: number[] },
    cells: () => Iterable<Bound<BucketCell>>,
  ) {
    super(config)
    this.#spec = config
    this.#cells = cells
  }

  /** What the registry calls to write text (not in prom-client's types; the exposition test holds it to it). */
  getForPromString() {
    const { name, help, buckets } = this.#spec
    const values = []
    for (const { labels, cell } of this.#cells()) {
      let seen = 0
      for (const [index, bound] of buckets.entries()) {
        seen += cell.counts[index] ?? 0
        values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: seen })
      }
      values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: cell.count })
      values.push({ metricName: `${name}_sum`, labels, value: cell.sum })
      values.push({ metricName: `${name}_count`, labels, value: cell.count })
    }
    return { name, help, type: 'histogram', values }
  }
}
