/** A batch while it is decided: its effects so far, laid over the state before it. */
import type { BatchInput, DecidedBatch } from './batch-interface.ts'
import { type Command, type DomainEvent, DUE_LIST, type Header, type Unreadable } from './decider.ts'
import type {
  DeadLetter,
  DeadLetterCode,
  HeaderChange,
  LedgerEntry,
  LogRecord,
  OutgoingMessage,
  Progress,
  RememberedOutcome,
  RowChange,
} from './ports.ts'
import { recordDigest } from './record-digest.ts'
import { PageNeeded, RowLists } from './row-lists.ts'

export class BatchInProgress<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly #input: BatchInput<C, E, H, R, O>
  readonly #headers = new Map<string, HeaderChange<H>>()
  readonly #rows = new Map<string, RowChange<R>>()
  /** Keys that are removed, and the last version that each of them can have had. */
  readonly #removed = new Map<string, number>()
  readonly #lists: RowLists<R>
  readonly #lookedAt = new Set<string>()
  readonly #remembered = new Map<string, RememberedOutcome<O>>()
  #ledger: LedgerEntry<E, H>[] = []
  readonly #messages: OutgoingMessage[] = []
  readonly #deadLetters: DeadLetter[] = []
  readonly #replies: { to: string; outcome: O }[] = []
  readonly #outcomes = new Map<string, number>()
  readonly #appendedAt = new Map<number, number>()
  #atMs: number
  #events = 0
  #decided = 0
  #isAmidSteps = false
  /** Of the record that is next. */
  #steps: number

  constructor(input: BatchInput<C, E, H, R, O>) {
    this.#input = input
    this.#atMs = input.from.logTimeMs
    this.#steps = input.from.steps
    const { decider, before } = input
    this.#lists = new RowLists({
      decider,
      page: (key, list) => before.page(key, list),
      empty: (key, list) => before.emptyList(key, list),
      changed: before.changedRows,
      row: (id) => this.#row(id),
    })
  }

  get isFull(): boolean {
    return this.#events >= this.#input.eventsMax
  }

  /** `full`: the record has steps left for the next batch. */
  apply(record: LogRecord, command: C | Unreadable): 'decided' | 'full' | PageNeeded {
    const clampMs = this.#atMs
    const events = this.#events
    this.#atMs = Math.max(clampMs, record.timeMs)
    const refused = this.#input.refusedOffsets.get(record.offset)
    if ('unreadable' in command) this.#bury(record, command.commandId, 'malformed', command.detail)
    else if (refused !== undefined) this.#bury(record, command.id, 'data-error', refused)
    else {
      const ending = this.#decide(record, command)
      if (ending !== 'decided') {
        if (this.#events === events) this.#atMs = clampMs
        else this.#isAmidSteps = true
        return ending
      }
    }
    this.#steps = 0
    count(this.#appendedAt, record.timeMs)
    return 'decided'
  }

  finish(consumed: number, needed: PageNeeded | null, halt: string | null): DecidedBatch<E, H, R, O> {
    const { id, from, records } = this.#input
    const last = consumed === 0 ? null : (records[consumed - 1]?.record ?? null)
    const to: Progress = {
      ...from,
      nextOffset: last === null ? from.nextOffset : last.offset + 1,
      logTimeMs: this.#atMs,
      lastRecord: last === null ? from.lastRecord : { digest: recordDigest(last), timeMs: last.timeMs },
      eventSeq: from.eventSeq + this.#events,
      steps: this.#steps,
    }
    const segment =
      this.#events === 0
        ? null
        : { firstSeq: from.eventSeq + 1, lastSeq: to.eventSeq, messages: this.#messages }
    return {
      consumed,
      touched: consumed + (this.#isAmidSteps ? 1 : 0),
      needed,
      reached: this.#lists.reached().filter(({ list }) => this.#input.decider.standingLists.includes(list)),
      halt,
      effects: {
        id,
        from,
        to,
        headers: this.#headers,
        rows: this.#rows,
        removedKeys: new Set(this.#removed.keys()),
        ledger: this.#ledger,
        remembered: [...this.#remembered.values()],
        deadLetters: this.#deadLetters,
        segment,
      },
      committed: {
        id,
        epoch: from.epoch,
        nextOffset: to.nextOffset,
        headers: new Map([...this.#headers].map(([key, change]) => [key, change.header])),
        removed: this.#removed,
        due: new Map([...this.#lookedAt].flatMap((key) => this.#dueAt(key))),
        replies: this.#replies,
        decided: this.#decided,
        firstTimeMs: records[0]?.record.timeMs ?? this.#atMs,
        outcomes: this.#outcomes,
        appendedAt: this.#appendedAt,
      },
    }
  }

  #dueAt(key: string): readonly (readonly [string, number | null])[] {
    const header = this.#header(key)
    if (header === null) return [[key, null]]
    const ownMs = this.#input.decider.dueAtOfHeader(header)
    const rowMs = this.#lists.first(key, DUE_LIST)
    if (rowMs === undefined) return ownMs === null ? [] : [[key, ownMs]]
    return [[key, ownMs === null || rowMs === null ? (ownMs ?? rowMs) : Math.min(ownMs, rowMs)]]
  }

  #decide(record: LogRecord, command: C): 'decided' | 'full' | PageNeeded {
    const { decider, binding, id, before } = this.#input
    const needs = decider.needs(command)
    const repeated = needs.remembered
      ? (this.#remembered.get(command.id)?.outcome ?? before.remembered(command.id))
      : undefined
    if (repeated !== undefined) {
      this.#answer(command, decider.repeat(command, repeated), undefined)
      return 'decided'
    }
    const key = needs.key ?? this.#keyOfRows(needs.rowIds)
    if (key !== null && binding.partitionOfKey(key) !== id.partition) {
      const home = binding.partitionOfKey(key)
      this.#bury(record, command.id, 'misrouted', `its key belongs to partition ${home}`)
      return 'decided'
    }
    return this.#decideSteps(key, command, needs.remembered)
  }

  #decideSteps(key: string | null, command: C, remembered: boolean): 'decided' | 'full' | PageNeeded {
    const { decider } = this.#input
    if (key !== null) this.#lookedAt.add(key)
    for (;;) {
      const view = {
        header: key === null ? null : this.#header(key),
        row: (rowId: string) => this.#row(rowId),
        list: (name: string, upTo?: number) => (key === null ? [] : this.#lists.read(key, name, upTo)),
        steps: this.#steps,
      }
      try {
        const decision = decider.decide(view, command, this.#atMs)
        if ('step' in decision) {
          if (decision.step.length === 0) throw new Error(`a step of ${command.id} without an event`)
          for (const event of decision.step) this.#evolve(key, event)
          this.#steps++
          if (this.isFull) return 'full'
          continue
        }
        const { events, outcome, replyTo } = decision
        for (const event of events) this.#evolve(key, event)
        if (remembered) {
          this.#remembered.set(command.id, { commandId: command.id, atMs: this.#atMs, outcome })
        }
        this.#answer(command, outcome, replyTo)
        return 'decided'
      } catch (error) {
        if (error instanceof PageNeeded) return error
        throw error
      }
    }
  }

  #evolve(key: string | null, event: E): void {
    if (key === null) throw new Error(`event ${event.type} without a key`)
    const { decider, binding, id, from } = this.#input
    const header = this.#header(key)
    const row = event.rowId === null ? undefined : this.#row(event.rowId)
    const after = decider.evolve({ header, row }, event, this.#atMs)
    const version = after.header?.version ?? (header?.version ?? 0) + (header === null ? 0 : 1)
    const step = version - (header?.version ?? 0)
    if (step !== 0 && step !== 1)
      throw new Error(`event ${event.type} moves the version of ${key} by ${step}`)
    if (after.header === null && header !== null) this.#remove(key, header.version)
    else this.#keep(key, event, { header, row }, after)
    this.#events++
    const position = { seq: from.eventSeq + this.#events, version, atMs: this.#atMs }
    this.#messages.push(binding.toMessage(id, key, event, position))
    this.#messages.push(...binding.followUps(key, event, position))
  }

  #keep(
    key: string,
    event: E,
    before: { readonly header: H | null; readonly row: R | undefined },
    { header, row }: { readonly header: H | null; readonly row: R | undefined },
  ): void {
    if (header !== null && header.version !== (before.header?.version ?? 0)) {
      this.#ledger.push({ key, atMs: this.#atMs, event, before: before.header, after: header })
    }
    if (header !== null && header !== before.header) {
      const created = this.#headers.get(key)?.created ?? before.header === null
      this.#headers.set(key, { header, created })
    }
    if (event.rowId !== null && row !== undefined && row !== before.row) {
      const created = this.#rows.get(event.rowId)?.created ?? before.row === undefined
      this.#rows.set(event.rowId, { row, created })
      this.#lists.change(before.row, row)
    }
  }

  /** The key goes with all that belongs to it; what this very batch did for it need not be written any more. */
  #remove(key: string, version: number): void {
    const { decider } = this.#input
    // Also one that this batch has made: rows may have been refused for want of it before. It may have lived twice.
    this.#removed.set(key, Math.max(version, this.#removed.get(key) ?? 0))
    this.#headers.delete(key)
    this.#lists.removed(key)
    this.#ledger = this.#ledger.filter((entry) => entry.key !== key)
    for (const [rowId, { row }] of this.#rows) {
      if (decider.keyOfRow(row) === key) this.#rows.delete(rowId)
    }
  }

  #keyOfRows(rowIds: readonly string[]): string | null {
    for (const rowId of rowIds) {
      const row = this.#row(rowId)
      if (row !== undefined) return this.#input.decider.keyOfRow(row)
    }
    return null
  }

  #header(key: string): H | null {
    const changed = this.#headers.get(key)
    if (changed !== undefined) return changed.header
    return this.#removed.has(key) ? null : this.#input.before.header(key)
  }

  #row(rowId: string): R | undefined {
    const own = this.#rows.get(rowId)?.row
    if (own !== undefined) return own
    const row = this.#input.before.row(rowId)
    return row !== undefined && this.#removed.has(this.#input.decider.keyOfRow(row)) ? undefined : row
  }

  #answer(command: C, outcome: O, replyTo: string | null | undefined): void {
    this.#decided++
    count(this.#outcomes, this.#input.decider.codeOf(outcome))
    const to = replyTo === undefined ? command.reply_to : replyTo
    if (to !== undefined && to !== null) this.#replies.push({ to, outcome })
  }

  #bury(record: LogRecord, commandId: string | null, code: DeadLetterCode, detail: string): void {
    const { offset, key, value } = record
    this.#deadLetters.push({ offset, atMs: this.#atMs, commandId, key, value, code, detail })
  }
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
