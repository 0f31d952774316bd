/**
 * What every commit to a topic's partitions must keep, whatever its domain: one unbroken path through the log, behind the
 * fence (I4), at the log's time (I6), with events that are numbered without gaps (I8).
 */
import type { BatchEffects, DomainEvent, Header, LogRecord } from '@ironsys/engine'
import { PartitionHistory, type Placed } from './history.ts'
import type { Findings } from './violations.ts'

export type AnyEffects = Pick<
  BatchEffects<DomainEvent, Header, unknown, unknown>,
  'id' | 'from' | 'to' | 'segment' | 'deadLetters'
>

export class PartitionChecks {
  readonly topic: string
  readonly eventsTopic: string
  readonly findings: Findings
  readonly histories: readonly PartitionHistory[]
  /** The events that commits wrote to the outbox, by partition and sequence. */
  readonly messages: readonly Map<number, string>[]
  /** What repair has raised each partition to. */
  readonly #raised = new Map<number, number>()
  readonly #written = new Set<string>()
  readonly #denied = new Set<string>()
  readonly #logTimes: number[]
  readonly #eventSeqs: number[]

  constructor(findings: Findings, topic: string, eventsTopic: string, partitions: number) {
    this.findings = findings
    this.topic = topic
    this.eventsTopic = eventsTopic
    this.histories = Array.from({ length: partitions }, () => new PartitionHistory())
    this.messages = Array.from({ length: partitions }, () => new Map<number, string>())
    this.#logTimes = this.histories.map(() => 0)
    this.#eventSeqs = this.histories.map(() => 0)
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

  appended(partition: number, record: LogRecord): void {
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

  /** The records that the commit consumes, each at its time; null when there is no such path. */
  consume({ id, from, to }: AnyEffects): readonly (readonly [LogRecord, number])[] | null {
    const history = this.history(id.partition)
    const path = history.path(from, to)
    if (typeof path === 'string') {
      this.findings.add('I4', `${this.#nameOf(id)}, ${from.nextOffset} → ${to.nextOffset}: ${path}`)
      return null
    }
    history.applied = path.at(-1) ?? history.applied
    const epoch = this.#raised.get(id.partition) ?? 1
    const seq = this.#eventSeqs[id.partition]
    this.findings.expect(
      from.epoch === epoch && from.eventSeq === seq,
      'I4',
      () =>
        `a writer that knew epoch ${from.epoch} and event ${from.eventSeq} committed to ${this.#nameOf(id)}, ` +
        `which was in epoch ${epoch} at event ${seq}`,
    )
    return path.map((placed) => [placed.record, this.#advance(id.partition, placed)])
  }

  /** The records that may come next and be decided at `atMs`: the first steps of one of them are committed already. */
  begin(partition: number, atMs: number): readonly LogRecord[] {
    const clampMs = this.#logTimes[partition] ?? 0
    this.#logTimes[partition] = atMs
    return this.history(partition)
      .following()
      .map(({ record }) => record)
      .filter(({ timeMs }) => Math.max(clampMs, timeMs) === atMs)
  }

  /** To be called when everything was consumed. `letters`: offset and code of each record that must be buried. */
  finish({ id, from, to, segment, deadLetters }: AnyEffects, letters: readonly string[]): void {
    const name = this.#nameOf(id)
    const buried = deadLetters.map(({ offset, code }) => `${offset} ${code}`).join()
    this.findings.expect(
      buried === letters.join(),
      'I2',
      () => `dead letters of ${name}: ${buried}, expected ${letters.join()}`,
    )
    const logTimeMs = this.#logTimes[id.partition] ?? 0
    this.findings.expect(
      to.logTimeMs === logTimeMs && to.logTimeMs >= from.logTimeMs,
      'I6',
      () => `log time of ${name} is ${to.logTimeMs}, expected ${logTimeMs}`,
    )
    // Commands for other keys stand between the events, without a number.
    let seq = from.eventSeq
    for (const { topic, value } of segment?.messages ?? []) {
      if (topic === this.eventsTopic) this.messages[id.partition]?.set(++seq, value)
    }
    this.#eventSeqs[id.partition] = to.eventSeq
    this.findings.expect(
      to.eventSeq === seq && (segment?.lastSeq ?? seq) === seq,
      'I8',
      () => `${name}: ${seq - from.eventSeq} events after ${from.eventSeq}, and then ${to.eventSeq}`,
    )
  }

  #advance(partition: number, { record }: Placed): number {
    const atMs = Math.max(this.#logTimes[partition] ?? 0, record.timeMs)
    this.#logTimes[partition] = atMs
    return atMs
  }

  #nameOf({ partition }: AnyEffects['id']): string {
    return `partition ${partition} of ${this.topic}`
  }
}
