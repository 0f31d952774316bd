/** The command log's topics and how far everybody is, for commands that ask the cluster. */
import { topicSettings, topics } from '@ironsys/contracts'
import { createLogAdmin, type LogAdmin, silentLogger, type TopicPlan } from '@ironsys/kafka'
import { LocalFault } from '@ironsys/local'

/** Every topic of the deployment. */
export function topicPlans(partitions: number): readonly TopicPlan[] {
  return Object.values(topics).map((topic) => ({ topic, partitions, settings: topicSettings }))
}

/** Runs `work` with an admin client that is closed afterwards. What the cluster refuses is told in one line. */
export async function withLogAdmin<T>(
  brokers: readonly string[],
  work: (admin: LogAdmin) => Promise<T>,
): Promise<T> {
  const admin = createLogAdmin({ brokers, clientId: 'ironsys-cli', logger: silentLogger })
  try {
    return await work(admin)
  } catch (error) {
    if (error instanceof Error && /^Log\w+Error$/.test(error.name)) throw new LocalFault(error.message)
    throw error
  } finally {
    await admin.close()
  }
}
