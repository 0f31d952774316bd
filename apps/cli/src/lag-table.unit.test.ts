import { expect, test } from 'vitest'
import { lagTable } from './lag-table.ts'

test('shows each partition and the sum', () => {
  const rows = [
    { partition: 0, end: 120, decided: 100, group: 90, ageSeconds: 0.25 },
    { partition: 1, end: 3, decided: 3, group: null, ageSeconds: null },
  ]
  expect(lagTable('reservations.commands', rows, 1234.5)).toBe(
    [
      'reservations.commands: 20 behind, 1235 decided/s',
      '',
      'partition  log end  decided  lag  group  last decision',
      '        0      120      100   20     90      0.3 s ago',
      '        1        3        3    0      -          never',
    ].join('\n'),
  )
})

test('has no rate before there are two measurements', () => {
  expect(lagTable('t', [], null)).toMatch(/^t: 0 behind\n/)
})
