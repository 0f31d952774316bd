/** The table of `./ironsys lag`. */
import { textTable } from './text-table.ts'

export interface LagRow {
  readonly partition: number
  /** The offset that the next record will get. */
  readonly end: number
  /** The offset of the next command to be decided. */
  readonly decided: number
  /** What the consumer group committed, if anything. */
  readonly group: number | null
  /** How long ago the partition moved on; null when it never did. */
  readonly ageSeconds: number | null
}

const header = ['partition', 'log end', 'decided', 'lag', 'group', 'last decision']

/** `perSecond` is the rate of decisions since the last table, null when there was none. */
export function lagTable(topic: string, rows: readonly LagRow[], perSecond: number | null): string {
  const lag = rows.reduce((sum, row) => sum + row.end - row.decided, 0)
  const cells = rows.map((row) => [
    String(row.partition),
    String(row.end),
    String(row.decided),
    String(row.end - row.decided),
    row.group === null ? '-' : String(row.group),
    row.ageSeconds === null ? 'never' : `${row.ageSeconds.toFixed(row.ageSeconds < 10 ? 1 : 0)} s ago`,
  ])
  const rate = perSecond === null ? '' : `, ${Math.round(perSecond)} decided/s`
  return `${topic}: ${lag} behind${rate}\n\n${textTable([header, ...cells], { align: 'right' })}`
}
