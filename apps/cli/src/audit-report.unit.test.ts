/** What an operator is shown before and after a repair. */
import type { AuditReport, Change } from '@ironsys/audit'
import { expect, test } from 'vitest'
import { planText, repairJson } from './audit-report.ts'

const changesOf = (count: number): readonly Change[] =>
  Array.from({ length: count }, (_, n) => ({
    subject: 'slot',
    field: `f${n}`,
    stored: null,
    derived: `${n}`,
  }))

test('every field that a repair changes is shown, however many there are', () => {
  const text = planText({ repairs: [{ slotId: 's', changes: changesOf(1401) }], refused: [] })
  expect(text.split('\n')).toHaveLength(1402)
  expect(text).toContain('slot f1400: none → 1400')
})

test('a program is told to run again while not all findings were looked at', () => {
  const report = (findingsTotal: number): AuditReport => ({
    ...{ checks: [], findings: [], findingsTotal, complete: true, durationMs: 0 },
  })
  const plan = { repairs: [], refused: [] }
  expect(repairJson(plan, [], report(1))).toMatchObject({ run_again: true })
  expect(repairJson(plan, [], report(0))).toMatchObject({ run_again: false })
})
