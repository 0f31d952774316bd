/**
 * Watches every commit of the simulated database and compares it with the model: I1 to I6. It sees what the servers
 * see, at the instant they do it, and none of the engine's memory.
 */
import { type CommandOutcome, topics } from '@ironsys/contracts'
import type { BatchEffects, LogRecord } from '@ironsys/engine'
import { type Reservation, type ReservationEvent, type Slot, slotDocument } from '@ironsys/reservations'
import type { MemoryDatabase } from '../twins/index.ts'
import { EventFeed, eventsOf, type ObservedEvent } from './model/event-feed.ts'
import type { Meaning } from './model/meaning.ts'
import { type Decided, Model } from './model/model.ts'
import { meaningOfOwn } from './own-commands.ts'
import { PartitionChecks } from './partition-checks.ts'
import { compareReservation, compareSlot } from './state-comparison.ts'
import type { Findings } from './violations.ts'

export type Effects = BatchEffects<ReservationEvent, Slot, Reservation, CommandOutcome>
export type Database = MemoryDatabase<ReservationEvent, Slot, Reservation, CommandOutcome>

export class Checker {
  readonly findings: Findings
  readonly model: Model
  readonly checks: PartitionChecks
  /** What each value that was ever written means; those that the workers write say it themselves. */
  readonly meanings = new Map<string, Meaning>()
  /** What each command was decided, oldest first; more than one when it was in the log twice. */
  readonly decisions = new Map<string, Decided[]>()
  /** The public documents of each version that a commit ended with. */
  readonly documents = new Map<string, string>()
  readonly epochs = new Map<string, number>()
  /** When each slot was last changed, virtual time. */
  readonly changed = new Map<string, number>()
  /** Slots that were taken away with all that belongs to them; one of the same id may have come after. */
  readonly retired = new Set<string>()
  readonly #versions = new Map<string, number>()
  readonly #nowMs: () => number

  constructor(findings: Findings, partitions: number, nowMs: () => number) {
    this.findings = findings
    this.#nowMs = nowMs
    this.model = new Model(findings)
    this.checks = new PartitionChecks(
      findings,
      topics.reservationCommands,
      topics.reservationEvents,
      partitions,
    )
  }

  /** Called at the instant of each commit, `database` being as it is after it. */
  committed(effects: Effects, database: Database): void {
    const records = this.checks.consume(effects)
    if (records === null) return
    const events = eventsOf(effects.segment)
    const feed = new EventFeed(events)
    const letters = records.flatMap(([record, atMs]) => this.#apply(record, atMs, feed))
    this.#applySteps(effects.id.partition, feed)
    this.checks.finish(effects, letters)
    this.#compareState(effects, database)
    this.#checkLedger(effects, events)
    for (const [key, { header }] of effects.headers) {
      this.documents.set(`${key}@${header.version}`, JSON.stringify(slotDocument(header)))
      this.epochs.set(key, effects.to.epoch)
      this.changed.set(key, this.#nowMs())
    }
  }

  /** Answers the dead letter that it becomes, if it does. */
  #apply(record: LogRecord, atMs: number, feed: EventFeed): readonly string[] {
    const meaning = this.#meaningOf(record)
    const decided = this.model.apply(meaning, atMs, feed)
    if (meaning.kind === 'command') {
      const before = this.decisions.get(meaning.command.id)
      if (before === undefined) this.decisions.set(meaning.command.id, [decided])
      else before.push(decided)
    }
    const { code } = decided
    return code.startsWith('dead-letter:') ? [`${record.offset} ${code.slice('dead-letter:'.length)}`] : []
  }

  /** What is left of the events are the first steps of whatever record comes next. */
  #applySteps(partition: number, feed: EventFeed): void {
    const first = feed.next
    if (first === undefined) return
    const next = this.checks.begin(partition, first.atMs)
    this.model.applyPartly(
      next.map((record) => this.#meaningOf(record)),
      first.atMs,
      feed,
    )
  }

  #meaningOf({ value }: LogRecord): Meaning {
    const text = value?.toString() ?? ''
    const meaning = this.meanings.get(text) ?? meaningOfOwn(text)
    if (meaning === null) throw new Error(`a record without a meaning: ${text}`)
    return meaning
  }

  /** Everything that the batch changed, and everything that the model says it should have changed. */
  #compareState({ headers, rows, removedKeys }: Effects, database: Database): void {
    const { slots, reservations } = this.model.touched
    for (const slotId of [...headers.keys(), ...removedKeys]) slots.add(slotId)
    for (const rowId of rows.keys()) reservations.add(rowId)
    for (const id of slots) compareSlot(this.findings, id, database.headers.get(id), this.model.books.get(id))
    for (const id of reservations) {
      compareReservation(this.findings, id, database.rows.get(id), this.model.reservation(id))
    }
    slots.clear()
    reservations.clear()
  }

  /** A ledger entry for each event that takes a version; what belonged to a slot that is gone went with it. */
  #checkLedger({ ledger, removedKeys }: Effects, events: readonly ObservedEvent[]): void {
    for (const key of removedKeys) this.#versions.delete(key)
    for (const { type, slotId } of events) if (type === 'slot_retired') this.retired.add(slotId)
    const said = new Set(events.map(({ slotId, version, type }) => `${slotId} ${version} ${type}`))
    for (const { key, after, event } of ledger) {
      const expected = (this.#versions.get(key) ?? 0) + 1
      this.#versions.set(key, after.version)
      this.findings.expect(
        after.version === expected && said.has(`${key} ${after.version} ${event.type}`),
        'I5',
        () => `slot ${key} has ${event.type} as version ${after.version} in its ledger, expected ${expected}`,
      )
    }
  }
}
