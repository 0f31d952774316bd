import { expect, test } from 'vitest'
import { bucketQuantile, bucketsBetween, quantile, readBuckets } from './quantiles.ts'

test('nearest rank', () => {
  const values = [5, 1, 4, 2, 3]
  expect([0, 0.5, 0.95, 1].map((share) => quantile(values, share))).toEqual([1, 3, 5, 5])
  expect(quantile([], 0.5)).toBeNull()
})

test('of a histogram: linear within its bucket', () => {
  const text = [
    'x_seconds_bucket{le="0.1"} 10',
    'x_seconds_bucket{le="0.2"} 30',
    'x_seconds_bucket{le="+Inf"} 40',
    'x_seconds_sum 1',
    'other_x_seconds_bucket{le="0.1"} 99',
  ].join('\n')
  const buckets = readBuckets(text, 'x_seconds')
  expect([...buckets]).toEqual([
    [0.1, 10],
    [0.2, 30],
    [Number.POSITIVE_INFINITY, 40],
  ])
  expect(bucketQuantile(buckets, 0.5)).toBeCloseTo(0.15)
  expect(bucketQuantile(buckets, 0.99)).toBe(0.2)
  expect(bucketQuantile(bucketsBetween(buckets, buckets), 0.5)).toBeNull()
})
