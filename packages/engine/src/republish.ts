/**
 * What was committed last may not have reached the readers: its writer died before it told them, or never learned that
 * it was committed. Whoever opens the partition tells it once more.
 *
 * The outbox has the keys: a segment stays there until its events are sent, and who dies between a commit and its
 * publishing leaves it behind. A writer that got its events out while Redis was away, and died before Redis came back,
 * leaves no trace of the keys; nor are removals told again: from the key alone one that was removed cannot be told from
 * one that never was, and may be made while an owner that froze here still means to say that it is gone. Both are seen
 * when readers look at the store, which they do when a snapshot was not confirmed for a while.
 */
import type { Binding } from './batch-interface.ts'
import type { DomainEvent, Header } from './decider.ts'
import type { PartitionId, Progress, SnapshotSink, Store } from './ports.ts'

/** As many as a batch of the default size has, whatever waits in the outbox. */
const REPUBLISHED_KEYS_MAX = 500

export interface RepublishDeps<E extends DomainEvent, H extends Header, R, O> {
  readonly binding: Pick<Binding<E>, 'eventsTopic'>
  readonly store: Pick<Store<E, H, R, O>, 'unsentKeys' | 'prefetch'>
  readonly sink: SnapshotSink<H, O>
}

/** Two round trips, or one where nothing is left. Throws as the store does. */
export async function republish<E extends DomainEvent, H extends Header, R, O>(
  id: PartitionId,
  { epoch, nextOffset, logTimeMs }: Progress,
  { binding, store, sink }: RepublishDeps<E, H, R, O>,
): Promise<void> {
  const keys = await store.unsentKeys(id, binding.eventsTopic, REPUBLISHED_KEYS_MAX)
  if (keys.length === 0) return
  const { headers } = await store.prefetch({
    keys,
    rowIds: [],
    commandIds: [],
    listedKeys: [],
    untilMs: logTimeMs,
    pages: [],
  })
  sink.committed({
    id,
    epoch,
    nextOffset,
    headers,
    removed: new Map(),
    due: new Map(),
    replies: [],
    decided: 0,
    firstTimeMs: logTimeMs,
    outcomes: new Map(),
    appendedAt: new Map(),
  })
}
