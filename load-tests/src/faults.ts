/** What ends a run with one clear line instead of a stack. */
export class LoadTestFault extends Error {
  override readonly name = 'LoadTestFault'
}

/** The flags are wrong: exit status 2. */
export class FlagFault extends LoadTestFault {}

/** Runs a program's main function: a {@link LoadTestFault} becomes one line and exit status 1, or 2. */
export async function runMain(main: () => Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await main()) ? 0 : 1
  } catch (error) {
    if (!(error instanceof LoadTestFault)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = error instanceof FlagFault ? 2 : 1
  }
}
