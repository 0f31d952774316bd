/**
 * Watches every commit of bookings: what each command leads to, what slots are told, and that no reservation's fate
 * contradicts its booking's.
 */
import type { Booking, BookingEvent } from '@ironsys/bookings'
import { type CommandOutcome, topics } from '@ironsys/contracts'
import type { BatchEffects, LogRecord } from '@ironsys/engine'
import type { MemoryDatabase } from '../twins/index.ts'
import type { Effects } from './checker.ts'
import {
  type BookingCommand,
  type BookingDecision,
  type BookingMeaning,
  BookingModel,
  type ExpectedEvent,
} from './model/booking-model.ts'
import { PartitionChecks } from './partition-checks.ts'
import type { Findings } from './violations.ts'

export type BookingEffects = BatchEffects<BookingEvent, Booking, never, CommandOutcome>
export type BookingDatabase = MemoryDatabase<BookingEvent, Booking, never, CommandOutcome>

export class BookingChecker {
  readonly findings: Findings
  readonly checks: PartitionChecks
  readonly model = new BookingModel()
  readonly meanings = new Map<string, BookingMeaning>()
  readonly decisions = new Map<string, BookingDecision[]>()

  constructor(findings: Findings, partitions: number) {
    this.findings = findings
    this.checks = new PartitionChecks(findings, topics.bookingCommands, topics.bookingEvents, partitions)
  }

  /** Called at the instant of each commit, `database` being as it is after it. */
  committed(effects: BookingEffects, database: BookingDatabase): void {
    const records = this.checks.consume(effects)
    if (records === null) return
    const said = saidBy(effects)
    const expected: ExpectedEvent[] = []
    const touched = new Set(effects.headers.keys())
    const letters = records.flatMap(([record, atMs]) => this.#apply(record, atMs, expected, touched))
    this.#applySteps(effects, said.slice(expected.length), expected)
    this.checks.finish(effects, letters)
    const [is, should] = [said, expected].map((events) => JSON.stringify(events.map(textOf)))
    this.findings.expect(is === should, 'booking', () => `committed ${is}, expected ${should}`)
    for (const id of touched) this.#compare(id, database.headers.get(id))
  }

  /** A reservation of a booking has changed: its booking must have wanted that. */
  reservationsCommitted({ rows }: Effects, bookings: BookingDatabase): void {
    for (const { row } of rows.values()) {
      if (row.bookingId === null) continue
      const status = bookings.headers.get(row.bookingId)?.status
      const wrong =
        row.status === 'expired' ||
        (row.status === 'cancelled' && (status === 'confirmed' || status === 'held')) ||
        (row.status === 'confirmed' && status !== 'confirmed' && status !== 'cancelled')
      this.findings.expect(
        !wrong,
        'booking',
        () => `reservation ${row.id} is ${row.status}, its booking ${row.bookingId} ${status}`,
      )
    }
  }

  #apply(
    record: LogRecord,
    atMs: number,
    expected: ExpectedEvent[],
    touched: Set<string>,
  ): readonly string[] {
    const meaning = this.#meaningOf(record)
    if (meaning.kind === 'poison') return [`${record.offset} ${meaning.code}`]
    const { command } = meaning
    touched.add(command.bookingId)
    expected.push(...this.model.pass(command.bookingId, atMs))
    const decided = this.model.apply(command, atMs, expected)
    const before = this.decisions.get(command.id)
    if (before === undefined) this.decisions.set(command.id, [decided])
    else before.push(decided)
    return []
  }

  /** A deadline that came before the next record. */
  #applySteps({ id, to }: BookingEffects, left: readonly ExpectedEvent[], expected: ExpectedEvent[]): void {
    if (left.length === 0) return
    for (const record of this.checks.begin(id.partition, to.logTimeMs)) {
      const meaning = this.#meaningOf(record)
      if (meaning.kind === 'command')
        expected.push(...this.model.pass(meaning.command.bookingId, to.logTimeMs))
    }
  }

  #meaningOf({ value }: LogRecord): BookingMeaning {
    const text = value?.toString() ?? ''
    return this.meanings.get(text) ?? { kind: 'command', command: commandOfWorker(text) }
  }

  #compare(id: string, stored: Booking | undefined): void {
    const expected = this.model.bookings.get(id)
    const parts = ({
      status,
      reason,
      deadlineMs,
    }: Pick<Booking, 'status' | 'deadlineMs'> & { reason: string | null }) =>
      `${status} for ${reason} until ${deadlineMs}`
    const [is, should] = [stored && parts(stored), expected && parts(expected)]
    this.findings.expect(is === should, 'I3', () => `booking ${id} is ${is}, expected ${should}`)
  }
}

/** What slots' writers answer, and wakes. */
function commandOfWorker(text: string): BookingCommand {
  const { type, id, booking_id: bookingId, reservation_id: reservationId, code } = JSON.parse(text)
  switch (type) {
    case 'item_decided':
      return { type, id, bookingId, reservationId, code }
    case 'hold_overdue':
      return { type, id, bookingId, reservationId }
    case 'wake_booking':
      return { type, id, bookingId }
    default:
      throw new Error(`a record without a meaning: ${text}`)
  }
}

/** The events of a batch, each with the commands behind it. */
function saidBy({ segment }: BookingEffects): readonly ExpectedEvent[] {
  const said: { type: string; tells: string[] }[] = []
  for (const { topic, value } of segment?.messages ?? []) {
    const { type, id, reservation_id } = JSON.parse(value)
    if (topic === topics.bookingEvents) said.push({ type, tells: [] })
    else said.at(-1)?.tells.push(`${type} ${reservation_id ?? id}`)
  }
  return said
}

function textOf({ type, tells }: ExpectedEvent): string {
  return `${type}: ${tells.join()}`
}
