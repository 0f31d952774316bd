/** What a retention run would remove and has removed, for people and for programs. */
import { type AgedTables, outcomeDays, type Removed } from './aged-tables.ts'
import { REMOVABLE_RESERVATIONS_MAX, type Retired } from './retention.ts'
import { textTable } from './text-table.ts'

export interface RetentionPlan extends AgedTables {
  readonly keepDays: number
  readonly slots: number
  readonly bookings: number
}

export interface RetentionResult extends Removed {
  readonly keepDays: number
  readonly slots: Retired
  readonly bookings: Retired
}

const LEFT_SHOWN_MAX = 10

export function isNothing(plan: RetentionPlan): boolean {
  return countsOf(plan).every((count) => count === 0)
}

export function retentionPlanText(plan: RetentionPlan): string {
  const { keepDays, slots, bookings, strayOutcomes, outcomePartitions, deadLetters, ledgerPartitions } = plan
  const strays = strayOutcomes === 0 ? '' : ` and ${strayOutcomes} single`
  const rows = [
    ['what', 'over', 'kept for'],
    ['slots', String(slots), `${keepDays} days from their end, with reservations and ledger`],
    ['bookings', String(bookings), `${keepDays} days from the end of their last slot`],
    [
      'dead letters',
      String(deadLetters),
      `${keepDays} days from when they were resolved; open ones for ever`,
    ],
    ['outcomes', `${outcomePartitions.length} days${strays}`, `${outcomeDays} days`],
    [
      'ledger',
      `${ledgerPartitions.length} empty months`,
      `${keepDays} days, and until the last of their slots has gone`,
    ],
  ]
  return textTable(rows, { align: 'left' })
}

export function retentionResultText(result: RetentionResult): string {
  const { slots, bookings, deadLetters, outcomePartitions, ledgerPartitions, inUse } = result
  return [
    `removed ${slots.removed} slots, ${bookings.removed} bookings, ${deadLetters} dead letters, ` +
      `${outcomePartitions.length} days of outcomes, ${ledgerPartitions.length} months of the ledger`,
    ...leftText('slots', slots),
    ...tooLargeText(slots),
    ...leftText('bookings', bookings),
    ...(inUse.length === 0 ? [] : [`in use, so left: ${inUse.join(', ')}; run this again`]),
  ].join('\n')
}

export function retentionPlanJson(plan: RetentionPlan): object {
  return { dry_run: true, ...agedJson(plan), slots: plan.slots, bookings: plan.bookings }
}

export function retentionResultJson(result: RetentionResult): object {
  const { slots, bookings, inUse } = result
  const retired = ({ removed, left, tooLarge }: Retired) => ({ removed, left, too_large: tooLarge })
  return {
    dry_run: false,
    ...agedJson(result),
    slots: retired(slots),
    bookings: retired(bookings),
    in_use: inUse,
  }
}

function agedJson(tables: AgedTables & { readonly keepDays: number }): object {
  const { keepDays, deadLetters, outcomePartitions, strayOutcomes, ledgerPartitions } = tables
  return {
    keep_days: keepDays,
    dead_letters: deadLetters,
    outcome_partitions: outcomePartitions,
    outcomes_outside_partitions: strayOutcomes,
    ledger_partitions: ledgerPartitions,
  }
}

function countsOf(plan: RetentionPlan): readonly number[] {
  const { slots, bookings, deadLetters, strayOutcomes, outcomePartitions, ledgerPartitions } = plan
  return [slots, bookings, deadLetters, strayOutcomes, outcomePartitions.length, ledgerPartitions.length]
}

function leftText(what: string, { left }: Retired): readonly string[] {
  if (left.length === 0) return []
  return [
    `${left.length} ${what} were not removed: not over by the time of the log, or the command failed (./ironsys dlq list): ` +
      shown(left),
  ]
}

/** Most of such a slot are rejected reservations, which are in no sum and have no ledger entry. */
function tooLargeText({ tooLarge }: Retired): readonly string[] {
  if (tooLarge.length === 0) return []
  return [
    `${tooLarge.length} slots are too large to be removed at once (more than ${REMOVABLE_RESERVATIONS_MAX} reservations), ` +
      `so left: ${shown(tooLarge)}; delete their rejected reservations in psql (docs/operating.md, Retention), ` +
      'then run this again',
  ]
}

function shown(ids: readonly string[]): string {
  return `${ids.slice(0, LEFT_SHOWN_MAX).join(', ')}${ids.length > LEFT_SHOWN_MAX ? ', …' : ''}`
}
