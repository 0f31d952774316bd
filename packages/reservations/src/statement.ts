/** SQL as data: packages/postgres runs it, nothing here connects to anything. */
export type StatementValue = string | number | null | readonly (string | number | null)[]

export interface Statement {
  /** Unique per text: statements are prepared under it. */
  readonly name: string
  readonly text: string
  readonly values: readonly StatementValue[]
}
