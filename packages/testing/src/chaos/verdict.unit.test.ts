import type { AuditReport, Finding } from '@ironsys/audit'
import { expect, test } from 'vitest'
import { auditOutcomes, missingOf } from './verdict.ts'

const finding: Finding = {
  check: 'slot-state',
  subject: 'slot a',
  slotId: 'a',
  detail: 'held is 1, the ledger says 2',
  repairable: 'state',
}

function report(checks: AuditReport['checks'], findings: readonly Finding[] = []): AuditReport {
  return { checks, findings, findingsTotal: findings.length, complete: true, durationMs: 1 }
}

const clean = { name: 'slot-state', checked: 7, findings: 0, durationMs: 1 } as const

test('an audit that found nothing violates nothing', () => {
  expect(auditOutcomes(report([clean]))).toMatchObject([
    { name: 'audit: slot-state', checked: 7, violations: [] },
  ])
})

test('an audit that could not be done is a violation: after a run everything stands still', () => {
  const [outcome] = auditOutcomes(report([{ ...clean, skipped: 'Redis does not answer' }]))
  expect(outcome?.violations).toEqual(['not done: Redis does not answer'])
})

test('each finding is a violation, and what is counted without being listed is one more', () => {
  const [outcome] = auditOutcomes(report([{ ...clean, findings: 3 }], [finding]))
  expect(outcome?.violations).toEqual(['slot a: held is 1, the ledger says 2', 'and 2 more'])
})

test('a run that was interrupted, or had fewer faults than asked for, has not shown what it should', () => {
  const config = { count: 3, minutes: 2, rollingOnly: false }
  expect(missingOf(config, 3, false)).toEqual([])
  expect(missingOf(config, 2, false)).toEqual(['only 2 of 3 faults within 2 minutes'])
  expect(missingOf(config, 3, true)).toHaveLength(1)
  expect(missingOf({ ...config, count: Number.POSITIVE_INFINITY }, 0, false)).toEqual([])
  expect(missingOf({ ...config, rollingOnly: true }, 0, false)).toEqual([])
})
