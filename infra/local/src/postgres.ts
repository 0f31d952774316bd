/** Postgres as a process of this machine. */
import { chownSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { run } from './commands.ts'
import { LocalFault } from './faults.ts'
import { LOOPBACK, requireFreePort } from './ports.ts'
import { type PostgresHome, preparePostgresHome, type SystemUser } from './postgres-home.ts'
import { choosePostgres, type PostgresPrograms, requirePostgres } from './postgres-programs.ts'
import { probePostgres } from './probes.ts'
import { launch, waitReady } from './processes.ts'
import type { NativeServer, StackFolder } from './server.ts'

/** User, password and database of every local stack; it listens on the loopback address only. */
const OWNER = 'ironsys'
const READY_DEADLINE_MS = 60_000

export function postgresUrl(port: number, database: string = OWNER): string {
  return `postgres://${OWNER}:${OWNER}@${LOOPBACK}:${port}/${database}`
}

export function postgresServer(stack: StackFolder): NativeServer {
  let ready: { programs: PostgresPrograms; home: PostgresHome; data: string } | null = null
  return {
    name: 'postgres',
    prepare: async () => {
      const installed = await requirePostgres(stack.report)
      const home = await preparePostgresHome(stack.path)
      const data = join(home.path, 'data')
      const programs = choosePostgres(installed, data)
      if (!existsSync(join(data, 'PG_VERSION'))) await initialise(data, programs, home.user, stack.disposable)
      ready = { programs, home, data }
    },
    start: async () => {
      if (ready === null) throw new Error('prepare first')
      await requireFreePort(stack.ports.postgres, 'Postgres')
      const running = await launch({
        name: 'postgres',
        command: join(ready.programs.folder, 'postgres'),
        args: ['-D', ready.data, ...settings(stack)],
        folder: stack.path,
        signal: stack.signal,
        cwd: ready.home.path,
        user: ready.home.user,
      })
      const url = postgresUrl(stack.ports.postgres, 'postgres')
      await waitReady(running, () => probePostgres(url), READY_DEADLINE_MS, stack.signal)
      await createDatabase(url)
      return running
    },
  }
}

/** fsync stays on: the figures that are measured here are those of a database that keeps its promises. */
function settings(stack: StackFolder): readonly string[] {
  const values: Record<string, string> = {
    port: String(stack.ports.postgres),
    listen_addresses: LOOPBACK,
    // Everyone comes by TCP; a socket's path in a deep folder would be too long.
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '256MB',
    // A bench writes a gigabyte of WAL a minute: the default of 1 GB would have it checkpoint all the time.
    max_wal_size: '2GB',
    fsync: 'on',
    timezone: 'UTC',
    log_line_prefix: '%m [%p] %d ',
  }
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** Makes the data folder under another name and renames it when it is whole: an interrupted start leaves nothing half done. */
async function initialise(
  data: string,
  programs: PostgresPrograms,
  user: SystemUser | null,
  disposable: boolean,
): Promise<void> {
  const draft = `${data}.new`
  const password = `${data}.password`
  rmSync(draft, { recursive: true, force: true })
  writeFileSync(password, `${OWNER}\n`)
  if (user !== null) chownSync(password, user.uid, user.gid)
  const args = ['-D', draft, '-U', OWNER, `--pwfile=${password}`, '--auth=scram-sha-256', '--encoding=UTF8']
  const rest = ['--locale=C', ...(disposable ? ['--no-sync'] : [])]
  const outcome = await run(join(programs.folder, 'initdb'), [...args, ...rest], { user, cwd: '/' })
  rmSync(password, { force: true })
  if (outcome.code !== 0) throw new LocalFault('Postgres: initdb failed', outcome.output.slice(-2000))
  renameSync(draft, data)
}

async function createDatabase(adminUrl: string): Promise<void> {
  const client = new Client({ connectionString: adminUrl })
  await client.connect()
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [OWNER])
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${OWNER}`)
  } finally {
    await client.end()
  }
}
