import { expect, test } from 'vitest'
import { readTestReport, type TestReport, testVerdict } from './test-report.ts'

const good: TestReport = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [{ name: 'a.unit.test.ts', status: 'passed', assertionResults: [{ status: 'passed' }] }],
}

test('all passed', () => {
  expect(testVerdict(good, 0, false)).toEqual({ ok: true, passed: 3, failed: 0, complaints: [] })
})

test('a failed test', () => {
  const report = {
    ...good,
    numFailedTests: 1,
    testResults: [{ name: 'a', status: 'failed', assertionResults: [{ status: 'failed' }] }],
  }
  expect(testVerdict(report, 1, false)).toMatchObject({ ok: false, passed: 3, failed: 1 })
})

test('a file that fails as a whole counts as one failure', () => {
  const report = { ...good, testResults: [{ name: 'leaky', status: 'failed', assertionResults: [] }] }
  expect(testVerdict(report, 1, false)).toMatchObject({
    ok: false,
    failed: 1,
    complaints: ['failed as a whole: leaky'],
  })
})

test('no test at all is a failure', () => {
  const report = { ...good, numPassedTests: 0, testResults: [] }
  expect(testVerdict(report, 0, false)).toMatchObject({ ok: false, complaints: ['no test ran'] })
})

test('a skipped test is a failure, unless tests were chosen by name', () => {
  expect(testVerdict({ ...good, numPendingTests: 1 }, 0, false)).toMatchObject({ ok: false, failed: 0 })
  expect(testVerdict({ ...good, numTodoTests: 1 }, 0, false)).toMatchObject({ ok: false, failed: 0 })
  expect(testVerdict({ ...good, numPendingTests: 1 }, 0, true)).toMatchObject({ ok: true })
})

test('an exit code without a failed test is a failure', () => {
  expect(testVerdict(good, 1, false)).toMatchObject({
    ok: false,
    complaints: ['vitest ended with 1: see above'],
  })
})

test('no report is a failure', () => {
  expect(testVerdict(readTestReport('{"not": "one"}'), 0, false)).toMatchObject({
    ok: false,
    passed: 0,
    failed: 1,
  })
  expect(readTestReport('nonsense')).toBeNull()
})
