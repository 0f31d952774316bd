/** Runs a program in the foreground: its input and output are ours. */
import { spawn } from 'node:child_process'
import { checkout, LocalFault } from '@ironsys/local'

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
}

/** The version of Node that runs this, on a file of the checkout. */
export function runNode(file: string, args: readonly string[], options: ProgramOptions): Promise<number> {
  return runProgram(process.execPath, [file, ...args], options)
}

/**
 * Resolves to the exit code. A Ctrl-C in the terminal reaches the program by itself; here it is only not fatal, so that
 * the program decides how it ends. SIGTERM is passed on.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      cwd: options.cwd ?? checkout,
      stdio: 'inherit',
      ...(options.env ? { env: options.env } : {}),
    })
    const ignore = () => undefined
    const passOn = () => child.kill('SIGTERM')
    process.on('SIGINT', ignore)
    process.on('SIGTERM', passOn)
    const settle = () => {
      process.removeListener('SIGINT', ignore)
      process.removeListener('SIGTERM', passOn)
    }
    child.once('error', (error) => {
      settle()
      reject(new LocalFault(`cannot run ${command}: ${error.message}`))
    })
    child.once('close', (code, by) => {
      settle()
      resolve(code ?? (by === 'SIGINT' ? 130 : 1))
    })
  })
}
