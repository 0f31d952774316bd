/**
 * Decides one batch of records: pure and synchronous. The same records over the same state give the same effects (I6).
 *
 * A batch ends before a record that needs more of a list than is in memory, and between two steps of a record when it
 * has had enough events. What is left of its records begins the next batch; the steps taken so far are committed as
 * they are, so a batch may have effects and consume no record.
 */
import { BatchInProgress } from './batch-in-progress.ts'
import type { BatchInput, DecidedBatch } from './batch-interface.ts'
import type { Command, DomainEvent, Header } from './decider.ts'
import { PageNeeded } from './row-lists.ts'

/** Decides `records`, which start exactly at `from.nextOffset`. Throws only on a broken invariant. */
export function decideBatch<C extends Command, E extends DomainEvent, H extends Header, R, O>(
  input: BatchInput<C, E, H, R, O>,
): DecidedBatch<E, H, R, O> {
  const batch = new BatchInProgress(input)
  let consumed = 0
  let needed: PageNeeded | null = null
  let halt: string | null = null
  for (const { record, command } of input.records) {
    if ('unreadable' in command && command.unreadable === 'newer-schema') {
      halt = `offset ${record.offset}: ${command.detail}`
      break
    }
    if (batch.isFull) break
    const ending = batch.apply(record, command)
    if (ending === 'decided') consumed++
    else {
      needed = ending instanceof PageNeeded ? ending : null
      break
    }
  }
  return batch.finish(consumed, needed, halt)
}
