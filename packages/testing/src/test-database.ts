/** A database of a test's own, copied from a template that is migrated once per run. */
import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import { testServices } from './services.ts'

export interface TestDatabase {
  readonly url: string
  /** Drops it, cutting off whoever is still connected. */
  drop(): Promise<void>
}

/** Copies the template, about 50 ms. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { databaseUrl, templateDatabase } = testServices()
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await asAdministrator(databaseUrl, `CREATE DATABASE ${name} TEMPLATE ${templateDatabase}`)
  return {
    url: withDatabase(databaseUrl, name),
    drop: () => asAdministrator(databaseUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  }
}

/** The same server and user, another database. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.toString()
}

/** Runs one statement on a connection of its own. */
export async function asAdministrator(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
