/** The schema that the migrations make, as text that is the same on every machine. */
import {
  dockerExecCommand,
  dockerStarted,
  findFreePorts,
  findPostgresProgram,
  LocalFault,
  removeStack,
  run,
  startStack,
  stopStack,
  testFolder,
} from '@ironsys/local'
import { migrate } from '@ironsys/postgres'
import type { Context } from './command.ts'

const DUMP = ['--schema-only', '--no-owner', '--no-privileges', '--exclude-table=schema_migrations']

/** Migrates an empty database of a server of its own and dumps it. */
export async function freshSchema({ config }: Context): Promise<string> {
  const path = testFolder(process.pid)
  const [postgres = 0] = await findFreePorts(1)
  try {
    const { addresses } = await startStack(
      {
        path,
        ports: { postgres, redis: 0, kafka: 0, kafkaController: 0 },
        disposable: true,
        report: () => undefined,
        signal: new AbortController().signal,
      },
      { given: { databaseUrl: null, redisUrl: null, kafkaBrokers: null }, servers: config.local.servers },
      ['postgres'],
    )
    await migrate(addresses.databaseUrl)
    return normalised(await dump(path, addresses.databaseUrl))
  } finally {
    await stopStack(path, true)
    removeStack(path)
  }
}

async function dump(folder: string, databaseUrl: string): Promise<string> {
  const [command = '', ...args] = dockerStarted(folder)
    ? [...dockerExecCommand(folder, 'postgres', false), 'pg_dump', '-U', 'ironsys', ...DUMP, 'ironsys']
    : [await localDump(), ...DUMP, databaseUrl]
  const outcome = await run(command, args)
  if (outcome.code !== 0) throw new LocalFault('pg_dump failed', outcome.output)
  return outcome.output
}

async function localDump(): Promise<string> {
  const program = await findPostgresProgram('pg_dump')
  if (program === null) throw new LocalFault('pg_dump is missing: sudo apt-get install postgresql-client')
  return program
}

/** Leaves out what depends on the version of pg_dump: comments, settings, and the guard lines of newer ones. */
export function normalised(text: string): string {
  const kept = text
    .split('\n')
    .filter((line) => !/^(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict )/.test(line))
  const squeezed = kept.join('\n').replace(/\n{3,}/g, '\n\n')
  return `-- Generated from db/migrations by ./ironsys schema: do not edit.\n\n${squeezed.trim()}\n`
}
