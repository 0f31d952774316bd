/**
 * How far each partition's writer is, as this process knows it: announced over Redis, read from the store while
 * announcements do not arrive. It never goes back, so it may be behind the truth and is never ahead of it.
 */
import type { PublishedProgress, Queue } from '@ironsys/contracts'
import type { PartitionId } from '@ironsys/engine'

/** A command in the log. */
export interface CommandPlace extends PartitionId {
  readonly offset: number
}

export interface ProgressView {
  /** Takes over an announcement. */
  apply(progress: PublishedProgress): void
  /** Whether announcements arrive. While they do not, the store is asked where an answer depends on it. */
  setLive(live: boolean): void
  /** Takes notice of a command that this process put into the log. */
  accepted(place: CommandPlace): void
  /**
   * When the last of them will be decided, of the partition that is furthest behind, milliseconds from now; 0 when all are.
   * Partitions that nothing has been heard of lately do not count: not to know is no lag.
   */
  lagMs(): number
  /** Where a command stands in its queue, from memory alone. */
  queue(place: CommandPlace): Queue
  /** Whether the command is decided. Throws when that is not known and the store cannot be asked. */
  passed(place: CommandPlace): Promise<boolean>
  /** Resolves to what {@link passed} says once it is true, after `timeoutMs`, or when `signal` aborts. */
  waitPassed(place: CommandPlace, timeoutMs: number, signal: AbortSignal): Promise<boolean>
  /** Reads every partition from the store: at the start, so that positions are right from the first command on. */
  load(): Promise<void>
}

export interface ProgressDeps {
  readonly topics: readonly string[]
  /** Of each topic. */
  readonly partitions: number
  /** The store's `partition_progress`; null before a partition's first command. */
  readonly read: (id: PartitionId) => Promise<{ readonly nextOffset: number } | null>
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
  /** Silent for longer, in the store too, its lag is not known. */
  lagKnownMs: 5000,
} as const

interface PartitionView {
  nextOffset: number
  /** After the last command from here. */
  acceptedEnd: number
  perSecond: number
  readAtMs: number
  heardAtMs: number
  reading: Promise<void> | null
  readonly waiters: Set<{ readonly offset: number; readonly wake: () => void }>
}

export function createProgressView({ topics, partitions, read, nowMs }: ProgressDeps): ProgressView {
  const views = new Map(topics.map((topic) => [topic, Array.from({ length: partitions }, emptyView)]))
  const viewOf = ({ topic, partition }: PartitionId) => views.get(topic)?.[partition]
  let live = false
  let waiting = 0

  async function readStore(view: PartitionView, id: PartitionId): Promise<void> {
    const row = await read(id)
    view.readAtMs = nowMs()
    view.heardAtMs = view.readAtMs
    if (row !== null) advance(view, row.nextOffset)
  }

  function refresh(view: PartitionView, id: PartitionId): Promise<void> {
    if (view.reading === null && nowMs() - view.readAtMs < progressLimits.storeReadMs)
      return Promise.resolve()
    view.reading ??= readStore(view, id).finally(() => {
      view.reading = null
    })
    return view.reading
  }

  async function passed(place: CommandPlace): Promise<boolean> {
    const { offset } = place
    const view = viewOf(place)
    if (view === undefined) return false
    const sure = live && nowMs() - view.heardAtMs < progressLimits.silenceMs
    if (view.nextOffset <= offset && !sure) await refresh(view, place)
    return view.nextOffset > offset
  }

  return {
    passed,
    apply({ nextOffset, perSecond, ...id }) {
      const view = viewOf(id)
      if (view === undefined) return
      Object.assign(view, { perSecond, heardAtMs: nowMs() })
      advance(view, nextOffset)
    },
    setLive(now) {
      live = now
    },
    accepted(place) {
      const view = viewOf(place)
      if (view !== undefined) view.acceptedEnd = Math.max(view.acceptedEnd, place.offset + 1)
    },
    lagMs() {
      let most = 0
      for (const [topic, partitionViews] of views) {
        for (const [partition, view] of partitionViews.entries()) {
          if (view.acceptedEnd <= view.nextOffset) continue
          const silentMs = nowMs() - view.heardAtMs
          if (silentMs >= progressLimits.silenceMs) refresh(view, { topic, partition }).catch(() => undefined)
          if (silentMs < progressLimits.lagKnownMs)
            most = Math.max(most, queueOf(view, view.acceptedEnd - 1).eta_ms ?? 0)
        }
      }
      return most
    },
    queue(place) {
      const view = viewOf(place)
      if (view === undefined) return { position: null, eta_ms: null }
      if (!live) refresh(view, place).catch(() => undefined)
      return queueOf(view, place.offset)
    },
    async waitPassed(place, timeoutMs, signal) {
      const view = viewOf(place)
      if (view === undefined || waiting >= progressLimits.waiters) return passed(place)
      const untilMs = nowMs() + timeoutMs
      while (!(await passed(place)) && !signal.aborted) {
        const leftMs = untilMs - nowMs()
        if (leftMs <= 0) return false
        waiting++
        // Also while announcements arrive the wait is cut: whether they do may change under it.
        await moved(view, place.offset, Math.min(leftMs, progressLimits.storeReadMs * 2), signal)
        waiting--
      }
      return !signal.aborted
    },
    async load() {
      for (const [topic, partitionViews] of views) {
        for (const [partition, view] of partitionViews.entries()) await readStore(view, { topic, partition })
      }
    },
  }
}

function emptyView(): PartitionView {
  const never = Number.NEGATIVE_INFINITY
  return {
    nextOffset: 0,
    acceptedEnd: 0,
    perSecond: 0,
    readAtMs: never,
    heardAtMs: never,
    reading: null,
    waiters: new Set(),
  }
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
