/**
 * A domain at work: its decider bound to the engine, the engine to the partitions of its topic that Kafka assigns to
 * this process, in the topic's own consumer group.
 */
import { type CommandTopic, consumerGroup } from '@ironsys/contracts'
import {
  type Binding,
  type Command,
  type CommandAppender,
  createPartitionHost,
  type Decider,
  type DomainEvent,
  type EventPublisher,
  type Header,
  type PartitionId,
  type Scheduler,
  type SnapshotSink,
  startPartitionWriter,
  type WriterObserver,
} from '@ironsys/engine'
import { createCommandConsumer, type KafkaSettings } from '@ironsys/kafka'
import { createPartitionStore, type DomainTables, type LogIdentity, type Pool } from '@ironsys/postgres'
import type { Logger, WorkerMetrics } from '@ironsys/telemetry'

export interface Domain<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly topic: CommandTopic
  readonly decider: Decider<C, E, H, R, O>
  readonly binding: Binding<E>
  readonly tables: DomainTables<E, H, R, O>
  readonly sink: SnapshotSink<H, O>
  readonly observer: WriterObserver
}

/** What all domains of a process share. */
export interface DomainDeps {
  readonly kafka: KafkaSettings
  /** The configured group; each topic's own is derived from it. */
  readonly group: string
  readonly pool: Pool
  readonly log: LogIdentity
  readonly publisher: EventPublisher
  /** For wakes. They do not wait for what the publisher sends, nor it for them. */
  readonly appender: CommandAppender
  readonly scheduler: Scheduler
  readonly metrics: Pick<WorkerMetrics, 'wakes'>
  readonly logger: Logger
  /** The consumer has given up: a human is needed. */
  readonly failed: (error: Error) => void
}

export interface OpenDomain {
  /** Joins the group; writers start as partitions are assigned. Throws LogUnavailableError. */
  start(): Promise<void>
  /** Commits what is in hand everywhere, then leaves the group. */
  close(): Promise<void>
}

export function openDomain<C extends Command, E extends DomainEvent, H extends Header, R, O>(
  { topic, decider, binding, tables, sink, observer }: Domain<C, E, H, R, O>,
  { kafka, group, pool, log, publisher, appender, scheduler, metrics, logger, failed }: DomainDeps,
): OpenDomain {
  const writerDeps = {
    decider,
    binding,
    store: createPartitionStore(pool, tables, log),
    publisher,
    appender: countingAppends(appender, metrics.wakes.with({ topic })),
    sink,
    scheduler,
    observer,
  }
  const host = createPartitionHost({
    startWriter: (partition, partitionLog) =>
      startPartitionWriter({ topic, partition }, partitionLog, writerDeps),
    rejoin: () => consumer.rejoin(),
    fault: (err) => logger.error({ err, topic }, 'partition host'),
  })
  const consumer = createCommandConsumer(
    { ...kafka, groupId: consumerGroup(group, topic), topic },
    {
      assigned: (partitionLog, partition) => host.assigned(partitionLog, partition),
      revoked: (partition) => {
        // Also for a writer that has halted: its alert ends with its ownership.
        observer.mode({ topic, partition }, 'closed')
        host.revoked(partition)
      },
      crashed: failed,
    },
  )
  return {
    start: () => consumer.start(),
    close: async () => {
      try {
        await host.close()
      } finally {
        await consumer.close()
      }
    },
  }
}

function countingAppends(appender: CommandAppender, counter: { inc(by?: number): void }): CommandAppender {
  return {
    append: async (id: PartitionId, key, value) => {
      const appended = await appender.append(id, key, value)
      counter.inc()
      return appended
    },
  }
}
