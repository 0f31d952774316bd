/**
 * Wakes keys at which something is due without any command: it appends the key's wake command to its own partition. What
 * a wake does is decided at its log time like anything else; one too many, or one of a zombie, changes nothing (I6).
 *
 * Invariants:
 * 1. It knows the earliest due time of every key of its partition up to its horizon, a time; beyond that it reads
 *    the store again. At most twice `keysMax` keys are kept.
 * 2. A key has at most one wake on its way: the next is sent when a committed batch has looked at the key again, or
 *    `againMs` later, then after twice as long, and so on.
 * 3. Its clock only says when to ask, never whether something is due.
 */
import type { Binding } from './batch-interface.ts'
import type { DomainEvent } from './decider.ts'
import type { CommandAppender, DueKey, PartitionId, Scheduler } from './ports.ts'

export interface AlarmOptions {
  readonly keysMax: number
  /** Wakes sent at once. */
  readonly wakesMax: number
  /** After so long a key that is still due is woken again, milliseconds. */
  readonly againMs: number
  /** How often the store is read when nothing else is planned, and after a fault, milliseconds. */
  readonly reloadMs: number
}

export const defaultAlarmOptions: AlarmOptions = {
  keysMax: 10_000,
  wakesMax: 500,
  againMs: 1000,
  reloadMs: 60_000,
}

/** After a wake that could not be sent, milliseconds. */
const RETRY_MS = 250
/** Clocks differ: a wake that comes a little early is sent again after this long, then twice as long, milliseconds. */
const EARLY_AGAIN_MS = 20
/** The longest wait for a wake of which nothing is heard, milliseconds. */
const AGAIN_MAX_MS = 60_000

export interface AlarmDeps {
  readonly appender: CommandAppender
  readonly binding: Pick<Binding<DomainEvent>, 'wakeCommand'>
  readonly scheduler: Scheduler
  /** The keys with something due, the earliest first. */
  readonly dueKeys: (limit: number) => Promise<readonly DueKey[]>
  /** What goes wrong here is tried again. Must not throw. */
  readonly fault: (error: unknown) => void
}

interface Wake {
  readonly atMs: number
  /** Not to be sent before. */
  readonly notBeforeMs: number
  /** Wakes sent since the key was last looked at. */
  readonly rings: number
  /** How often in a row a look at the key for this very time has changed nothing. */
  readonly early: number
}

export class Alarm {
  readonly #id: PartitionId
  readonly #deps: AlarmDeps
  readonly #options: AlarmOptions
  readonly #wakes = new Map<string, Wake>()
  readonly #closed = new AbortController()
  #horizonMs = Number.NEGATIVE_INFINITY
  #rung = new AbortController()
  #plannedMs = Number.NEGATIVE_INFINITY
  #done: Promise<void> | null = null

  constructor(id: PartitionId, deps: AlarmDeps, options: AlarmOptions = defaultAlarmOptions) {
    this.#id = id
    this.#deps = deps
    this.#options = options
  }

  /** Also after a fault: what an unknown commit made due is in the store, if anywhere. */
  start(): void {
    this.#horizonMs = Number.NEGATIVE_INFINITY
    this.#rung.abort()
    this.#done ??= this.#run()
  }

  async close(): Promise<void> {
    this.#closed.abort()
    this.#rung.abort()
    await this.#done
  }

