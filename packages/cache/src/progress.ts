/** Published progress as it lies in Redis: where an API instance starts before it hears the first announcement. */
import { type PublishedProgress, redisNames } from '@ironsys/contracts'
import { readPublishedProgress } from './live-messages.ts'
import type { SnapshotRedis } from './stored-snapshot.ts'

/** What is there of partitions 0 … `partitions` − 1; one key per call. Throws when Redis does not answer. */
export async function readProgress(
  redis: Pick<SnapshotRedis, 'get'>,
  topic: string,
  partitions: number,
): Promise<readonly PublishedProgress[]> {
  const names = Array.from({ length: partitions }, (_, partition) => redisNames.progress(topic, partition))
  const texts = await Promise.all(names.map((name) => redis.get(name)))
  return texts.flatMap((text) => (text === null ? [] : (readPublishedProgress(text) ?? [])))
}
