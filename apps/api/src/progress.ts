/**
 * How far each partition's writer is, as this process knows it: announced over Redis, read from the store while
 * announcements do not arrive. It never goes back, so it may be behind the truth and is never ahead of it.
 */
import type { PublishedProgress, Queue } from '@ironsys/contracts'

export interface ProgressView {
  /** Takes over an announcement. */
  apply(progress: PublishedProgress): void
  /** Whether announcements arrive. While they do not, the store is asked where an answer depends on it. */
  setLive(live: boolean): void
  /** Where a command stands in its queue, from memory alone. */
  queue(partition: number, offset: number): Queue
  /** Whether the command at `offset` is decided. Throws when that is not known and the store cannot be asked. */
  passed(partition: number, offset: number): Promise<boolean>
  /** Resolves to what {@link passed} says once it is true, after `timeoutMs`, or when `signal` aborts. */
  waitPassed(partition: number, offset: number, timeoutMs: number, signal: AbortSignal): Promise<boolean>
  /** Reads every partition from the store: at the start, so that positions are right from the first command on. */
  load(): Promise<void>
}

export interface ProgressDeps {
  readonly partitions: number
  /** The store's `partition_progress`; null before a partition's first command. */
  readonly read: (partition: number) => Promise<{ readonly nextOffset: number } | null>
  readonly nowMs: () => number
}

export const progressLimits = {
  /** The store is asked about one partition at most this often. */
  storeReadMs: 200,
  /** Clients that wait for a partition to move. Beyond it a wait ends at once. */
  waiters: 20_000,
  /** A writer that is not saturated decides at least this many a second; its published rate is only what it had to. */
  perSecondAtLeast: 1000,
  /** An announcement may be lost: a partition that was silent for this long is looked at in the store. */
  silenceMs: 1000,
} as const

interface PartitionView {
  nextOffset: number
  perSecond: number
  readAtMs: number
  heardAtMs: number
  reading: Promise<void> | null
  readonly waiters: Set<{ readonly offset: number; readonly wake: () => void }>
}

export function createProgressView({ partitions, read, nowMs }: ProgressDeps): ProgressView {
  const views = Array.from({ length: partitions }, emptyView)
  let live = false
  let waiting = 0

  async function readStore(view: PartitionView, partition: number): Promise<void> {
    const row = await read(partition)
    view.readAtMs = nowMs()
    view.heardAtMs = view.readAtMs
    if (row !== null) advance(view, row.nextOffset)
  }

  function refresh(view: PartitionView, partition: number): Promise<void> {
    if (view.reading === null && nowMs() - view.readAtMs < progressLimits.storeReadMs)
      return Promise.resolve()
    view.reading ??= readStore(view, partition).finally(() => {
      view.reading = null
    })
    return view.reading
  }

  async function passed(partition: number, offset: number): Promise<boolean> {
    const view = views[partition]
    if (view === undefined) return false
    const sure = live && nowMs() - view.heardAtMs < progressLimits.silenceMs
    if (view.nextOffset <= offset && !sure) await refresh(view, partition)
    return view.nextOffset > offset
  }

  return {
    passed,
    apply({ partition, nextOffset, perSecond }) {
      const view = views[partition]
      if (view === undefined) return
      Object.assign(view, { perSecond, heardAtMs: nowMs() })
      advance(view, nextOffset)
    },
    setLive(now) {
      live = now
    },
    queue(partition, offset) {
      const view = views[partition]
      if (view === undefined) return { position: null, eta_ms: null }
      if (!live) refresh(view, partition).catch(() => undefined)
      return queueOf(view, offset)
    },
    async waitPassed(partition, offset, timeoutMs, signal) {
      const view = views[partition]
      if (view === undefined || waiting >= progressLimits.waiters) return passed(partition, offset)
      const untilMs = nowMs() + timeoutMs
      while (!(await passed(partition, offset)) && !signal.aborted) {
        const leftMs = untilMs - nowMs()
        if (leftMs <= 0) return false
        waiting++
        // Also while announcements arrive the wait is cut: whether they do may change under it.
        await moved(view, offset, Math.min(leftMs, progressLimits.storeReadMs * 2), signal)
        waiting--
      }
      return !signal.aborted
    },
    async load() {
      for (const [partition, view] of views.entries()) await readStore(view, partition)
    },
  }
}

function emptyView(): PartitionView {
  const never = Number.NEGATIVE_INFINITY
  return { nextOffset: 0, perSecond: 0, readAtMs: never, heardAtMs: never, reading: null, waiters: new Set() }
}

function advance(view: PartitionView, nextOffset: number): void {
  if (nextOffset <= view.nextOffset) return
  view.nextOffset = nextOffset
  for (const waiter of view.waiters) if (waiter.offset < nextOffset) waiter.wake()
}

function queueOf(view: PartitionView, offset: number): Queue {
  const position = Math.max(0, offset - view.nextOffset)
  const perSecond = Math.max(view.perSecond, progressLimits.perSecondAtLeast)
  return { position, eta_ms: Math.ceil(((position + 1) * 1000) / perSecond) }
}

async function moved(
  view: PartitionView,
  offset: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const waiter = { offset, wake: () => resolve() }
  const timer = setTimeout(waiter.wake, timeoutMs)
  signal.addEventListener('abort', waiter.wake, { once: true })
  view.waiters.add(waiter)
  await promise
  view.waiters.delete(waiter)
  signal.removeEventListener('abort', waiter.wake)
  clearTimeout(timer)
}