  /**
   * What a committed batch has found at the keys that it looked at, and which of them it changed. A key that is due still
   * was woken too early (clocks differ), and the less often the longer that lasts; or one wake was not enough.
   */
  update(due: ReadonlyMap<string, number | null>, changed: ReadonlyMap<string, unknown>): void {
    const nowMs = this.#deps.scheduler.nowMs()
    for (const [key, atMs] of due) {
      if (atMs === null) this.#wakes.delete(key)
      else {
        const known = this.#wakes.get(key)
        const early = known?.atMs === atMs && !changed.has(key) ? known.early + 1 : 0
        const pauseMs = Math.min(EARLY_AGAIN_MS * 2 ** Math.max(0, early - 1), this.#options.againMs)
        const notBeforeMs = atMs <= nowMs ? nowMs + pauseMs : atMs
        this.#wakes.set(key, { atMs, notBeforeMs, rings: 0, early })
        if (notBeforeMs < this.#plannedMs) this.#rung.abort()
      }
    }
    this.#keepBounded()
  }

  /** Keeps the earliest keys; what is dropped is found again when its time comes. */
  #keepBounded(): void {
    const { keysMax } = this.#options
    if (this.#wakes.size <= keysMax * 2) return
    const sorted = [...this.#wakes].sort(([, a], [, b]) => a.atMs - b.atMs)
    for (const [key, { atMs }] of sorted.slice(keysMax)) {
      this.#wakes.delete(key)
      this.#horizonMs = Math.min(this.#horizonMs, atMs)
    }
  }

  async #run(): Promise<void> {
    const { scheduler, fault } = this.#deps
    while (!this.#closed.signal.aborted) {
      this.#rung = new AbortController()
      this.#plannedMs = Number.POSITIVE_INFINITY
      let waitMs: number
      try {
        const nowMs = scheduler.nowMs()
        if (nowMs >= this.#horizonMs) await this.#load(nowMs)
        waitMs = await this.#ring(scheduler.nowMs())
      } catch (error) {
        fault(error)
        waitMs = RETRY_MS
      }
      this.#plannedMs = scheduler.nowMs() + waitMs
      const { signal } = this.#rung
      if (!signal.aborted && !this.#closed.signal.aborted) await scheduler.delay(waitMs, signal)
    }
  }

  /** What commits bring meanwhile is newer than the answer, and stays. */
  async #load(nowMs: number): Promise<void> {
    const { keysMax, reloadMs } = this.#options
    this.#horizonMs = Number.POSITIVE_INFINITY
    try {
      const keys = await this.#deps.dueKeys(keysMax)
      const last = keys.length < keysMax ? undefined : keys.at(-1)
      for (const { key, atMs } of keys) {
        const known = this.#wakes.get(key)
        if (known === undefined || atMs < known.atMs)
          this.#wakes.set(key, { atMs, notBeforeMs: atMs, rings: 0, early: 0 })
      }
      const horizonMs = last === undefined ? nowMs + reloadMs : Math.max(last.atMs, nowMs + RETRY_MS)
      this.#horizonMs = Math.min(this.#horizonMs, horizonMs)
      this.#keepBounded()
    } catch (error) {
      this.#horizonMs = Number.NEGATIVE_INFINITY
      throw error
    }
  }

  /** Sends the wakes that are due; answers after how long to look again. */
  async #ring(nowMs: number): Promise<number> {
    const { appender, binding } = this.#deps
    const { wakesMax, againMs } = this.#options
    const appends: Promise<void>[] = []
    let nextMs = this.#horizonMs
    for (const [key, wake] of this.#wakes) {
      const { atMs, notBeforeMs, rings } = wake
      if (notBeforeMs > nowMs || appends.length >= wakesMax) {
        nextMs = Math.min(nextMs, Math.max(notBeforeMs, nowMs + 1))
        continue
      }
      // It may wait in the log: the longer nothing is heard of it, the less another would help.
      const pauseMs = Math.min(againMs * 2 ** rings, AGAIN_MAX_MS)
      const sent = { ...wake, notBeforeMs: nowMs + pauseMs, rings: rings + 1 }
      this.#wakes.set(key, sent)
      nextMs = Math.min(nextMs, nowMs + pauseMs)
      appends.push(
        appender.append(this.#id, key, binding.wakeCommand(key, atMs)).then(
          () => undefined,
          (error: unknown) => this.#unsent(key, sent, error),
        ),
      )
    }
    await Promise.all(appends)
    return Math.max(1, nextMs - this.#deps.scheduler.nowMs())
  }

  /** It does not count as sent: the log may be there again soon. */
  #unsent(key: string, sent: Wake, error: unknown): void {
    this.#deps.fault(error)
    if (this.#wakes.get(key) !== sent) return
    this.#wakes.set(key, { ...sent, rings: 0 })
  }
}
