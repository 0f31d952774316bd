/**
 * The one writer of a partition: reads records, decides them in batches, commits each batch behind the fence, and
 * publishes what is committed. DESIGN.md has the states and what each crash point leads to.
 *
 * Modes: opening → running → (opening again after a fault) → fenced | halted | closed.
 *
 * Invariants:
 * 1. Commits happen in offset order; the next starts only when the outcome of the one before is known.
 * 2. Nothing leaves (snapshot, reply, event, group offset) before its commit is known.
 * 3. After any fault, memory (cache, batch in flight, batch decided ahead) is dropped and the fence's row read again.
 * 4. At most one batch is being committed and at most one more is decided ahead of it, its state laid over.
 */
import { Alarm } from './alarm.ts'
import { decideBatch } from './batch.ts'
import type { Binding, DecidedBatch, ParsedRecord, StateBefore } from './batch-interface.ts'
import type { Command, Decider, DomainEvent, Header } from './decider.ts'
import { DataError, FencedError, InvariantError, LogIdentityError } from './faults.ts'
import { Memory } from './memory.ts'
import { Narrowing } from './narrowing.ts'
import type {
  CommandAppender,
  EventPublisher,
  LogRecord,
  PartitionId,
  PartitionLog,
  Progress,
  Scheduler,
  SnapshotSink,
  Store,
} from './ports.ts'
import { type ListsWanted, listsAfter, planPrefetch } from './prefetch.ts'
import { recordDigest } from './record-digest.ts'
import { createRecordReader, type RecordReader } from './record-reader.ts'
import { republish } from './republish.ts'
import { createStateBefore, isChanged } from './state-before.ts'
import {
  defaultWriterOptions,
  type WriterEnding,
  type WriterObserver,
  type WriterOptions,
} from './writer-interface.ts'

export interface WriterDeps<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly decider: Decider<C, E, H, R, O>
  readonly binding: Binding<E>
  readonly store: Store<E, H, R, O>
  readonly sink: SnapshotSink<H, O>
  readonly publisher: EventPublisher
  /** For the wakes that the writer sends to itself. */
  readonly appender: CommandAppender
  readonly scheduler: Scheduler
  readonly observer: WriterObserver
}

export interface PartitionWriter {
  readonly id: PartitionId
  /** Resolves when the writer has ended; never rejects. */
  readonly ended: Promise<WriterEnding>
  /** Commits the batch in hand, then stops. */
  close(): Promise<void>
}

/** Starts writing at once. */
export function startPartitionWriter<C extends Command, E extends DomainEvent, H extends Header, R, O>(
  id: PartitionId,
  log: PartitionLog,
  deps: WriterDeps<C, E, H, R, O>,
  options: WriterOptions = defaultWriterOptions,
): PartitionWriter {
  const writer = new Writer(id, log, deps, options)
  const ended = writer.run()
  return {
    id,
    ended,
    close: async () => {
      writer.stop()
      await ended
    },
  }
}

interface InFlight<E extends DomainEvent, H extends Header, R, O> {
  readonly batch: DecidedBatch<E, H, R, O>
  readonly done: Promise<void>
  failed: boolean
}

