/** The targets of a bench: what its tables say of each, the summary at the end, and what becomes of the exit code. */
import { table } from './table.ts'

/** `unknown`: this machine does not tell the figure. */
export type Verdict = 'reached' | 'MISSED' | 'unknown'

export interface Target {
  readonly name: string
  readonly measured: string
  readonly wanted: string
  readonly verdict: Verdict
}

export function verdictOf(isReached: boolean): Verdict {
  return isReached ? 'reached' : 'MISSED'
}

/** The last cells of a target's row. */
export function targetCells({ wanted, verdict }: Target): readonly [string, string] {
  return [wanted, verdict]
}

/** True when none was missed. Of none at all, too: a bench of a part has the targets of that part. */
export function allReached(targets: readonly Target[]): boolean {
  return targets.every(({ verdict }) => verdict !== 'MISSED')
}

/** All targets, the missed ones last, where they are seen, and how many there are of each. */
export function targetSummary(targets: readonly Target[]): string {
  const of = (verdict: Verdict) => targets.filter((target) => target.verdict === verdict)
  const [reached, unknown, missed] = [of('reached'), of('unknown'), of('MISSED')]
  const rows = [...reached, ...unknown, ...missed].map((target) => [
    target.name,
    target.measured,
    ...targetCells(target),
  ])
  const notKnown = unknown.length > 0 ? `, ${unknown.length} unknown` : ''
  const counts = `Targets: ${reached.length} reached, ${missed.length} MISSED${notKnown}.`
  return targets.length === 0
    ? 'Targets: none of what was measured has one.'
    : `${table([['targets', 'measured', 'target', ''], ...rows])}\n${counts}`
}
