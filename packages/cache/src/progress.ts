/** Published progress as it lies in Redis: where an API instance starts before it hears the first announcement. */
import { type PublishedProgress, redisNames } from '@ironsys/contracts'
import type { Redis } from 'ioredis'
import { readPublishedProgress } from './live-messages.ts'

/** What is there of partitions 0 … `partitions` − 1; one key per call. Throws when Redis does not answer. */
export async function readProgress(
  redis: Redis,
  topic: string,
  partitions: number,
): Promise<readonly PublishedProgress[]> {
  const names = Array.from({ length: partitions }, (_, partition) => redisNames.progress(topic, partition))
  const texts = await Promise.all(names.map((name) => redis.get(name)))
  return texts.flatMap((text) => (text === null ? [] : (readPublishedProgress(text) ?? [])))
}
