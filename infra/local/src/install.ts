/** Gets what a machine lacks from its package manager, or says in one line how to get it. */
import { findProgram, run } from './commands.ts'
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

async function installNow(wanted: Wanted, report: (line: string) => void): Promise<void> {
  const apt = findProgram('apt-get')
  if (apt === null) throw new LocalFault(wayToGet(wanted))
  const asRoot = await rootPrefix()
  if (asRoot === null) throw new LocalFault(wayToGet(wanted))
  if (!(await knowsPackage(wanted))) {
    report('asking Debian for its list of packages (apt-get update)')
    await run(asRoot[0] ?? apt, [...asRoot.slice(1), ...(asRoot.length > 0 ? [apt] : []), 'update', '-q'], {
      env: { ...process.env, ...NO_QUESTIONS },
      timeoutMs: INSTALL_TIMEOUT_MS,
    })
  }
  const name = await knowsPackage(wanted)
  if (name === null) throw new LocalFault(`${wayToGet(wanted)} (apt-get knows none of these packages)`)
  report(`${wanted.what} is missing: installing Debian's package ${name} (apt-get install)`)
  const command = [...asRoot, apt, 'install', '-y', '-q', '--no-install-recommends', name]
  const outcome = await run(command[0] ?? apt, command.slice(1), {
    env: { ...process.env, ...NO_QUESTIONS },
    timeoutMs: INSTALL_TIMEOUT_MS,
    onLine: (line) => {
      if (/^(Get:|Setting up )/.test(line)) report(`  ${line.trim()}`)
    },
  })
  if (outcome.code !== 0) {
    throw new LocalFault(
      `apt-get could not install ${name}; ${wayToGet(wanted)}`,
      outcome.output.slice(-2000),
    )
  }
}

/** What makes a command run as root: nothing when we are, sudo where it asks nothing, else null. */
async function rootPrefix(): Promise<readonly string[] | null> {
  if (process.getuid?.() === 0) return []
  const sudo = findProgram('sudo')
  if (sudo === null) return null
  return (await run(sudo, ['-n', 'true'])).code === 0 ? [sudo, '-n'] : null
}

async function knowsPackage(wanted: Wanted): Promise<string | null> {
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
