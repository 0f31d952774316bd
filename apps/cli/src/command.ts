/** What every command of `./ironsys` is. */
import type { CliConfig } from './config.ts'

export interface Context {
  readonly config: CliConfig
  /** The environment as it came, for child processes. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** For people: progress and results, one line each. */
  readonly say: (line: string) => void
}

export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** The arguments, as usage shows them; empty when there are none. */
  readonly usage: string
  /** What one has to know beyond the summary. */
  readonly details: string
  /** Resolves to the exit code. A `LocalFault` that it throws is shown as one line. */
  readonly run: (args: readonly string[], context: Context) => Promise<number>
}

/** The arguments were wrong: usage is shown and the exit code is 2. */
export class UsageFault extends Error {
  override readonly name = 'UsageFault'
}
