import { expect, test } from 'vitest'
import { summarise } from './recovery.ts'

test('median and longest of each kind, and of settling for each fault', () => {
  const rows = summarise([
    { kind: 'worker-killed', fault: 'kill-worker', tookMs: 7000 },
    { kind: 'worker-killed', fault: 'kill-worker', tookMs: 5000 },
    { kind: 'worker-killed', fault: 'kill-worker', tookMs: 6000 },
    { kind: 'settled', fault: 'kill-worker', tookMs: 100 },
    { kind: 'settled', fault: 'cut-redis', tookMs: 200 },
  ])
  expect(rows.map(({ kind, count, medianMs, maxMs }) => [kind, count, medianMs, maxMs])).toEqual([
    ['worker-killed', 3, 6000, 7000],
    ['settled', 1, 100, 100],
    ['settled', 1, 200, 200],
  ])
  expect(rows[0]?.aimMs).toBe(8000)
  expect(rows[2]?.says).toMatch(/^cut-redis: /)
})

test('what never came back is the longest of all', () => {
  const [row] = summarise([
    { kind: 'database-commits', fault: 'kill-postgres', tookMs: null },
    { kind: 'database-commits', fault: 'kill-postgres', tookMs: 400 },
  ])
  expect(row).toMatchObject({ medianMs: 400, maxMs: Number.POSITIVE_INFINITY })
})
