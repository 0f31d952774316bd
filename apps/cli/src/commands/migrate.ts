import { LocalFault } from '@ironsys/local'
import { migrate } from '@ironsys/postgres'
import { requireNoArguments } from '../arguments.ts'
import type { Command } from '../command.ts'
import { currentAddresses } from '../running.ts'

export const migrateCommand: Command = {
  name: 'migrate',
  summary: 'bring the database up to date',
  usage: '',
  details:
    'Applies what is new in db/migrations to DATABASE_URL, or to the local database. ./ironsys up does this by itself.',
  run: async (args, { config, say }) => {
    requireNoArguments(args)
    await migrateDatabase(currentAddresses(config).databaseUrl, say)
    return 0
  },
}

/** Migrates and says what was new. Throws a `LocalFault` with the database's own words. */
export async function migrateDatabase(databaseUrl: string, say: (line: string) => void): Promise<void> {
  try {
    const applied = await migrate(databaseUrl)
    say(applied.length === 0 ? 'database is up to date' : `database migrated: ${applied.join(', ')}`)
  } catch (error) {
    throw new LocalFault(
      `the database could not be migrated: ${error instanceof Error ? error.message : error}`,
    )
  }
}
