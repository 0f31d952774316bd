/**
 * Decides one batch of records: pure and synchronous. The same records over the same state give the same effects (I6).
 */
import { createHash } from 'node:crypto'
import type { Command, Decider, DomainEvent, Header, Unreadable } from './decider.ts'
import type {
  BatchEffects,
  CommittedBatch,
  DeadLetter,
  DeadLetterCode,
  HeaderChange,
  LedgerEntry,
  LogRecord,
  OutgoingMessage,
  PartitionId,
  Progress,
  RememberedOutcome,
  RowChange,
} from './ports.ts'

/** A record and what it was read as. */
export interface ParsedRecord<C> {
  readonly record: LogRecord
  readonly command: C | Unreadable
}

/** State as it was before the batch: from the batch in flight, the cache and the prefetch, newest first. */
export interface StateBefore<H extends Header, R, O> {
  header(key: string): H | null
  row(id: string): R | undefined
  remembered(commandId: string): O | undefined
}

/** How the domain is bound to the log. */
export interface Binding<E extends DomainEvent> {
  /** Kafka's answer to which partition a key belongs to. A command elsewhere would have two writers (I4). */
  partitionOfKey(key: string): number
  /** The message an event leaves as. Its sequence is gapless per partition (I8). */
  toMessage(id: PartitionId, key: string, event: E, position: EventPosition): OutgoingMessage
}

export interface EventPosition {
  readonly seq: number
  /** The key's ledger version after the event; unchanged by a rejection. */
  readonly version: number
  readonly atMs: number
}

export interface DecidedBatch<E extends DomainEvent, H extends Header, R, O> {
  readonly effects: BatchEffects<E, H, R, O>
  readonly committed: CommittedBatch<H, O>
  /** Set when the record after the batch's last one may not be discarded: the partition halts there. */
  readonly halt: string | null
}

export interface BatchInput<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly decider: Decider<C, E, H, R, O>
  readonly binding: Binding<E>
  readonly id: PartitionId
  readonly from: Progress
  readonly records: readonly ParsedRecord<C>[]
  readonly before: StateBefore<H, R, O>
  /** Offsets that the database refused: they become dead letters. */
  readonly refusedOffsets: ReadonlyMap<number, string>
}

/** Decides `records`, which start exactly at `from.nextOffset`. Throws only on a broken invariant. */
export function decideBatch<C extends Command, E extends DomainEvent, H extends Header, R, O>(
  input: BatchInput<C, E, H, R, O>,
): DecidedBatch<E, H, R, O> {
  const batch = new BatchInProgress(input)
  let last: LogRecord | null = null
  let halt: string | null = null
  for (const { record, command } of input.records) {
    if ('unreadable' in command && command.unreadable === 'newer-schema') {
      halt = `offset ${record.offset}: ${command.detail}`
      break
    }
    batch.apply(record, command)
    last = record
  }
  return batch.finish(last, halt)
}

/** What identifies a record of the log across restarts: SHA-256 of key and value, 16 bytes, hex. */
export function recordDigest(record: Pick<LogRecord, 'key' | 'value'>): string {
  const hash = createHash('sha256')
  hash.update(`${record.key?.length ?? -1}:${record.value?.length ?? -1}:`)
  if (record.key !== null) hash.update(record.key)
  if (record.value !== null) hash.update(record.value)
  return hash.digest('hex').slice(0, 32)
}

class BatchInProgress<C extends Command, E extends DomainEvent, H extends Header, R, O> {
  readonly #input: BatchInput<C, E, H, R, O>
  readonly #headers = new Map<string, HeaderChange<H>>()
  readonly #rows = new Map<string, RowChange<R>>()
  readonly #remembered = new Map<string, RememberedOutcome<O>>()
  readonly #ledger: LedgerEntry<E, H>[] = []
  readonly #messages: OutgoingMessage[] = []
  readonly #deadLetters: DeadLetter[] = []
  readonly #replies: { to: string; outcome: O }[] = []
  readonly #outcomes = new Map<string, number>()
  readonly #appendedAt = new Map<number, number>()
  #atMs: number
  #decided = 0

  constructor(input: BatchInput<C, E, H, R, O>) {
    this.#input = input
    this.#atMs = input.from.logTimeMs
  }