class Writer<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly #id: PartitionId
  readonly #log: PartitionLog
  readonly #deps: WriterDeps<C, E, H, R, O>
  readonly #options: WriterOptions
  readonly #reader: RecordReader
  readonly #memory: Memory<C, E, H, R, O>
  readonly #stopped = new AbortController()
  readonly #alarm: Alarm
  #inFlight: InFlight<E, H, R, O> | null = null
  readonly #narrowing: Narrowing
  #faultsInARow = 0

  constructor(id: PartitionId, log: PartitionLog, deps: WriterDeps<C, E, H, R, O>, options: WriterOptions) {
    this.#id = id
    this.#log = log
    this.#deps = deps
    this.#options = options
    this.#narrowing = new Narrowing(options.batchRecordsMax)
    this.#reader = createRecordReader(log, options.batchRecordsMax)
    this.#memory = new Memory(deps.decider, options)
    const { appender, binding, scheduler, store, observer } = deps
    this.#alarm = new Alarm(id, {
      appender,
      binding,
      scheduler,
      dueKeys: (limit) => store.dueKeys(id, limit),
      fault: (error) => observer.fault(id, error, true),
    })
  }

  stop(): void {
    this.#stopped.abort()
    this.#reader.interrupt()
  }

  async run(): Promise<WriterEnding> {
    const ending = await this.#runUntilEnded()
    await this.#alarm.close()
    await this.#deps.publisher.release(this.#id)
    this.#deps.observer.mode(this.#id, ending)
    return ending
  }

  async #runUntilEnded(): Promise<WriterEnding> {
    while (!this.#stopped.signal.aborted) {
      try {
        this.#deps.observer.mode(this.#id, 'opening')
        const progress = await this.#open()
        if (progress === null) return 'closed'
        this.#deps.observer.mode(this.#id, 'running')
        await this.#work(progress)
        return 'closed'
      } catch (error) {
        // What is under way must be over before anything else begins: it belongs to the memory that is dropped.
        await this.#inFlight?.done.catch(() => undefined)
        this.#memory.clear()
        this.#inFlight = null
        const ending = endingOf(error)
        this.#deps.observer.fault(this.#id, error, ending === null)
        if (ending !== null) return ending
        if (!(error instanceof DataError)) await this.#backOff()
      }
    }
    return 'closed'
  }

  /** Reads the fence's row and compares the log with it (I4). Null when the partition is taken away meanwhile. */
  async #open(): Promise<Progress | null> {
    const progress = await this.#deps.store.open(this.#id)
    const { low, high } = await this.#log.bounds()
    const { nextOffset, lastRecord } = progress
    if (high < nextOffset)
      throw damagedLog(`it ends at ${high}, but ${nextOffset} commands of it are applied`)
    if (low > nextOffset)
      throw damagedLog(`offsets ${nextOffset} to ${low - 1} were removed before they were decided`)
    if (lastRecord === null || low === nextOffset) {
      this.#reader.seek(nextOffset)
    } else if (!this.#stopped.signal.aborted) {
      this.#reader.seek(nextOffset - 1)
      const record = (await this.#reader.take(nextOffset - 1, 1))?.[0]
      if (record === undefined) return null
      if (recordDigest(record) !== lastRecord.digest || record.timeMs !== lastRecord.timeMs) {
        throw damagedLog(`the record at offset ${nextOffset - 1} is not the one that was applied`)
      }
    }
    // First: what the publisher has sent leaves the outbox, and with it what tells which keys were changed last.
    await republish(this.#id, progress, this.#deps)
    this.#deps.publisher.open(this.#id)
    return progress
  }

  async #work(opened: Progress): Promise<void> {
    let progress = opened
    let lists: ListsWanted = { needed: [], reached: [] }
    this.#alarm.start()
    // From this check to the wait inside `take` nothing else runs, so no interrupt is missed.
    while (!this.#stopped.signal.aborted && this.#inFlight?.failed !== true) {
      const records = await this.#reader.take(progress.nextOffset, this.#narrowing.recordsMax)
      if (records === null) break
      const { batch, prefetchMs, decideMs } = await this.#decide(progress, records, lists)
      this.#reader.giveBack(records.slice(batch.consumed))
      await this.#inFlight?.done
      const { to } = batch.effects
      const isCommitted = to.nextOffset > progress.nextOffset || to.eventSeq > progress.eventSeq
      if (isCommitted) this.#startCommit(batch, prefetchMs, decideMs)
      lists = listsAfter(batch, isCommitted ? [] : lists.needed)
      progress = to
      if (batch.halt !== null) {
        await this.#inFlight?.done
        throw new LogIdentityError(batch.halt)
      }
    }
    await this.#inFlight?.done
  }

  async #decide(from: Progress, records: readonly LogRecord[], lists: ListsWanted) {
    const { decider, store, scheduler } = this.#deps
    // A page that was not enough is loaded as the batch in flight leaves it, which may have taken all of it away.
    if (lists.needed.length > 0) await this.#inFlight?.done
    const startedMs = scheduler.nowMs()
    const parsed = records.map((record) => ({ record, command: decider.parse(record.value) }))
    const inFlight = this.#inFlight?.batch.effects
    const memory = this.#memory
    const plan = planPrefetch({ decider, records: parsed, inFlight, memory, clampMs: from.logTimeMs, lists })
    const loaded = plan.request === null ? null : await store.prefetch(plan.request)
    const prefetchedMs = scheduler.nowMs()
    const before = createStateBefore({ decider, plan, inFlight, loaded, memory })
    const batch = this.#decideBatch(from, parsed, before)
    for (const [key, header] of loaded?.headers ?? []) {
      if (!memory.headers.has(key) && !isChanged(inFlight, key)) memory.headers.set(key, header)
    }
    return { batch, prefetchMs: prefetchedMs - startedMs, decideMs: scheduler.nowMs() - prefetchedMs }
  }

  /** What throws here would throw again: deciding is pure. */
  #decideBatch(from: Progress, records: readonly ParsedRecord<C>[], before: StateBefore<H, R, O>) {
    const { decider, binding } = this.#deps
    const { refusedOffsets } = this.#narrowing
    const eventsMax = this.#options.batchEventsMax
    try {
      return decideBatch({ decider, binding, id: this.#id, from, records, refusedOffsets, before, eventsMax })
    } catch (error) {
      throw new InvariantError(`offsets from ${from.nextOffset}: ${messageOf(error)}`, { cause: error })
    }
  }

  #startCommit(batch: DecidedBatch<E, H, R, O>, prefetchMs: number, decideMs: number): void {
    const { scheduler, sink, publisher, observer } = this.#deps
    const startedMs = scheduler.nowMs()
    const { effects } = batch
    this.#memory.keep(effects)
    // What hears of the commit does not throw. If it did, memory would be dropped and the partition opened again, as
    // after any fault: the commit stands, and republish.ts tells its snapshots again.
    const commit = async (): Promise<void> => {
      await this.#commit(batch)
      if (effects.segment !== null) publisher.committed(this.#id, effects.segment)
      sink.committed(batch.committed)
      this.#alarm.update(batch.committed.due, effects.headers)
      this.#log.acknowledge(effects.to.nextOffset)
      observer.committed(batch, { prefetchMs, decideMs, commitMs: scheduler.nowMs() - startedMs })
    }
    const done = commit()
    // The loop may be waiting for records: a failed commit wakes it, and it then sees the error on `done`.
    const inFlight = { batch, done, failed: false }
    done.catch(() => {
      inFlight.failed = true
      this.#reader.interrupt()
    })
    this.#inFlight = inFlight
  }

  async #commit({ effects, touched }: DecidedBatch<E, H, R, O>): Promise<void> {
    try {
      await this.#deps.store.commit(effects)
    } catch (error) {
      if (error instanceof DataError) this.#narrowing.refused(effects.from.nextOffset, touched, error)
      throw error
    }
    this.#faultsInARow = 0
    this.#narrowing.committed(effects.deadLetters)
  }

  async #backOff(): Promise<void> {
    const { retryDelayMs, retryDelayMaxMs } = this.#options
    const delayMs = Math.min(retryDelayMs * 2 ** this.#faultsInARow, retryDelayMaxMs)
    this.#faultsInARow++
    await this.#deps.scheduler.delay(delayMs, this.#stopped.signal)
  }
}

function endingOf(error: unknown): WriterEnding | null {
  if (error instanceof FencedError) return 'fenced'
  return error instanceof LogIdentityError || error instanceof InvariantError ? 'halted' : null
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function damagedLog(what: string): LogIdentityError {
  return new LogIdentityError(`the log is not the one that was applied: ${what}`)
}
