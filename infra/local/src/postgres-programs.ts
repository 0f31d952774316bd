/** Finds Postgres' own programs: the machine's, else Debian's package. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findProgram, isExecutable, run } from './commands.ts'
import { LocalFault } from './faults.ts'
import { install } from './install.ts'

const OLDEST_MAJOR = 15
const DEBIAN_FOLDER = '/usr/lib/postgresql'
const PACKAGES = ['postgresql', 'postgresql-17', 'postgresql-16', 'postgresql-15']

export interface PostgresPrograms {
  readonly folder: string
  readonly major: number
}

/** The servers of version 15 or later that this machine has; installs one when there is none. */
export async function requirePostgres(report: (line: string) => void): Promise<readonly PostgresPrograms[]> {
  const before = await installedPostgres()
  if (before.length > 0) return before
  await install({ what: `Postgres ${OLDEST_MAJOR} or newer`, packages: PACKAGES }, report)
  const after = await installedPostgres()
  if (after.length > 0) return after
  throw new LocalFault(
    `Postgres ${OLDEST_MAJOR} or newer is needed and this machine's packages are older; see https://wiki.postgresql.org/wiki/Apt`,
  )
}

/** The newest server, or the one that `dataFolder` was made by. Throws a {@link LocalFault} when that one is gone. */
export function choosePostgres(installed: readonly PostgresPrograms[], dataFolder: string): PostgresPrograms {
  const made = dataMajor(dataFolder)
  const fitting = installed.filter((programs) => made === null || programs.major === made)
  const best = fitting.sort((a, b) => b.major - a.major)[0]
  if (best !== undefined) return best
  throw new LocalFault(
    `${dataFolder} was made by Postgres ${made}, which is not here any more: install it, or drop the data with ./ironsys clean`,
  )
}

/** Any client program of Postgres (psql, pg_dump), the newest one found. */
export async function findPostgresProgram(name: string): Promise<string | null> {
  const newest = (await installedPostgres()).sort((a, b) => b.major - a.major)[0]
  if (newest !== undefined && isExecutable(join(newest.folder, name))) return join(newest.folder, name)
  return findProgram(name)
}

async function installedPostgres(): Promise<PostgresPrograms[]> {
  const folders = existsSync(DEBIAN_FOLDER)
    ? readdirSync(DEBIAN_FOLDER).map((version) => join(DEBIAN_FOLDER, version, 'bin'))
    : []
  const onPath = findProgram('initdb')
  if (onPath !== null) folders.push(dirname(onPath))
  const found: PostgresPrograms[] = []
  for (const folder of folders) {
    if (!isExecutable(join(folder, 'postgres')) || !isExecutable(join(folder, 'initdb'))) continue
    const version = (await run(join(folder, 'postgres'), ['--version'])).output
    const major = Number(/ (\d+)/.exec(version)?.[1] ?? 0)
    if (major >= OLDEST_MAJOR) found.push({ folder, major })
  }
  return found
}

function dataMajor(dataFolder: string): number | null {
  try {
    return Number(readFileSync(join(dataFolder, 'PG_VERSION'), 'utf8').trim())
  } catch {
    return null
  }
}
