/**
 * The continuous auditor: looks at one slot after the other, among the partitions that this worker writes, and says what
 * does not agree with its ledger. By turns a slot that has just changed and the next one in the order of ids.
 *
 * Modes: waiting ⇄ looking → closed.
 *
 * Invariants:
 * 1. One look at a time, on a connection of its own that cannot write; a look that takes too long is given up.
 * 2. A look sees one snapshot of the database: a slot that changes meanwhile gives no false alarm.
 * 3. A look reads at most `newestEntries` entries. Of a longer ledger it checks that its newest part is sound and leads
 *    to the stored slot, and the reservations it names; what is older is left to `ironsys audit`.
 * 4. What is logged names slots, reservations and fields, never what is in them: a user id stays in the database.
 * 5. Everything kept is bounded: changed slots that wait to be looked at, and findings that were already told.
 */
import {
  auditOneSlot,
  type CheckName,
  type Finding,
  Protocol,
  slotChecks,
  slotIdsAfter,
} from '@ironsys/audit'
import { partitionOfKey } from '@ironsys/contracts'
import type { Scheduler, WriterObserver } from '@ironsys/engine'
import type { Pool } from '@ironsys/postgres'
import type { Logger, WorkerMetrics } from '@ironsys/telemetry'

export interface AuditorOptions {
  /** Between two looks, milliseconds. */
  readonly intervalMs: number
  readonly newestEntries: number
  /** Of one look, milliseconds. */
  readonly timeoutMs: number
  readonly changedSlotsMax: number
  /** A hold that is over for longer is stuck, milliseconds. */
  readonly stuckAfterMs: number
  readonly toldFindingsMax: number
}

export const auditorDefaults: Omit<AuditorOptions, 'intervalMs'> = {
  newestEntries: 2000,
  timeoutMs: 2000,
  changedSlotsMax: 1000,
  stuckAfterMs: 60_000,
  toldFindingsMax: 1000,
}

export interface AuditorDeps {
  readonly pool: Pool
  /** Whether this process writes the partition now. */
  readonly owns: (partition: number) => boolean
  readonly partitionCount: number
  readonly scheduler: Scheduler
  readonly metrics: Pick<
    WorkerMetrics,
    | 'auditChecked'
    | 'auditFindings'
    | 'auditFailures'
    | 'auditSeconds'
    | 'auditLastSuccess'
    | 'auditRoundSeconds'
  >
  readonly logger: Pick<Logger, 'error' | 'warn' | 'info'>
}

export interface Auditor {
  /** The observer, and the auditor learns which slots have changed. */
  watching(observer: WriterObserver): WriterObserver
  /** Waits for the look under way. */
  close(): Promise<void>
}

/** Starts looking at once. */
export function startAuditor(deps: AuditorDeps, options: AuditorOptions): Auditor {
  const auditor = new ContinuousAuditor(deps, options)
  const ended = auditor.run()
  return {
    watching: (observer) => ({
      ...observer,
      committed: (batch, phases) => {
        observer.committed(batch, phases)
        auditor.noteChanged(batch.effects.headers.keys())
      },
    }),
    close: async () => {
      auditor.stop()
      await ended
    },
  }
}

/** Of one batch: the auditor looks at a few slots a second, and must cost a busy writer nothing. */
const NOTED_PER_BATCH = 5
/** Ids that are read at once in the search for the next slot of an owned partition. */
const IDS_AT_ONCE = 200
const FINDINGS_PER_LOOK = 20
/** Snapshots are left to `ironsys audit`. */
const ledgerChecks: readonly CheckName[] = slotChecks.filter((name) => !name.startsWith('snapshot'))

class ContinuousAuditor {
  readonly #deps: AuditorDeps
  readonly #options: AuditorOptions
  readonly #stopped = new AbortController()
  /** Oldest first. */
  readonly #changed = new Set<string>()
  readonly #told = new Set<string>()
  /** Where the round through all slots stands, and when it began. */
  #after: string | null = null
  #roundBeganMs: number
  #turn = 0
  #failing = false

