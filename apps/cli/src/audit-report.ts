/** What `./ironsys audit` says: for people, nothing of what is stored unescaped, and as JSON. */
import {
  type AuditReport,
  type CheckResult,
  checks,
  type Finding,
  type Repaired,
  type RepairPlan,
  remedyOf,
} from '@ironsys/audit'
import { printableLine } from './printable.ts'
import { textTable } from './text-table.ts'

export function auditText(report: AuditReport): string {
  const { checks: results, findings, findingsTotal, complete, durationMs } = report
  const unlisted = findingsTotal - findings.length
  return [
    checkTable(results),
    '',
    ...findings.map(findingText),
    ...(unlisted > 0 ? [`… and ${unlisted} more findings`] : []),
    ...results.flatMap(({ name, skipped }) =>
      skipped === undefined ? [] : [`NOT DONE  ${name}: ${printableLine(skipped)}`],
    ),
    verdict(findingsTotal, complete, durationMs),
  ].join('\n')
}

function verdict(findingsTotal: number, complete: boolean, durationMs: number): string {
  const time = `in ${(durationMs / 1000).toFixed(1)} s`
  if (findingsTotal > 0) return `FOUND ${findingsTotal} ${findingsTotal === 1 ? 'thing' : 'things'} ${time}`
  return complete
    ? `clean: nothing found ${time}`
    : `nothing found ${time}, but not everything could be checked`
}

function checkTable(results: readonly CheckResult[]): string {
  const rows = results.map(({ name, checked, findings, durationMs, skipped }) => [
    name,
    `${checked} ${checks[name].per}`,
    skipped === undefined ? String(findings) : `${findings}, not done`,
    `${(durationMs / 1000).toFixed(1)} s`,
    checks[name].about,
  ])
  return textTable([['check', 'checked', 'findings', 'time', 'it says that'], ...rows], { align: 'left' })
}

function findingText(finding: Finding): string {
  const { check, subject, detail } = finding
  return `FOUND  ${check}: ${subject}: ${printableLine(detail)}  → ${remedyOf(finding)}`
}

export function planText({ repairs, refused }: RepairPlan): string {
  return [
    ...repairs.flatMap(({ slotId, changes }) => [
      `slot ${slotId}:`,
      // All of them: what is not shown is not agreed to.
      ...changes.map(({ subject, field, stored, derived }) =>
        printableLine(`  ${subject} ${field}: ${stored ?? 'none'} → ${derived ?? 'none'}`),
      ),
    ]),
    ...refused.map(({ slotId, reason }) => printableLine(`slot ${slotId} cannot be repaired: ${reason}`)),
  ].join('\n')
}

export function repairText(result: RepairResult): string {
  if ('fault' in result) return printableLine(`slot ${result.slotId} was left as it is: ${result.fault}`)
  const { slotId, epoch, snapshotFault } = result
  const state = epoch === null ? 'state was right' : `repaired in epoch ${epoch}`
  const snapshot =
    snapshotFault === null ? 'snapshot written' : `snapshot not written: ${printableLine(snapshotFault)}`
  return `slot ${slotId}: ${state}, ${snapshot}`
}

export function auditJson(report: AuditReport): object {
  return {
    clean: report.findingsTotal === 0 && report.complete,
    complete: report.complete,
    seconds: Number((report.durationMs / 1000).toFixed(3)),
    checks: report.checks.map(({ name, checked, findings, durationMs, skipped }) => ({
      name,
      checked,
      findings,
      seconds: Number((durationMs / 1000).toFixed(3)),
      ...(skipped === undefined ? {} : { skipped }),
    })),
    findings_total: report.findingsTotal,
    findings: report.findings.map((finding) => ({
      check: finding.check,
      subject: finding.subject,
      slot_id: finding.slotId,
      detail: finding.detail,
      fields: finding.fields ?? [],
      repairable: finding.repairable,
      remedy: remedyOf(finding),
    })),
  }
}

export function repairJson(plan: RepairPlan, done: readonly RepairResult[], after: AuditReport): object {
  return {
    planned: plan.repairs.map(({ slotId, changes }) => ({ slot_id: slotId, changes })),
    refused: plan.refused.map(({ slotId, reason }) => ({ slot_id: slotId, reason })),
    done: done.map((result) =>
      'fault' in result
        ? { slot_id: result.slotId, fault: result.fault }
        : { slot_id: result.slotId, epoch: result.epoch, snapshot_fault: result.snapshotFault },
    ),
    after: auditJson(after),
    run_again: after.findingsTotal > after.findings.length,
  }
}

/** A repair that was done, or why nothing was changed. */
export type RepairResult = Repaired | { readonly slotId: string; readonly fault: string }
