/** What vitest's JSON report says, and whether that is a success. */
import { z } from 'zod'

const schema = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numTodoTests: z.int(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ status: z.string() })),
    }),
  ),
})

export type TestReport = z.infer<typeof schema>

export interface Verdict {
  readonly ok: boolean
  readonly passed: number
  readonly failed: number
  readonly complaints: readonly string[]
}

/** Null when the text is not such a report. */
export function readTestReport(text: string): TestReport | null {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/**
 * A run is a success when something ran, nothing failed and nothing was left out. `filtered` says that tests were
 * left out on purpose, by name.
 */
export function testVerdict(report: TestReport | null, exitCode: number, filtered: boolean): Verdict {
  if (report === null) {
    return { ok: false, passed: 0, failed: 1, complaints: ['vitest ended without a report'] }
  }
  // A file that fails as a whole (a fault at import, a leak) has no failed test of its own.
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  )
  const failed = report.numFailedTests + brokenFiles.length
  const leftOut = report.numPendingTests + report.numTodoTests
  const complaints = [
    ...brokenFiles.map((file) => `failed as a whole: ${file.name}`),
    ...(leftOut > 0 && !filtered ? [`${leftOut} tests were skipped: that counts as a failure`] : []),
    ...(report.numPassedTests + failed === 0 ? ['no test ran'] : []),
    ...(exitCode !== 0 && failed === 0 ? [`vitest ended with ${exitCode}: see above`] : []),
  ]
  return {
    ok: exitCode === 0 && failed === 0 && complaints.length === 0,
    passed: report.numPassedTests,
    failed,
    complaints,
  }
}
