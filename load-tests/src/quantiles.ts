/** Quantiles of measured values and of Prometheus histograms. */

/** Nearest rank: the smallest value that `share` of all values do not exceed; null without values. */
export function quantile(values: readonly number[], share: number): number | null {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null
}

/** Cumulative counts by upper bound, ascending; the last bound is +Infinity. */
export type Buckets = ReadonlyMap<number, number>

/** The buckets of the one label set of a histogram in a Prometheus exposition. */
export function readBuckets(exposition: string, name: string): Buckets {
  const found = new Map<number, number>()
  for (const [, bound, count] of exposition.matchAll(
    new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\S+)$`, 'gm'),
  )) {
    found.set(bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound), Number(count))
  }
  return found
}

/** What was counted between two readings. */
export function bucketsBetween(before: Buckets, after: Buckets): Buckets {
  return new Map([...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)]))
}

/** As PromQL's histogram_quantile: linear within the bucket. Null without values; the last finite bound when beyond. */
export function bucketQuantile(buckets: Buckets, share: number): number | null {
  const rank = share * (buckets.get(Number.POSITIVE_INFINITY) ?? 0)
  if (rank === 0) return null
  let lowerBound = 0
  let below = 0
  for (const [bound, count] of buckets) {
    if (count >= rank) {
      if (bound === Number.POSITIVE_INFINITY) return lowerBound
      return lowerBound + ((bound - lowerBound) * (rank - below)) / (count - below)
    }
    lowerBound = bound
    below = count
  }
  return lowerBound
}
