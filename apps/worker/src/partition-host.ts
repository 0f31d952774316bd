/**
 * Keeps one writer for each partition that Kafka assigns. Assignment is only a hint: the fence's row decides (I4).
 *
 * Invariants:
 * 1. In this process a partition has at most one writer: a new one starts when the one before has ended.
 * 2. A fenced writer makes the process rejoin its group, once for all that are fenced at the same time.
 * 3. A halted partition stays halted until the process restarts or the partition moves; the others go on.
 */
import type { PartitionLog, PartitionWriter, WriterEnding } from '@ironsys/engine'

export interface HostDeps {
  startWriter(partition: number, log: PartitionLog): PartitionWriter
  /** Leaves and rejoins the group. */
  rejoin(): Promise<void>
  /** What cannot be handled here. */
  fault(error: unknown): void
}

export interface PartitionHost {
  assigned(log: PartitionLog, partition: number): void
  revoked(partition: number): void
  /** Commits what is in hand everywhere and ends all writers. */
  close(): Promise<void>
}

export function createPartitionHost(deps: HostDeps): PartitionHost {
  const writers = new Map<number, PartitionWriter>()
  /** Per partition: resolves when the writers so far have ended. */
  const ends = new Map<number, Promise<void>>()
  let rejoining = false
  let closing = false

  const rejoin = async (): Promise<void> => {
    if (closing || rejoining) return
    rejoining = true
    try {
      await deps.rejoin()
    } finally {
      rejoining = false
    }
  }

  const write = async (partition: number, log: PartitionLog): Promise<void> => {
    const writer = deps.startWriter(partition, log)
    writers.set(partition, writer)
    const ending: WriterEnding = await writer.ended
    if (writers.get(partition) === writer) writers.delete(partition)
    if (ending === 'fenced') rejoin().catch(deps.fault)
  }

  return {
    assigned: (log, partition) => {
      if (closing) return
      const before = ends.get(partition) ?? Promise.resolve()
      ends.set(partition, before.then(() => (closing ? undefined : write(partition, log))).catch(deps.fault))
    },
    revoked: (partition) => {
      writers.get(partition)?.close().catch(deps.fault)
    },
    close: async () => {
      closing = true
      await Promise.all([...writers.values()].map((writer) => writer.close()))
      await Promise.all(ends.values())
    },
  }
}
