/**
 * Who runs Postgres, and where its data lies.
 *
 * Postgres refuses to run as root. Under root it runs as the system's `postgres` user, whose data must lie in a folder
 * that this user can reach. A checkout under a closed home is not one; the data then lies in /var/tmp, under a name
 * made from the checkout's path.
 */
import { createHash } from 'node:crypto'
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './commands.ts'
import { LocalFault } from './faults.ts'

const OUTSIDE = '/var/tmp'
const USER = 'postgres'

export interface SystemUser {
  readonly uid: number
  readonly gid: number
}

export interface PostgresHome {
  /** The folder that holds the data folder. */
  readonly path: string
  /** Whom to run Postgres as; null is who we are. */
  readonly user: SystemUser | null
}

/** Makes the folder and gives it to whom Postgres runs as. */
export async function preparePostgresHome(stackPath: string): Promise<PostgresHome> {
  const inside = join(stackPath, 'database')
  mkdirSync(inside, { recursive: true, mode: 0o700 })
  if (process.getuid?.() !== 0) return { path: inside, user: null }
  const user = systemUser(USER)
  if (await givenTo(inside, user)) return { path: inside, user }
  const outside = outsideFolder(stackPath)
  mkdirSync(outside, { recursive: true, mode: 0o700 })
  if (await givenTo(outside, user)) return { path: outside, user }
  throw new LocalFault(
    `Postgres refuses to run as root, and the user ${USER} can use neither ${inside} nor ${outside}`,
  )
}

/** The folder that stands in for `stackPath` where that one cannot be entered. */
export function outsideFolder(stackPath: string): string {
  const hash = createHash('sha256').update(stackPath).digest('hex').slice(0, 12)
  return join(OUTSIDE, `ironsys-${hash}`)
}

async function givenTo(folder: string, user: SystemUser): Promise<boolean> {
  const owner = lstatSync(folder)
  // In a folder that everyone can write to, somebody else may have been there first.
  if (!owner.isDirectory() || (owner.uid !== 0 && owner.uid !== user.uid)) return false
  chownSync(folder, user.uid, user.gid)
  chmodSync(folder, 0o700)
  const entered = await run('/bin/sh', ['-c', 'cd "$0" && test -w .', folder], { user, cwd: '/' })
  return entered.code === 0
}

function systemUser(name: string): SystemUser {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined) {
    throw new LocalFault(
      `Postgres refuses to run as root, and there is no user ${name} to run it as: useradd --system ${name}`,
    )
  }
  return { uid: Number(uid), gid: Number(gid) }
}
