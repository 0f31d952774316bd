/** What a process compares with the database before it does anything. */
import { LogIdentityError } from '@ironsys/engine'
import { z } from 'zod'
import type { Pool } from './pool.ts'
import { queryAll } from './transaction.ts'

export interface Deployment {
  readonly topic: string
  readonly clusterId: string
  readonly partitionCount: number
  /** Of the key that derives ids; it is permanent for a deployment. Null for a process that makes no ids. */
  readonly idKeyFingerprint: string | null
}

const progressRows = z.array(z.object({ cluster_id: z.string(), partition_count: z.int() }))
const keyRows = z.array(z.object({ id_key_fingerprint: z.string() }))

/** Throws {@link LogIdentityError} with a line for the operator when the database belongs to something else. */
export async function checkDeployment(pool: Pool, deployment: Deployment): Promise<void> {
  const { topic, clusterId, partitionCount, idKeyFingerprint } = deployment
  const [progress, key] = await queryAll(pool, [
    {
      name: 'deployment-progress',
      text: 'SELECT DISTINCT cluster_id, partition_count FROM partition_progress WHERE topic = $1',
      values: [topic],
    },
    { name: 'deployment-key', text: 'SELECT id_key_fingerprint FROM deployment', values: [] },
  ])
  for (const stored of progressRows.parse(progress)) {
    if (stored.cluster_id !== clusterId) {
      throw new LogIdentityError(
        `the database belongs to Kafka cluster ${stored.cluster_id}, but this is cluster ${clusterId}`,
      )
    }
    if (stored.partition_count !== partitionCount) {
      throw new LogIdentityError(
        `the database was written with ${stored.partition_count} partitions of ${topic}, but there are ` +
          `${partitionCount} now; changing the count moves keys between writers and needs a migration`,
      )
    }
  }
  const storedKey = keyRows.parse(key)[0]?.id_key_fingerprint
  if (idKeyFingerprint !== null && storedKey !== undefined && storedKey !== idKeyFingerprint) {
    throw new LogIdentityError('ID_KEY is not the one this database was started with; it is permanent')
  }
}

/** Remembers the id key's fingerprint at the deployment's first start; the first to come wins. */
export async function registerIdKey(pool: Pool, fingerprint: string): Promise<void> {
  await queryAll(pool, [
    {
      name: 'deployment-register',
      text: 'INSERT INTO deployment (id_key_fingerprint) VALUES ($1) ON CONFLICT DO NOTHING',
      values: [fingerprint],
    },
  ])
}

/**
 * Makes the coming days' and months' partitions of the tables that only grow. Safe to call from many processes. A table
 * that somebody reads for long is left for the next call, with a warning in the server's log: waiting would hold up writers.
 */
export async function ensureTimePartitions(pool: Pool): Promise<void> {
  await queryAll(pool, [
    { name: 'ensure-time-partitions', text: 'SELECT ensure_time_partitions()', values: [] },
  ])
}
