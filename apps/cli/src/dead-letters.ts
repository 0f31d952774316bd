/** The dead letters of the deployment that the environment names, for commands. */
import { hostname, userInfo } from 'node:os'
import {
  createDeadLetterStore,
  createDeadLetters,
  type DeadLetterStore,
  type DeadLetters,
  homePartition,
  redriveLimits,
} from '@ironsys/dead-letters'
import type { CliConfig } from './config.ts'
import { withDeployment, withPool } from './deployment.ts'

const PURPOSE = 'dlq'

/** Runs `work` without the log. Faults of the database are told in one line. */
export async function withDeadLetterStore<T>(
  config: CliConfig,
  work: (letters: DeadLetterStore) => Promise<T>,
): Promise<T> {
  return withPool(config, PURPOSE, (pool) => work(createDeadLetterStore(pool)))
}

/** Runs `work` with the log, once it is known to be the one that the database belongs to. */
export async function withDeadLetters<T>(
  config: CliConfig,
  work: (letters: DeadLetters) => Promise<T>,
): Promise<T> {
  return withDeployment(config, PURPOSE, redriveLimits, ({ pool, log, topics }) => {
    const home = (topic: string, value: Buffer) => {
      const partitionCount = topics.get(topic)?.partitionCount
      return partitionCount === undefined ? null : homePartition(topic, value, partitionCount)
    }
    return work(createDeadLetters({ pool, log, homePartition: home }))
  })
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
