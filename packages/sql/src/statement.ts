/** SQL as data: packages/postgres runs it, nothing here connects to anything. */
export type StatementValue = string | number | null | readonly (string | number | null)[]

export interface Statement {
  /** Unique per text: statements are prepared under it. */
  readonly name: string
  readonly text: string
  readonly values: readonly StatementValue[]
}

/**
 * An array parameter of values that need no escaping: ids, numbers, times, hex and words of our own. The driver's own
 * arrays escape every element, which is most of the cost of a wide batch.
 */
export function plainArray(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join()}}`
}

/**
 * A column that is mostly empty, for an `unnest` of several arrays: that fills a shorter one up with nulls, so that a
 * column without any value costs nothing. The first of the arrays must be a full one.
 */
export function sparse<V>(values: readonly (V | null)[]): readonly (V | null)[] {
  return values.every((value) => value === null) ? [] : values
}
