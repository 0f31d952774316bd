/** The deployment that the environment names, as commands reach it: its database, and the log that belongs to it. */
import { type CommandTopic, commandTopics } from '@ironsys/contracts'
import {
  type CommandAppender,
  LogIdentityError,
  LogOverloadedError,
  LogUnavailableError,
  OutcomeUnknownError,
} from '@ironsys/engine'
import { createCommandProducer, type LogAdmin, type ProducerOptions } from '@ironsys/kafka'
import { LocalFault } from '@ironsys/local'
import {
  checkDeployment,
  createPool,
  type Deployment,
  type Pool,
  queryAll,
  type Row,
  type StatementValue,
} from '@ironsys/postgres'
import pg from 'pg'
import type { CliConfig } from './config.ts'
import { kafkaSettings, withLogAdmin } from './log.ts'
import { currentAddresses } from './running.ts'

export interface DeploymentAccess {
  /** One connection, which may write. */
  readonly pool: Pool
  readonly log: CommandAppender
  /** Of every topic with commands, by its name. */
  readonly topics: ReadonlyMap<string, Deployment>
  /** By partition: the offset that the next record will get. */
  readonly logEnds: (topic: CommandTopic) => Promise<ReadonlyMap<number, number>>
}

/** Runs `work` with one connection under the name `ironsys-<purpose>`. Faults of the database are told in one line. */
export async function withPool<T>(
  config: CliConfig,
  purpose: string,
  work: (pool: Pool) => Promise<T>,
): Promise<T> {
  const { databaseUrl } = currentAddresses(config)
  const pool = createPool(databaseUrl, { applicationName: `ironsys-${purpose}`, maxConnections: 1 })
  try {
    return await work(pool)
  } catch (error) {
    throw faultOf(error)
  } finally {
    await pool.end()
  }
}

/** Runs `work` with the log too, once it is known to be the one that the database belongs to. */
export async function withDeployment<T>(
  config: CliConfig,
  purpose: string,
  producerOptions: Partial<ProducerOptions>,
  work: (access: DeploymentAccess) => Promise<T>,
): Promise<T> {
  const kafka = kafkaSettings(config)
  return withLogAdmin(kafka, async (admin) => {
    const described = await describeTopics(admin)
    return withPool(config, purpose, async (pool) => {
      for (const log of described.values()) await checkDeployment(pool, log)
      const producer = createCommandProducer(kafka, producerOptions)
      try {
        return await work({
          pool,
          log: producer,
          topics: described,
          logEnds: (topic) => endsOf(admin, topic),
        })
      } finally {
        await producer.close()
      }
    })
  })
}

async function endsOf(admin: LogAdmin, topic: CommandTopic): Promise<ReadonlyMap<number, number>> {
  return new Map([...(await admin.offsets(topic))].map(([partition, { high }]) => [partition, high]))
}

/** The rows of one statement; one name, one text. */
export async function queryRows(
  pool: Pool,
  name: string,
  text: string,
  values: readonly StatementValue[] = [],
): Promise<readonly Row[]> {
  const [rows = []] = await queryAll(pool, [{ name, text, values }])
  return rows
}

async function describeTopics(admin: LogAdmin): Promise<ReadonlyMap<string, Deployment>> {
  const described = new Map<string, Deployment>()
  for (const topic of commandTopics) {
    const log = await admin.describe(topic)
    if (log === null) throw new LocalFault(`topic ${topic} does not exist: ./ironsys topics makes it`)
    const { clusterId, partitions } = log
    described.set(topic, { topic, clusterId, partitionCount: partitions, idKeyFingerprint: null })
  }
  return described
}

const logFaults = [LogIdentityError, LogOverloadedError, LogUnavailableError, OutcomeUnknownError]

/** Faults of servers are told in one line; a bug is thrown as it is. */
function faultOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (error instanceof pg.DatabaseError) return new LocalFault(`the database refused: ${error.message}`)
  if (logFaults.some((fault) => error instanceof fault)) return new LocalFault(error.message)
  const refused = 'code' in error && typeof error.code === 'string' && error.code.startsWith('E')
  return refused || /connection/i.test(error.message)
    ? new LocalFault(`the database does not answer: ${error.message}; ./ironsys up starts it`)
    : error
}
