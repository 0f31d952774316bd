/**
 * Watches every commit of the simulated database and compares it with the model: I1 to I6. It sees what the servers
 * see, at the instant they do it, and none of the engine's memory.
 */
import { type CommandOutcome, topics } from '@ironsys/contracts'
import type { BatchEffects, LogRecord } from '@ironsys/engine'
import { type Reservation, type ReservationEvent, type Slot, slotDocument } from '@ironsys/reservations'
import type { MemoryDatabase } from '../twins/index.ts'
import { PartitionHistory, type Placed } from './history.ts'
import { limitOf, type Meaning, Model } from './model.ts'
import type { Findings } from './violations.ts'

export type Effects = BatchEffects<ReservationEvent, Slot, Reservation, CommandOutcome>
export type Database = MemoryDatabase<ReservationEvent, Slot, Reservation, CommandOutcome>

export class Checker {
  readonly findings: Findings
  readonly model = new Model()
  readonly histories: readonly PartitionHistory[]
  /** What each value that was ever written means. */
  readonly meanings = new Map<string, Meaning>()
  /** The codes that each command was decided with, oldest first; more than one when it was in the log twice. */
  readonly decisions = new Map<string, string[]>()
  /** The messages that commits wrote to the outbox, by partition and sequence. */
  readonly messages: readonly Map<number, string>[]
  /** The public documents of each version that a commit ended with. */
  readonly documents = new Map<string, string>()
  readonly epochs = new Map<string, number>()
  /** What repair has raised each partition to. */
  readonly #raised = new Map<number, number>()
  readonly #written = new Set<string>()
  readonly #denied = new Set<string>()
  readonly #versions = new Map<string, number>()
  readonly #logTimes: number[]

  constructor(findings: Findings, partitions: number) {
    this.findings = findings
    this.histories = Array.from({ length: partitions }, () => new PartitionHistory())
    this.messages = Array.from({ length: partitions }, () => new Map<number, string>())
    this.#logTimes = this.histories.map(() => 0)
  }

  history(partition: number): PartitionHistory {
    const history = this.histories[partition]
    if (history === undefined) throw new Error(`no partition ${partition}`)
    return history
  }

  /** A repair: from now on nobody may commit who does not know of it. */
  raised(partition: number, epoch: number): void {
    this.#raised.set(partition, epoch)
  }

  appended(topic: string, partition: number, record: LogRecord): void {
    if (topic !== topics.reservationCommands) return
    this.history(partition).appended(record)
    const value = record.value?.toString() ?? ''
    this.#written.add(value)
    if (this.#denied.has(value)) this.#foundDenied(value)
  }

  /** A client was told that nothing was written: neither before nor later may it be in the log. */
  saidNotWritten(value: string): void {
    this.#denied.add(value)
    if (this.#written.has(value)) this.#foundDenied(value)
  }

  #foundDenied(value: string): void {
    this.findings.add('I2', `said not to be written, and is in the log: ${value}`)
  }

  /** Called at the instant of each commit, `database` being as it is after it. */
  committed(effects: Effects, database: Database): void {
    const { id, from, to } = effects
    const history = this.history(id.partition)
    const path = history.path(from, to)
    if (typeof path === 'string') {
      this.findings.add('I4', `partition ${id.partition}, ${from.nextOffset} → ${to.nextOffset}: ${path}`)
      return
    }
    history.applied = path.at(-1) ?? history.applied
    const epoch = this.#raised.get(id.partition) ?? 1
    this.findings.expect(
      from.epoch === epoch,
      'I4',
      () =>
        `a writer of epoch ${from.epoch} committed to partition ${id.partition}, which is in epoch ${epoch}`,
    )
    const events = this.model.events
    const letters = this.#applyToModel(id.partition, path)
    this.#compareLetters(effects, letters)
    this.#compareTimes(effects)
    this.#compareState(effects, path, database)
    this.#checkLedger(effects)
    this.#checkSegment(effects, this.model.events - events)
    for (const [key, { header }] of effects.headers) {
      this.documents.set(`${key}@${header.version}`, JSON.stringify(slotDocument(header)))
      this.epochs.set(key, to.epoch)
    }
  }

  #applyToModel(partition: number, path: readonly Placed[]): readonly string[] {
    const letters: string[] = []
    for (const { record } of path) {
      const atMs = Math.max(this.#logTimes[partition] ?? 0, record.timeMs)
      this.#logTimes[partition] = atMs
      const meaning = this.meanings.get(record.value?.toString() ?? '')
      if (meaning === undefined) throw new Error(`a record without a meaning: ${record.value}`)
      const code = this.model.apply(meaning, atMs)
      if (code.startsWith('dead-letter:'))
        letters.push(`${record.offset} ${code.slice('dead-letter:'.length)}`)
      if (meaning.kind !== 'command') continue
      const codes = this.decisions.get(meaning.command.id)
      if (codes === undefined) this.decisions.set(meaning.command.id, [code])
      else codes.push(code)
    }
    return letters
  }

  #compareLetters({ id, deadLetters }: Effects, expected: readonly string[]): void {
    const buried = deadLetters.map(({ offset, code }) => `${offset} ${code}`).join()
    this.findings.expect(
      buried === expected.join(),
      'I2',
      () => `dead letters of partition ${id.partition}: ${buried}, expected ${expected.join()}`,
    )
  }

