import { z } from 'zod'
import type { AppInstance } from './app-instance.ts'
import { partitionName } from './progress-watch.ts'

const HEALTH_TIMEOUT_MS = 1000

const health = z.object({ partitions: z.record(z.string(), z.record(z.string(), z.string())) })

/** The partitions of all topics of commands that the worker itself says it has; none when it does not answer. */
export async function ownedPartitions(worker: AppInstance): Promise<readonly string[]> {
  try {
    const signal = AbortSignal.timeout(HEALTH_TIMEOUT_MS)
    const answer = await fetch(`${worker.operationsUrl()}/health/ready`, { signal })
    const { partitions } = health.parse(await answer.json())
    return Object.entries(partitions).flatMap(([topic, modes]) =>
      Object.keys(modes).map((partition) => partitionName(topic, partition)),
    )
  } catch {
    return []
  }
}
