/** What a run says at its end, for people and for programs. */
import { type FaultKind, faultKinds } from './fault-plan.ts'
import { type History, knowledgeOf } from './history.ts'
import type { RecoveryRow } from './recovery.ts'
import type { CheckOutcome } from './verdict.ts'

/** Of each failed check; the rest is counted, and all of it is in the kept folder. */
const VIOLATIONS_SHOWN = 10

export interface ChaosReport {
  readonly seed: number
  readonly minutes: number
  readonly perSecond: number
  /** The one command that repeats it. */
  readonly command: string
  readonly faults: Readonly<Record<string, number>>
  readonly requests: RequestCounts
  readonly recoveries: readonly RecoveryRow[]
  readonly checks: readonly CheckOutcome[]
  readonly ok: boolean
}

export interface RequestCounts {
  readonly taken: number
  readonly refused: number
  readonly unknown: number
  /** Attempts beyond the first of each request. */
  readonly repeats: number
  readonly slotReads: number
  /** Of reservations and bookings. */
  readonly documentReads: number
  /** Answers by status and code; status 0 is nobody answering. */
  readonly answers: Readonly<Record<string, number>>
}

export function countRequests({ operations, slotReads, documentReads }: History): RequestCounts {
  const known = { taken: 0, refused: 0, unknown: 0 }
  const answers: Record<string, number> = {}
  let attempts = 0
  for (const operation of operations) {
    known[knowledgeOf(operation)]++
    attempts += operation.answers.length
    for (const { status, code } of operation.answers) {
      const name = status === 0 ? '0 nobody answered' : `${status} ${code}`.trimEnd()
      answers[name] = (answers[name] ?? 0) + 1
    }
  }
  const repeats = attempts - operations.length
  return {
    ...known,
    repeats,
    slotReads: slotReads.length,
    documentReads: documentReads.length,
    answers,
  }
}

export function countFaults(injected: readonly FaultKind[]): Readonly<Record<string, number>> {
  const counts = faultKinds.map((kind) => [kind, injected.filter((each) => each === kind).length] as const)
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}

export function reportText(report: ChaosReport): string {
  const { requests, recoveries, checks } = report
  const faults = Object.entries(report.faults).map(([kind, count]) => `${count} × ${kind}`)
  const answers = Object.entries(requests.answers).sort(([a], [b]) => (a < b ? -1 : 1))
  return [
    '',
    `seed ${report.seed}, ${report.minutes} min, ${report.perSecond} requests/s`,
    `faults: ${faults.length === 0 ? 'none' : faults.join(', ')}`,
    '',
    `requests: ${requests.taken} taken, ${requests.refused} refused, ${requests.unknown} unknown to their client; ${requests.repeats} repeats`,
    `reads: ${requests.slotReads} of slots, ${requests.documentReads} of decided reservations and bookings`,
    ...answers.map(([name, count]) => `  ${String(count).padStart(8)}  ${name}`),
    '',
    'recovery, measured from outside (faults that came alone):',
    ...recoveries.map(recoveryLine),
    '',
    'checks:',
    ...checks.flatMap(checkLines),
    '',
    `${report.ok ? 'Everything holds.' : 'BROKEN.'} Again: ${report.command}`,
  ].join('\n')
}

function recoveryLine({ says, count, medianMs, maxMs, aimMs }: RecoveryRow): string {
  const aim = aimMs === null ? '' : `, aim ${aimMs / 1000} s: ${maxMs <= aimMs ? 'met' : 'MISSED'}`
  const figures = `median ${secondsText(medianMs)}, max ${secondsText(maxMs)}`
  return `  ${String(count).padStart(3)} ×  ${figures}${aim}  ${says}`
}

function secondsText(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1000).toFixed(1)} s` : 'never'
}

function checkLines({ name, promise, checked, violations }: CheckOutcome): readonly string[] {
  const mark = violations.length === 0 ? 'ok    ' : 'FAILED'
  const shown = violations.slice(0, VIOLATIONS_SHOWN)
  const more = violations.length - shown.length
  return [
    `  ${mark}  ${name} (${checked}): ${promise}`,
    ...shown.map((violation) => `            ${violation}`),
    ...(more > 0 ? [`            and ${more} more`] : []),
  ]
}
