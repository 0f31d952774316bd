/** The writers' doings as metrics and log lines. */
import type { PartitionId, WriterMode, WriterObserver } from '@ironsys/engine'
import type { PublisherObserver } from '@ironsys/outbox'
import type { ReservationEvent } from '@ironsys/reservations'
import type { Logger, WorkerMetrics } from '@ironsys/telemetry'
import type { PartitionModes } from './partition-modes.ts'

const modes: readonly WriterMode[] = ['opening', 'running', 'fenced', 'halted', 'closed']
const holdExpired: ReservationEvent['type'] = 'hold_expired'

export function createWriterObserver(
  metrics: WorkerMetrics,
  logger: Logger,
  partitionModes: PartitionModes,
  nowMs: () => number,
): WriterObserver {
  const phase = {
    prefetch: metrics.batchSeconds.with({ phase: 'prefetch' }),
    decide: metrics.batchSeconds.with({ phase: 'decide' }),
    commit: metrics.batchSeconds.with({ phase: 'commit' }),
  }
  return {
    mode: (id, mode) => {
      partitionModes.note(id, mode)
      const labels = labelsOf(id)
      for (const state of modes) metrics.partitionState.with({ ...labels, state }).set(state === mode ? 1 : 0)
      metrics.haltedPartitions.set(partitionModes.count('halted'))
      logger[mode === 'halted' ? 'error' : 'info']({ ...id, mode }, 'partition mode')
    },
    fault: (id, error, retrying) => {
      if (error instanceof Error && error.name === 'FencedError') metrics.fenced.inc(1)
      logger[retrying ? 'warn' : 'error']({ ...id, err: error, retrying }, 'partition fault')
    },
    committed: ({ effects, committed }, phases) => {
      const records = effects.to.nextOffset - effects.from.nextOffset
      metrics.batchRecords.observe(records)
      phase.prefetch.observe(phases.prefetchMs / 1000)
      phase.decide.observe(phases.decideMs / 1000)
      phase.commit.observe(phases.commitMs / 1000)
      const committedMs = nowMs()
      for (const [timeMs, count] of committed.appendedAt) {
        metrics.acceptedToCommittedSeconds.observeMany(Math.max(0, committedMs - timeMs) / 1000, count)
      }
      for (const [code, count] of committed.outcomes) {
        metrics.commandsDecided.with({ topic: effects.id.topic, code }).inc(count)
      }
      for (const letter of effects.deadLetters) {
        metrics.deadLetters.with({ topic: effects.id.topic, code: letter.code }).inc(1)
        const { offset, commandId, code, detail } = letter
        logger.error({ ...effects.id, offset, commandId, code, detail }, 'dead letter')
      }
      const expired = effects.ledger.filter(({ event }) => event.type === holdExpired).length
      if (expired > 0) metrics.holdsExpired.with({ partition: String(effects.id.partition) }).inc(expired)
    },
  }
}

export function createPublisherObserver(metrics: WorkerMetrics, logger: Logger): PublisherObserver {
  return {
    pending: (id, events) => metrics.outboxPending.with(labelsOf(id)).set(events),
    fault: (id, error) => logger.warn({ ...id, err: error }, 'events could not be published yet'),
  }
}

function labelsOf({ topic, partition }: PartitionId): { topic: string; partition: string } {
  return { topic, partition: String(partition) }
}