  constructor(deps: AuditorDeps, options: AuditorOptions) {
    this.#deps = deps
    this.#options = options
    this.#roundBeganMs = deps.scheduler.nowMs()
    // A rate over what appears with its first finding would not see that finding.
    for (const check of ledgerChecks) deps.metrics.auditFindings.with({ check })
  }

  stop(): void {
    this.#stopped.abort()
  }

  noteChanged(slotIds: Iterable<string>): void {
    let noted = 0
    for (const slotId of slotIds) {
      if (noted++ === NOTED_PER_BATCH || this.#changed.size >= this.#options.changedSlotsMax) return
      this.#changed.add(slotId)
    }
  }

  async run(): Promise<void> {
    const { scheduler } = this.#deps
    while (!this.#stopped.signal.aborted) {
      await scheduler.delay(this.#options.intervalMs, this.#stopped.signal)
      if (!this.#stopped.signal.aborted) await this.#look()
    }
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { scheduler, metrics, logger } = this.#deps
    const beganMs = scheduler.nowMs()
    try {
      const slotId = (this.#turn++ % 2 === 0 ? this.#nextChanged() : null) ?? (await this.#nextInOrder())
      if (slotId !== null) await this.#audit(slotId)
      const nowMs = scheduler.nowMs()
      metrics.auditSeconds.observe((nowMs - beganMs) / 1000)
      metrics.auditLastSuccess.set(nowMs / 1000)
      if (this.#failing) logger.info({}, 'auditing again')
      this.#failing = false
    } catch (err) {
      metrics.auditFailures.inc()
      if (!this.#failing) logger.warn({ err }, 'a slot could not be audited')
      this.#failing = true
    }
  }

  #nextChanged(): string | null {
    for (const slotId of this.#changed) {
      this.#changed.delete(slotId)
      if (this.#owns(slotId)) return slotId
    }
    return null
  }

  /** Null when there is none within the next {@link IDS_AT_ONCE} ids, or at the end of a round. */
  async #nextInOrder(): Promise<string | null> {
    const { pool, scheduler, metrics } = this.#deps
    const ids = await slotIdsAfter(pool, this.#after, IDS_AT_ONCE, this.#options.timeoutMs)
    const found = ids.find((id) => this.#owns(id)) ?? null
    this.#after = found ?? ids.at(-1) ?? null
    if (found === null && ids.length < IDS_AT_ONCE) {
      const nowMs = scheduler.nowMs()
      metrics.auditRoundSeconds.set((nowMs - this.#roundBeganMs) / 1000)
      this.#roundBeganMs = nowMs
      this.#after = null
    }
    return found
  }

  async #audit(slotId: string): Promise<void> {
    const { pool, metrics } = this.#deps
    const protocol = new Protocol(ledgerChecks, FINDINGS_PER_LOOK)
    await auditOneSlot(pool, slotId, protocol, {
      findingsMax: FINDINGS_PER_LOOK,
      statementTimeoutMs: this.#options.timeoutMs,
      newestEntries: this.#options.newestEntries,
      stuckAfterMs: this.#options.stuckAfterMs,
    })
    metrics.auditChecked.inc()
    for (const finding of protocol.report(0).findings) this.#tell(finding)
  }

  /**
   * Once for each check, slot and field, however the slot moves on. Forgotten after many others, it is told again.
   */
  #tell({ check, slotId, subject, fields = [] }: Finding): void {
    const { metrics, logger } = this.#deps
    const fresh = (fields.length > 0 ? fields : ['row'])
      .map((field) => `${check} ${slotId} ${field}`)
      .filter((key) => !this.#told.has(key))
    if (fresh.length === 0) return
    for (const key of fresh) this.#remember(key)
    metrics.auditFindings.with({ check }).inc()
    logger.error({ check, subject, fields }, 'audit finding: see ironsys audit')
  }

  #remember(key: string): void {
    const [oldest] = this.#told
    if (oldest !== undefined && this.#told.size >= this.#options.toldFindingsMax) this.#told.delete(oldest)
    this.#told.add(key)
  }

  #owns(slotId: string): boolean {
    return this.#deps.owns(partitionOfKey(slotId, this.#deps.partitionCount))
  }
}
