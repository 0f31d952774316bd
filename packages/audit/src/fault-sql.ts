/** What can be wrong with a row, as data, and the SQL that says which of it is. */

/** One thing that can be wrong with a row. */
export interface Fault {
  readonly field: string
  /** SQL. */
  readonly condition: string
  /** SQL: what is said when the condition holds. */
  readonly text: string
}

/** Faults that only rows with `condition` can have; it is asked once for all of them. */
export interface FaultGroup {
  readonly condition: string
  readonly faults: readonly Fault[]
}

/** What is said of a row: the texts whose conditions hold, joined; null when none does. */
export function saidOf(faults: readonly Fault[], groups: readonly FaultGroup[] = []): string {
  const cases = faults.map(({ condition, text }) => `CASE WHEN ${condition} THEN ${text} END`)
  const nested = groups.map(({ condition, faults }) => `WHEN ${condition} THEN ${saidOf(faults)}`)
  const all = nested.length === 0 ? cases : [...cases, `CASE ${nested.join('\n      ')} END`]
  return `nullif(concat_ws('; ', ${all.join(',\n      ')}), '')`
}

/** The fields whose conditions hold. Asked only of rows of which something is said. */
export function fieldsOf(faults: readonly Fault[], groups: readonly FaultGroup[] = []): string {
  const cases = faults.map(({ field, condition }) => `CASE WHEN ${condition} THEN '${field}' END`)
  const own = `array_remove(ARRAY[${cases.join(', ')}]::text[], NULL)`
  const nested = groups.map(({ condition, faults }) => `WHEN ${condition} THEN ${fieldsOf(faults)}`)
  return nested.length === 0 ? own : `${own} || CASE ${nested.join('\n      ')} ELSE '{}' END`
}

/** A stored column against what the ledger says, as text; with the version that says it, where there is but one. */
export function differs(field: string, stored: string, derived: string, version?: string): Fault {
  const source = version === undefined ? `'the ledger'` : `format('ledger version %s', ${version})`
  const shown = (value: string) => `coalesce((${value})::text, 'null')`
  return {
    field,
    condition: `(${stored})::text IS DISTINCT FROM (${derived})::text`,
    text: `format('%s is %s, %s says %s', '${field}', ${shown(stored)}, ${source}, ${shown(derived)})`,
  }
}

/** The faults, where the condition holds as well. */
export function where(condition: string, faults: readonly Fault[]): readonly Fault[] {
  return faults.map((fault) => ({ ...fault, condition: `${condition} AND ${fault.condition}` }))
}

/** A time as Unix milliseconds, which is how events have it. */
export function msText(time: string): string {
  return `(extract(epoch FROM ${time}) * 1000)::bigint`
}
