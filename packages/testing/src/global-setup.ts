/**
 * Starts real servers for one project of a test run, under ports and a folder of their own, so that `make up` can go on beside it.
 *
 * They end with the run, and their data with them. A run that was killed leaves both behind; the next one clears them.
 */
import {
  findFreePorts,
  killNative,
  markOf,
  type Ports,
  pidOfTestFolder,
  pidPath,
  postgresUrl,
  readPidFile,
  removeStack,
  serversOfTests,
  startStack,
  stopStack,
  testFolder,
  testFolders,
  writePidFile,
} from '@ironsys/local'
import { migrate } from '@ironsys/postgres'
import type { TestProject } from 'vitest/node'
import type { TestServices } from './services.ts'
import { asAdministrator, withDatabase } from './test-database.ts'

const TEMPLATE = 'ironsys_template'
/** Who the folder belongs to: the test run itself. */
const RUN = 'test-run'

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const path = testFolder(process.pid, project.name)
  await clearDeadRuns(path)
  // A last resort: the process ends without the tear-down, by an error or a second Ctrl-C.
  const onExit = () => killNative(path)
  process.once('exit', onExit)
  const tearDown = async () => {
    await stopStack(path, true)
    removeStack(path)
    process.removeListener('exit', onExit)
  }
  try {
    project.provide('services', await startServers(path))
  } catch (error) {
    await tearDown()
    throw error
  }
  return tearDown
}

async function startServers(path: string): Promise<TestServices> {
  writePidFile(pidPath(path, RUN), process.pid)
  const ports = await testPorts()
  const { addresses } = await startStack(
    {
      path,
      ports,
      disposable: true,
      report: (line) => process.stderr.write(`[test servers] ${line}\n`),
      signal: new AbortController().signal,
    },
    // Never the servers that the environment names: tests must not touch anybody's data.
    { given: { databaseUrl: null, redisUrl: null, kafkaBrokers: null }, servers: serversOfTests() },
  )
  const databaseUrl = postgresUrl(ports.postgres, 'postgres')
  await makeTemplate(databaseUrl)
  return {
    databaseUrl,
    redisUrl: addresses.redisUrl,
    kafkaBrokers: [...addresses.kafkaBrokers],
    templateDatabase: TEMPLATE,
  }
}

/** Nobody may connect to the template: Postgres refuses to copy a database that somebody uses. */
async function makeTemplate(databaseUrl: string): Promise<void> {
  await asAdministrator(databaseUrl, `CREATE DATABASE ${TEMPLATE}`)
  await migrate(withDatabase(databaseUrl, TEMPLATE))
  await asAdministrator(
    databaseUrl,
    `ALTER DATABASE ${TEMPLATE} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true`,
  )
}

async function testPorts(): Promise<Ports> {
  const [postgres, redis, kafka, kafkaController] = await findFreePorts(4)
  if (postgres === undefined || redis === undefined || kafka === undefined || kafkaController === undefined) {
    throw new Error('findFreePorts gave fewer ports than asked for')
  }
  return { postgres, redis, kafka, kafkaController }
}

/** A folder whose run does not live any more is stopped and removed; so is what another one has left in `own`. */
async function clearDeadRuns(own: string): Promise<void> {
  for (const folder of testFolders()) {
    const run = readPidFile(pidPath(folder, RUN))
    // Just made, and not marked yet: its pid is alive.
    if (run !== null || (folder !== own && markOf(pidOfTestFolder(folder)) !== null)) continue
    await stopStack(folder, true)
    removeStack(folder)
  }
}
