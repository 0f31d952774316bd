/** All checks of a run together, the audit's among them. */
import { type AuditReport, checks as auditChecks } from '@ironsys/audit'
import { checks } from './checks.ts'
import type { ChaosConfig } from './config.ts'
import { gatherEvidence } from './evidence.ts'
import type { Facts } from './facts.ts'
import type { History } from './history.ts'

export interface CheckOutcome {
  readonly name: string
  readonly promise: string
  readonly checked: number
  readonly violations: readonly string[]
}

export function judge(history: History, facts: Facts): readonly CheckOutcome[] {
  const evidence = gatherEvidence(history, facts)
  return checks.map((check) => ({ name: check.name, promise: check.promise, ...check.run(evidence) }))
}

/** The audit's checks as ours. One that could not be done has failed: nothing is moving any more. */
export function auditOutcomes({ checks: results, findings }: AuditReport): readonly CheckOutcome[] {
  return results.map(({ name, checked, findings: count, skipped }) => {
    const listed = findings.filter((finding) => finding.check === name)
    const unlisted = count - listed.length
    return {
      name: `audit: ${name}`,
      promise: auditChecks[name].about,
      checked,
      violations: [
        ...(skipped === undefined ? [] : [`not done: ${skipped}`]),
        ...listed.map(({ subject, detail }) => `${subject}: ${detail}`),
        ...(unlisted > 0 ? [`and ${unlisted} more`] : []),
      ],
    }
  })
}

/** What a run that was cut short has not shown. */
export function missingOf(
  { count, minutes, rollingOnly }: Pick<ChaosConfig, 'count' | 'minutes' | 'rollingOnly'>,
  injected: number,
  interrupted: boolean,
): readonly string[] {
  const asked = rollingOnly || count === Number.POSITIVE_INFINITY ? 0 : count
  return [
    ...(interrupted ? ['it was interrupted: what was left of the faults and restarts was not tried'] : []),
    ...(injected < asked ? [`only ${injected} of ${asked} faults within ${minutes} minutes`] : []),
  ]
}
