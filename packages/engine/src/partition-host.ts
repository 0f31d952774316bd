/**
 * Keeps one writer for each partition that Kafka assigns. Assignment is only a hint: the fence's row decides (I4).
 *
 * Invariants:
 * 1. In this process a partition has at most one writer: a new one starts when the one before has ended.
 * 2. A writer that was fenced, or that ended unasked, makes the process rejoin its group: every partition it is then
 *    assigned gets a writer again. A wish to rejoin that comes while rejoining is not lost.
 * 3. A halted writer does not end the others. Its partition is tried again with the next assignment, by whoever gets it.
 */
import type { PartitionWriter } from './partition-writer.ts'
import type { PartitionLog } from './ports.ts'
import type { WriterEnding } from './writer-interface.ts'

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
  /** Writers whose partition was taken away: their end is no surprise. */
  const revoked = new WeakSet<PartitionWriter>()
  /** Per partition: resolves when the writers so far have ended. */
  const ends = new Map<number, Promise<void>>()
  let rejoining = false
  let rejoinAgain = false
  let closing = false

  const rejoin = async (): Promise<void> => {
    rejoinAgain = rejoining
    if (rejoining) return
    rejoining = true
    try {
      do {
        rejoinAgain = false
        if (!closing) await deps.rejoin()
      } while (rejoinAgain)
    } finally {
      rejoining = false
    }
  }

  const write = async (partition: number, log: PartitionLog): Promise<void> => {
    const writer = deps.startWriter(partition, log)
    writers.set(partition, writer)
    const ending: WriterEnding = await writer.ended
    if (writers.get(partition) === writer) writers.delete(partition)
    const asked = revoked.delete(writer) || closing
    if (ending === 'closed' && !asked)
      deps.fault(new Error(`the writer of partition ${partition} ended unasked`))
    if (ending === 'fenced' || (ending === 'closed' && !asked)) rejoin().catch(deps.fault)
  }

  return {
    assigned: (log, partition) => {
      if (closing) return
      const before = ends.get(partition) ?? Promise.resolve()
      ends.set(partition, before.then(() => (closing ? undefined : write(partition, log))).catch(deps.fault))
    },
    revoked: (partition) => {
      const writer = writers.get(partition)
      if (writer === undefined) return
      revoked.add(writer)
      writer.close().catch(deps.fault)
    },
    close: async () => {
      closing = true
      await Promise.all([...writers.values()].map((writer) => writer.close()))
      await Promise.all(ends.values())
    },
  }
}
