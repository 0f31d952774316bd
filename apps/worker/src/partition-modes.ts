/** The last known mode of each partition that this process has, of every topic. */
import type { PartitionId, WriterMode } from '@ironsys/engine'

export class PartitionModes {
  readonly #byTopic = new Map<string, Map<number, WriterMode>>()

  /** A closed partition is somebody else's: an alert about it would never end here. */
  note({ topic, partition }: PartitionId, mode: WriterMode): void {
    const partitions = this.#byTopic.get(topic) ?? new Map<number, WriterMode>()
    this.#byTopic.set(topic, partitions)
    if (mode === 'closed') partitions.delete(partition)
    else partitions.set(partition, mode)
  }

  of({ topic, partition }: PartitionId): WriterMode | undefined {
    return this.#byTopic.get(topic)?.get(partition)
  }

  count(mode: WriterMode): number {
    let found = 0
    for (const partitions of this.#byTopic.values()) {
      for (const known of partitions.values()) if (known === mode) found++
    }
    return found
  }

  /** By topic and partition, for the health answer. */
  document(): Readonly<Record<string, Readonly<Record<string, WriterMode>>>> {
    const topics = [...this.#byTopic].filter(([, partitions]) => partitions.size > 0)
    return Object.fromEntries(topics.map(([topic, partitions]) => [topic, Object.fromEntries(partitions)]))
  }
}
