/** Gets what a machine lacks from its package manager, or says in one line how to get it. */

import { findProgram, run } from './commands.ts'
import { inheritedEnvironment } from './config.ts'
import { LocalFault } from './faults.ts'

const INSTALL_TIMEOUT_MS = 10 * 60_000
const NO_QUESTIONS = { DEBIAN_FRONTEND: 'noninteractive' }

export interface Wanted {
  /** What it is for, as a person would say it: `Redis 7`. */
  readonly what: string
  /** Debian packages that have it; the first one that the machine knows is taken. */
  readonly packages: readonly string[]
}

/** One installation at a time: dpkg holds a lock. */
let queue: Promise<unknown> = Promise.resolve()

/**
 * Installs one of the packages, saying so. Throws a {@link LocalFault} with the way to get it where that is not
 * possible: no apt, no rights, no package.
 */
export function install(wanted: Wanted, report: (line: string) => void): Promise<void> {
  const mine = queue.then(() => installNow(wanted, report))
  queue = mine.catch(() => undefined)
  return mine
}

/** Where the program is; it is installed first where it is missing. Throws as {@link install} does. */
export async function obtainProgram(
  name: string,
  wanted: Wanted,
  report: (line: string) => void,
): Promise<string> {
  if (findProgram(name) === null) await install(wanted, report)
  const program = findProgram(name)
  if (program === null) throw new LocalFault(`${wanted.what} was installed, but ${name} is not on PATH`)
  return program
}

async function installNow(wanted: Wanted, report: (line: string) => void): Promise<void> {
  const apt = findProgram('apt-get')
  const asRoot = apt === null ? null : await rootPrefix()
  if (apt === null || asRoot === null) throw new LocalFault(wayToGet(wanted))
  const aptGet = (args: readonly string[], onLine?: (line: string) => void) => {
    const [command = apt, ...rest] = [...asRoot, apt, ...args]
    const env = { ...inheritedEnvironment(), ...NO_QUESTIONS }
    return run(command, rest, { env, timeoutMs: INSTALL_TIMEOUT_MS, ...(onLine ? { onLine } : {}) })
  }
  const update = async () => {
    report("getting Debian's list of packages (apt-get update)")
    await aptGet(['update', '-q'])
  }
  const known = await knownPackage(wanted)
  if (known === null) await update()
  const name = known ?? (await knownPackage(wanted))
  if (name === null) throw new LocalFault(`${wayToGet(wanted)} (apt-get knows none of its packages)`)
  report(`${wanted.what} is missing: installing Debian's package ${name} (apt-get install)`)
  const installPackage = () =>
    aptGet(['install', '-y', '-q', '--no-install-recommends', name], (line) => {
      if (/^(Get:|Setting up )/.test(line)) report(`  ${line.trim()}`)
    })
  if ((await installPackage()).code === 0) return
  // An old list names files that the mirrors do not have any more.
  await update()
  const again = await installPackage()
  if (again.code === 0) return
  throw new LocalFault(`apt-get could not install ${name}; ${wayToGet(wanted)}`, again.output.slice(-2000))
}

/** What makes a command run as root: nothing when we are, sudo where it asks nothing, else null. */
async function rootPrefix(): Promise<readonly string[] | null> {
  if (process.getuid?.() === 0) return []
  const sudo = findProgram('sudo')
  if (sudo === null) return null
  return (await run(sudo, ['-n', 'true'])).code === 0 ? [sudo, '-n'] : null
}

async function knownPackage(wanted: Wanted): Promise<string | null> {
  for (const name of wanted.packages) {
    const policy = await run('apt-cache', ['policy', name])
    if (/Candidate: (?!\(none\))\S/.test(policy.output)) return name
  }
  return null
}

function wayToGet(wanted: Wanted): string {
  const name = wanted.packages[0] ?? ''
  return `${wanted.what} is missing: sudo apt-get install ${name} (or start a Docker engine, or give the address in the environment)`
}
