import { fileURLToPath } from 'node:url'
import { PG_MIGRATE_LOCK_ID, runner } from 'node-pg-migrate'
import pg from 'pg'

const migrationsFolder = fileURLToPath(new URL('../../../db/migrations', import.meta.url))

export interface MigrateOptions {
  /** Called with a line for each step. */
  readonly log?: (line: string) => void
  /** How long a migration may wait for a table that is in use, milliseconds: writers queue behind it for so long. */
  readonly lockTimeoutMs?: number
}

const LOCK_TIMEOUT_MS = 5_000
const LOCK_NOT_AVAILABLE = '55P03'

/**
 * Brings a database up to date, one transaction per migration. A concurrent call waits for this one, however long.
 * Throws an error that says so when a table stays in use; what was not migrated then is as it was.
 */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<readonly string[]> {
  const { log, lockTimeoutMs = LOCK_TIMEOUT_MS } = options
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'ironsys-migrate' })
  // A connection that is lost fails the statement in hand, too; without a listener it would end the process.
  client.on('error', () => undefined)
  await client.connect()
  try {
    // The runner's own lock, taken here: the limit below must not be one for those who wait their turn.
    await client.query('SELECT pg_advisory_lock($1)', [PG_MIGRATE_LOCK_ID])
    await client.query(`SET lock_timeout = ${lockTimeoutMs}`)
    const applied = await runner({
      dbClient: client,
      noLock: true,
      dir: migrationsFolder,
      direction: 'up',
      migrationsTable: 'schema_migrations',
      singleTransaction: false,
      log: (message) => log?.(String(message)),
      verbose: false,
    })
    return applied.map((migration) => migration.name)
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== LOCK_NOT_AVAILABLE) throw error
    const message = `a table stayed in use for ${lockTimeoutMs} ms; what was not migrated is as it was: try again`
    throw new Error(message, { cause: error })
  } finally {
    await client.end()
  }
}