  #compareTimes({ id, from, to }: Effects): void {
    const expected = this.#logTimes[id.partition] ?? 0
    this.findings.expect(
      to.logTimeMs === expected && to.logTimeMs >= from.logTimeMs,
      'I6',
      () => `log time of partition ${id.partition} is ${to.logTimeMs}, expected ${expected}`,
    )
  }

  /** Everything that the batch changed, and everything that the model says it should have changed. */
  #compareState({ headers, rows }: Effects, path: readonly Placed[], database: Database): void {
    const slotIds = new Set(headers.keys())
    const rowIds = new Set(rows.keys())
    for (const { record } of path) {
      const meaning = this.meanings.get(record.value?.toString() ?? '')
      if (meaning?.kind !== 'command') continue
      const { command } = meaning
      if (command.type === 'create_slot') slotIds.add(command.id)
      else if (command.type === 'cancel') rowIds.add(command.reservationId)
      else slotIds.add(command.slotId)
      if (command.type === 'reserve') rowIds.add(command.id)
    }
    for (const id of slotIds) this.#compareSlot(id, database.headers.get(id))
    for (const id of rowIds) this.#compareReservation(id, database.rows.get(id))
  }

  #compareSlot(id: string, stored: Slot | undefined): void {
    const expected = this.model.slots.get(id)
    const slot = stored && {
      capacity: stored.pool.capacityUnits,
      overbookingBps: stored.pool.overbookingBps,
      taken: stored.pool.heldUnits + stored.pool.confirmedUnits,
      status: stored.status,
      salesOpenMs: stored.salesOpenMs,
      salesCloseMs: stored.salesCloseMs,
      hash: stored.bodyHash,
      version: stored.version,
    }
    const oversold = slot !== undefined && slot.taken > limitOf(slot)
    this.findings.expect(!oversold, 'I1', () => `slot ${id} is oversold: ${JSON.stringify(slot)}`)
    this.#compare(`slot ${id}`, slot, expected)
  }

  #compareReservation(id: string, stored: Reservation | undefined): void {
    const expected = this.model.reservations.get(id)
    const reservation = stored && {
      slotId: stored.slotId,
      quantity: stored.quantity,
      status: stored.status,
      reason: stored.reason,
      hash: stored.bodyHash,
    }
    this.#compare(`reservation ${id}`, reservation, expected)
  }

  #compare(what: string, stored: object | undefined, expected: object | undefined): void {
    const [is, should] = [stored, expected].map((state) => JSON.stringify(sorted(state ?? {})))
    this.findings.expect(is === should, 'I3', () => `${what} is ${is}, expected ${should}`)
  }

  #checkLedger({ ledger }: Effects): void {
    for (const { key, after } of ledger) {
      const expected = (this.#versions.get(key) ?? 0) + 1
      this.#versions.set(key, after.version)
      this.findings.expect(
        after.version === expected,
        'I5',
        () => `slot ${key} has version ${after.version} in its ledger, expected ${expected}`,
      )
    }
  }

  #checkSegment({ id, from, to, segment }: Effects, events: number): void {
    const messages = segment?.messages ?? []
    const sound = messages.length === events && to.eventSeq === from.eventSeq + events
    this.findings.expect(
      sound,
      'I8',
      () =>
        `partition ${id.partition}: ${messages.length} events up to ${to.eventSeq}, expected ${events} more than ${from.eventSeq}`,
    )
    messages.forEach((message, index) => {
      this.messages[id.partition]?.set(from.eventSeq + 1 + index, message.value)
    })
  }
}

function sorted(state: object): object {
  return Object.fromEntries(Object.entries(state).sort(([a], [b]) => (a < b ? -1 : 1)))
}
