/** One connection of a command, whose faults are told in one line. */
import { LocalFault } from '@ironsys/local'
import pg from 'pg'

/** Runs `work` with a connection that is closed afterwards. Throws a `LocalFault` with the database's own words. */
export async function withDatabase<T>(
  databaseUrl: string,
  applicationName: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: applicationName })
  let lost: Error | null = null
  client.on('error', (error) => {
    lost ??= error
  })
  await client.connect().catch((error: Error) => {
    throw new LocalFault(`the database does not answer: ${error.message}; ./ironsys up starts it`)
  })
  try {
    return await work(client)
  } catch (error) {
    if (lost !== null) throw new LocalFault(`the database went away: ${lost}`)
    if (error instanceof pg.DatabaseError) throw new LocalFault(`the database refused: ${error.message}`)
    throw error
  } finally {
    await client.end()
  }
}
