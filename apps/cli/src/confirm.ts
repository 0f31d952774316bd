/** Asks before something that cannot be taken back. */
import { createInterface } from 'node:readline/promises'
import { UsageFault } from './command.ts'

export interface Confirmation {
  readonly question: string
  /** `--yes` was given. */
  readonly yes: boolean
}

/** True when it may go on. Where nobody can be asked, throws a {@link UsageFault} that says how to agree. */
export async function confirmed({ question, yes }: Confirmation): Promise<boolean> {
  if (yes) return true
  if (process.stdin.isTTY !== true) throw new UsageFault(`${question} Nobody can be asked here: add --yes`)
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `)).trim())
  } finally {
    asking.close()
  }
}
