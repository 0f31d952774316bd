import { expect, test } from 'vitest'
import { readCounters } from './counters.ts'

test('every label set of the one metric that was asked for', () => {
  const text = [
    '# TYPE reads_total counter',
    'reads_total{tier="l1",app="api"} 12',
    'reads_total{tier="l2"} 3',
    'other_reads_total{tier="l1"} 99',
    'reads_total_seconds 99',
    'plain_total 7',
  ].join('\n')
  expect(readCounters(text, 'reads_total')).toEqual([
    { labels: { tier: 'l1', app: 'api' }, value: 12 },
    { labels: { tier: 'l2' }, value: 3 },
  ])
  expect(readCounters(text, 'plain_total')).toEqual([{ labels: {}, value: 7 }])
})
