import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'

const migrationsFolder = fileURLToPath(new URL('../../../db/migrations', import.meta.url))

export interface MigrateOptions {
  /** Called with a line for each step. */
  readonly log?: (line: string) => void
}

/** Brings a database up to date, one transaction per migration. A concurrent call waits for the lock. */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<readonly string[]> {
  const applied = await runner({
    databaseUrl,
    dir: migrationsFolder,
    direction: 'up',
    migrationsTable: 'schema_migrations',
    advisoryLockMode: 'wait',
    singleTransaction: false,
    log: (message) => options.log?.(String(message)),
    verbose: false,
  })
  return applied.map((migration) => migration.name)
}
