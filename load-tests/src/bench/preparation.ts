/** What a private stack is prepared with: tables, topics, and the environment of the processes. */
import { randomBytes } from 'node:crypto'
import { topicSettings, topics } from '@ironsys/contracts'
import { createLogAdmin } from '@ironsys/kafka'
import type { Addresses } from '@ironsys/local'
import { migrate } from '@ironsys/postgres'
import { Client } from 'pg'

export const PARTITIONS = 12
export const BARE_TOPIC = 'bench.bare'
const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** Tables and topics of both pipelines. */
export async function prepare({ databaseUrl, kafkaBrokers }: Addresses): Promise<void> {
  await migrate(databaseUrl)
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`CREATE TABLE bare_reservations (id uuid PRIMARY KEY, slot_id uuid NOT NULL, user_id text NOT NULL,
    quantity integer NOT NULL, created_at timestamptz NOT NULL)`)
  await client.end()
  const admin = createLogAdmin({ brokers: kafkaBrokers, clientId: 'bench', logger: silent })
  const names = [...Object.values(topics), BARE_TOPIC]
  await admin.ensureTopics(names.map((topic) => ({ topic, partitions: PARTITIONS, settings: topicSettings })))
  await admin.close()
}

/** All the work of the rate limits is done, and nobody reaches one. */
const unreachedLimits = Object.fromEntries(
  ['IP', 'USER', 'READING', 'WRITING', 'FINISHING'].flatMap((name) => [
    [`RATE_${name}_PER_SECOND`, '10000000'],
    [`RATE_${name}_BURST`, '10000000'],
  ]),
)

/** As in production, but for authentication, which does not exist yet. */
export function commonEnvironment({
  databaseUrl,
  redisUrl,
  kafkaBrokers,
}: Addresses): Readonly<Record<string, string>> {
  return {
    NODE_ENV: 'production',
    ALLOW_NO_AUTH: 'yes',
    AUTH_MODE: 'none',
    LOG_LEVEL: 'info',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    KAFKA_BROKERS: kafkaBrokers.join(','),
    PARTITIONS: String(PARTITIONS),
    OPS_HOST: '127.0.0.1',
    ...unreachedLimits,
  }
}

export function hexKey(): string {
  return randomBytes(32).toString('hex')
}
