/** The dead letters of the deployment that the environment names, for commands. */
import { hostname, userInfo } from 'node:os'
import { topics } from '@ironsys/contracts'
import {
  createDeadLetterStore,
  createDeadLetters,
  type DeadLetterStore,
  type DeadLetters,
  redriveLimits,
} from '@ironsys/dead-letters'
import { createCommandProducer, silentLogger } from '@ironsys/kafka'
import { LocalFault } from '@ironsys/local'
import { checkDeployment, createPool, type Pool } from '@ironsys/postgres'
import { homePartition } from '@ironsys/reservations'
import pg from 'pg'
import type { CliConfig } from './config.ts'
import { withLogAdmin } from './log.ts'
import { currentAddresses } from './running.ts'

const topic = topics.reservationCommands

/** Runs `work` without the log. Faults of the database are told in one line. */
export async function withDeadLetterStore<T>(
  config: CliConfig,
  work: (letters: DeadLetterStore) => Promise<T>,
): Promise<T> {
  return withPool(config, (pool) => work(createDeadLetterStore(pool)))
}

/** Runs `work` with the log, once it is known to be the one that the database belongs to. */
export async function withDeadLetters<T>(
  config: CliConfig,
  work: (letters: DeadLetters) => Promise<T>,
): Promise<T> {
  const { kafkaBrokers } = currentAddresses(config)
  const log = await withLogAdmin(kafkaBrokers, (admin) => admin.describe(topic))
  if (log === null) throw new LocalFault(`topic ${topic} does not exist: ./ironsys topics makes it`)
  const { clusterId, partitions } = log
  return withPool(config, async (pool) => {
    await checkDeployment(pool, { topic, clusterId, partitionCount: partitions, idKeyFingerprint: null })
    const settings = { brokers: kafkaBrokers, clientId: 'ironsys-cli', logger: silentLogger }
    const producer = createCommandProducer(settings, redriveLimits)
    try {
      const home = (value: Buffer) => homePartition(value, partitions)
      return await work(createDeadLetters({ pool, log: producer, homePartition: home }))
    } finally {
      await producer.close()
    }
  })
}

async function withPool<T>(config: CliConfig, work: (pool: Pool) => Promise<T>): Promise<T> {
  const { databaseUrl } = currentAddresses(config)
  const pool = createPool(databaseUrl, { applicationName: 'ironsys-dlq', maxConnections: 1 })
  try {
    return await work(pool)
  } catch (error) {
    throw faultOf(error)
  } finally {
    await pool.end()
  }
}

/** Faults of servers are told in one line; a bug is thrown as it is. */
function faultOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (error instanceof pg.DatabaseError) return new LocalFault(`the database refused: ${error.message}`)
  if (/^(Log\w+|OutcomeUnknown)Error$/.test(error.name)) return new LocalFault(error.message)
  const refused = 'code' in error && typeof error.code === 'string' && error.code.startsWith('E')
  return refused || /connection/i.test(error.message)
    ? new LocalFault(`the database does not answer: ${error.message}; ./ironsys up starts it`)
    : error
}

/** Who resolves a letter here, as `user@machine`. */
export function operatorName(): string {
  return `${userName()}@${hostname()}`
}

/** In a container a user may have a number and no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`
  }
}