  apply(record: LogRecord, command: C | Unreadable): void {
    this.#atMs = Math.max(this.#atMs, record.timeMs)
    count(this.#appendedAt, record.timeMs)
    const refused = this.#input.refusedOffsets.get(record.offset)
    if ('unreadable' in command) this.#bury(record, command.commandId, 'malformed', command.detail)
    else if (refused !== undefined) this.#bury(record, command.id, 'data-error', refused)
    else this.#decide(record, command)
  }

  finish(last: LogRecord | null, halt: string | null): DecidedBatch<E, H, R, O> {
    const { id, from } = this.#input
    const to: Progress = {
      ...from,
      nextOffset: last === null ? from.nextOffset : last.offset + 1,
      logTimeMs: this.#atMs,
      lastRecord: last === null ? from.lastRecord : { digest: recordDigest(last), timeMs: last.timeMs },
      eventSeq: from.eventSeq + this.#messages.length,
    }
    const segment =
      this.#messages.length === 0
        ? null
        : { firstSeq: from.eventSeq + 1, lastSeq: to.eventSeq, messages: this.#messages }
    return {
      halt,
      effects: {
        id,
        from,
        to,
        headers: this.#headers,
        rows: this.#rows,
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
        replies: this.#replies,
        decided: this.#decided,
        firstTimeMs: this.#input.records[0]?.record.timeMs ?? this.#atMs,
        outcomes: this.#outcomes,
        appendedAt: this.#appendedAt,
      },
    }
  }

  #decide(record: LogRecord, command: C): void {
    const { decider, binding, id, before } = this.#input
    const needs = decider.needs(command)
    const repeated = needs.remembered
      ? (this.#remembered.get(command.id)?.outcome ?? before.remembered(command.id))
      : undefined
    if (repeated !== undefined) {
      this.#answer(command, decider.repeat(command, repeated))
      return
    }
    const key = needs.key ?? this.#keyOfRows(needs.rowIds)
    if (key !== null && binding.partitionOfKey(key) !== id.partition) {
      this.#bury(
        record,
        command.id,
        'misrouted',
        `its key belongs to partition ${binding.partitionOfKey(key)}`,
      )
      return
    }
    const header = key === null ? null : this.#header(key)
    const view = { header, row: (rowId: string) => this.#row(rowId) }
    const { events, outcome } = decider.decide(view, command, this.#atMs)
    for (const event of events) this.#evolve(key, event)
    if (needs.remembered) {
      this.#remembered.set(command.id, { commandId: command.id, atMs: this.#atMs, outcome })
    }
    this.#answer(command, outcome)
  }

  #evolve(key: string | null, event: E): void {
    if (key === null) throw new Error(`event ${event.type} without a key`)
    const { decider, binding, id, from } = this.#input
    const header = this.#header(key)
    const row = event.rowId === null ? undefined : this.#row(event.rowId)
    const after = decider.evolve({ header, row }, event, this.#atMs)
    const version = after.header?.version ?? 0
    const step = version - (header?.version ?? 0)
    if (step !== 0 && step !== 1)
      throw new Error(`event ${event.type} moves the version of ${key} by ${step}`)
    if (step === 1 && after.header !== null) {
      this.#ledger.push({ key, atMs: this.#atMs, event, before: header, after: after.header })
    }
    if (after.header !== null && after.header !== header) {
      const created = this.#headers.get(key)?.created ?? header === null
      this.#headers.set(key, { header: after.header, created })
    }
    if (event.rowId !== null && after.row !== undefined && after.row !== row) {
      const created = this.#rows.get(event.rowId)?.created ?? row === undefined
      this.#rows.set(event.rowId, { row: after.row, created })
    }
    const seq = from.eventSeq + this.#messages.length + 1
    this.#messages.push(binding.toMessage(id, key, event, { seq, version, atMs: this.#atMs }))
  }

  #keyOfRows(rowIds: readonly string[]): string | null {
    for (const rowId of rowIds) {
      const row = this.#row(rowId)
      if (row !== undefined) return this.#input.decider.keyOfRow(row)
    }
    return null
  }

  #header(key: string): H | null {
    return this.#headers.get(key)?.header ?? this.#input.before.header(key)
  }

  #row(rowId: string): R | undefined {
    return this.#rows.get(rowId)?.row ?? this.#input.before.row(rowId)
  }

  #answer(command: C, outcome: O): void {
    this.#decided++
    count(this.#outcomes, this.#input.decider.codeOf(outcome))
    if (command.reply_to !== undefined) {
      this.#replies.push({ to: command.reply_to, outcome })
    }
  }

  #bury(record: LogRecord, commandId: string | null, code: DeadLetterCode, detail: string): void {
    const { offset, key, value } = record
    this.#deadLetters.push({ offset, atMs: this.#atMs, commandId, key, value, code, detail })
  }
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
