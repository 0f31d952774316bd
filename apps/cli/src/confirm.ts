/** Asks before something that cannot be taken back. */
import { createInterface } from 'node:readline/promises'
import { UsageFault } from './command.ts'

export interface Confirmation {
  readonly question: string
  /** `--yes` was given. */
  readonly yes: boolean
}

export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  /** Not stdout: that is for results. */
  readonly output: NodeJS.WritableStream
}

/**
 * True when it may go on. Otherwise, and that includes Ctrl-C, Ctrl-D and a terminal that goes away, it says that nothing
 * was changed. Where nobody can be asked, throws a {@link UsageFault} that says how to agree.
 */
export async function confirmed(
  { question, yes }: Confirmation,
  { input, output }: Terminal = { input: process.stdin, output: process.stderr },
): Promise<boolean> {
  if (yes) return true
  if (input.isTTY !== true) throw new UsageFault(`${question} Nobody can be asked here: add --yes`)
  const asking = createInterface({ input, output })
  const left = new AbortController()
  // Without these, Ctrl-C is a rejection and Ctrl-D an answer that never comes.
  asking.on('SIGINT', () => asking.close())
  asking.on('close', () => left.abort())
  try {
    const answer = await asking.question(`${question} [y/N] `, { signal: left.signal })
    if (/^y(es)?$/i.test(answer.trim())) return true
    output.write('nothing was changed\n')
    return false
  } catch (error) {
    if (!left.signal.aborted) throw error
    output.write('\nnothing was changed\n')
    return false
  } finally {
    asking.close()
  }
}
