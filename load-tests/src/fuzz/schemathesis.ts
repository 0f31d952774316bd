/** Schemathesis, in a Python environment of its own: installed once, of the versions and hashes of load-tests/fuzz. */
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, folders, install, obtainProgram, run } from '@ironsys/local'
import { LoadTestFault } from '../faults.ts'

const INSTALL_TIMEOUT_MS = 5 * 60_000
const requirements = join(checkout, 'load-tests', 'fuzz', 'requirements.txt')
const home = join(folders.state, 'schemathesis')

/** The path of its program. Throws a {@link LoadTestFault} where it cannot be had. */
export async function obtainSchemathesis(
  signal: AbortSignal,
  report: (line: string) => void,
): Promise<string> {
  const program = join(home, 'bin', 'schemathesis')
  const installed = join(home, 'requirements.txt')
  const wanted = readFileSync(requirements, 'utf8')
  if (existsSync(program) && existsSync(installed) && readFileSync(installed, 'utf8') === wanted)
    return program
  report('installing schemathesis from PyPI into .ironsys/schemathesis')
  rmSync(home, { recursive: true, force: true })
  await makeEnvironment(signal, report)
  const python = join(home, 'bin', 'python')
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes']
  await must(python, [...args, '--only-binary', ':all:', '-r', requirements], signal)
  // The last step: an installation that was interrupted is done again.
  copyFileSync(requirements, installed)
  return program
}

async function makeEnvironment(signal: AbortSignal, report: (line: string) => void): Promise<void> {
  const wanted = { what: 'Python 3.11 with venv', packages: ['python3-venv'] }
  const python = await obtainProgram('python3', wanted, report)
  const made = await run(python, ['-m', 'venv', home], { signal, timeoutMs: INSTALL_TIMEOUT_MS })
  if (made.code === 0) return
  // Debian has `ensurepip` in a package of its own.
  await install(wanted, report)
  await must(python, ['-m', 'venv', '--clear', home], signal)
}

async function must(command: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const outcome = await run(command, args, { signal, timeoutMs: INSTALL_TIMEOUT_MS })
  if (outcome.code === 0) return
  throw new LoadTestFault(`schemathesis could not be installed:\n${outcome.output.slice(-2000)}`)
}
