/** The command log's topics and how far everybody is, for commands that ask the cluster. */
import { topicSettings, topics } from '@ironsys/contracts'
import {
  createLogAdmin,
  type KafkaSettings,
  type LogAdmin,
  silentLogger,
  type TopicPlan,
} from '@ironsys/kafka'
import { LocalFault } from '@ironsys/local'
import type { CliConfig } from './config.ts'
import { currentAddresses } from './running.ts'

/** Every topic of the deployment. */
export function topicPlans(partitions: number): readonly TopicPlan[] {
  return Object.values(topics).map((topic) => ({ topic, partitions, settings: topicSettings }))
}

/** How the deployment's log is reached, by a client of this name. */
export function kafkaSettings(config: CliConfig, clientId = 'ironsys-cli'): KafkaSettings {
  const { kafkaBrokers: brokers } = currentAddresses(config)
  return { brokers, security: config.local.security.kafka, clientId, logger: silentLogger }
}

/** Runs `work` with an admin client that is closed afterwards. What the cluster refuses is told in one line. */
export async function withLogAdmin<T>(
  settings: KafkaSettings,
  work: (admin: LogAdmin) => Promise<T>,
): Promise<T> {
  const admin = createLogAdmin(settings)
  try {
    return await work(admin)
  } catch (error) {
    if (error instanceof Error && /^Log\w+Error$/.test(error.name)) throw new LocalFault(error.message)
    throw error
  } finally {
    await admin.close()
  }
}
