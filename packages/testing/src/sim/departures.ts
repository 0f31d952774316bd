/**
 * Watches what leaves: events (I8), snapshots and what readers get of them (I7), replies and progress. Nothing may
 * leave before its commit, and what leaves must be what was committed.
 */
import { readAnnouncements, readPublishedProgress, readReplies } from '@ironsys/cache'
import { readOutcome, redisNames } from '@ironsys/contracts'
import type { LogRecord, PartitionId } from '@ironsys/engine'
import type { MemoryRedis } from '../twins/index.ts'
import type { BookingChecker } from './booking-checker.ts'
import type { Checker, Database } from './checker.ts'
import type { Domain } from './system.ts'

interface Seen {
  readonly epoch: number
  readonly version: number
}

export class Departures {
  readonly #checker: Checker
  readonly #bookings: BookingChecker
  readonly #domains: readonly Domain[]
  readonly #database: Database
  /** Which command waits at which reply address. */
  readonly waiting = new Map<string, string>()
  /** The addresses that a reply was published to. */
  readonly answered = new Set<string>()
  /** The highest sequence of each partition on its events topic. */
  readonly #published = new Map<string, number>()
  readonly #stored = new Map<string, { readonly text: string; readonly seen: Seen }>()
  readonly #read = new Map<string, Seen>()
  readonly #announcedOffsets = new Map<string, number>()

  constructor(checker: Checker, bookings: BookingChecker, domains: readonly Domain[], database: Database) {
    this.#checker = checker
    this.#bookings = bookings
    this.#domains = domains
    this.#database = database
  }

  appended(topic: string, partition: number, record: LogRecord): void {
    const domain = this.#domains.find(({ checks }) => checks.eventsTopic === topic)
    if (domain === undefined) return
    const { findings, messages } = domain.checks
    const value = record.value?.toString() ?? ''
    const seq: unknown = JSON.parse(value).seq
    const last = this.published({ topic: domain.topic, partition })
    if (typeof seq !== 'number' || messages[partition]?.get(seq) !== value) {
      findings.add('I8', `an event left partition ${partition} that is not committed: ${value}`)
    } else {
      findings.expect(
        seq <= last + 1,
        'I8',
        () => `event ${seq} of partition ${partition} came after ${last}`,
      )
      this.#published.set(`${domain.topic}/${partition}`, Math.max(last, seq))
    }
  }

  /** The sequence of the last event of a partition of commands that is on its events topic. */
  published({ topic, partition }: PartitionId): number {
    return this.#published.get(`${topic}/${partition}`) ?? 0
  }

  message(channel: string, message: string): void {
    if (channel === redisNames.snapshots) this.#announced(message)
    else if (channel === redisNames.progressChannel) this.#progressed(message)
    else this.#replied(message)
  }

  /** Redis has a new snapshot of something: never older than what lay there. */
  stored(redis: MemoryRedis): void {
    for (const slotId of this.#database.headers.keys()) {
      if (this.#checker.retired.has(slotId)) continue
      const text = redis.peek(redisNames.slot(slotId))?.text ?? ''
      const before = this.#stored.get(slotId)
      if (text === '' || text === before?.text) continue
      const [epoch = 0, version = 0] = text.split(':', 2).map(Number)
      const seen = { epoch, version }
      this.#stored.set(slotId, { text, seen })
      if (before !== undefined) this.#expectNotOlder(before.seen, seen, `Redis's snapshot of ${slotId}`)
    }
  }

  /** Redis has lost everything. */
  flushed(): void {
    this.#stored.clear()
  }

  /** What one API instance answered to a reader. */
  read(instance: string, slotId: string, seen: Seen, document: unknown): void {
    const name = `${instance} ${slotId}`
    const before = this.#read.get(name)
    this.#read.set(name, seen)
    // One of the same id may have come after it, and begins anew.
    if (this.#checker.retired.has(slotId)) return
    if (before !== undefined) this.#expectNotOlder(before, seen, `what ${instance} answers about ${slotId}`)
    this.#expectCommitted(slotId, seen.version, document)
  }

  /** The version that an API instance answered last. */
  lastRead(instance: string, slotId: string): number | undefined {
    return this.#read.get(`${instance} ${slotId}`)?.version
  }

  /** The furthest that a partition was announced to be. Instances never go back, whatever is said later. */
  announcedOffset({ topic, partition }: PartitionId): number {
    return this.#announcedOffsets.get(`${topic}/${partition}`) ?? 0
  }

  /** An API instance answered that there is no such slot. */
  missed(instance: string, slotId: string): void {
    const seen = this.#read.get(`${instance} ${slotId}`)
    this.#checker.findings.expect(
      seen === undefined || this.#checker.retired.has(slotId),
      'I7',
      () => `${instance} knew version ${seen?.version} of ${slotId} and says now that there is none`,
    )
  }

  /** The group's offsets are for lag tools; ahead of the commits they would hide what is undone. */
  acknowledged(id: PartitionId, offset: number): void {
    const { nextOffset } = this.#progress(id)
    this.#checker.findings.expect(
      offset <= nextOffset,
      'I8',
      () => `the group is said to be at ${offset} of ${id.topic}/${id.partition}, committed is ${nextOffset}`,
    )
  }

  #announced(message: string): void {
    for (const { key, version, document } of readAnnouncements<unknown>(message, (any) => any) ?? []) {
      this.#expectCommitted(key, version, document)
    }
  }

  #expectCommitted(slotId: string, version: number, document: unknown): void {
    if (this.#checker.retired.has(slotId)) return
    const committed = this.#checker.documents.get(`${slotId}@${version}`)
    this.#checker.findings.expect(
      committed === JSON.stringify(document),
      'I7',
      () =>
        `version ${version} of ${slotId} is shown as ${JSON.stringify(document)}, committed is ${committed}`,
    )
  }

  #expectNotOlder(before: Seen, now: Seen, what: string): void {
    const older = now.epoch < before.epoch || (now.epoch === before.epoch && now.version < before.version)
    this.#checker.findings.expect(
      !older,
      'I7',
      () => `${what} went back from ${before.epoch}.${before.version} to ${now.epoch}.${now.version}`,
    )
  }

  #progressed(message: string): void {
    const progress = readPublishedProgress(message)
    if (progress === null) return
    const { topic, partition, nextOffset } = progress
    const id = { topic, partition }
    this.#announcedOffsets.set(`${topic}/${partition}`, Math.max(this.announcedOffset(id), nextOffset))
    const committed = this.#progress(id).nextOffset
    this.#checker.findings.expect(
      nextOffset <= committed,
      'I8',
      () => `partition ${partition} is said to be at ${nextOffset}, committed is ${committed}`,
    )
  }

  #replied(message: string): void {
    for (const { to, outcome } of readReplies(message) ?? []) {
      this.answered.add(to)
      const commandId = this.waiting.get(to) ?? ''
      const { code, reservation, booking } = readOutcome(outcome)
      const status = reservation?.status ?? booking?.status
      const decisions = [
        ...(this.#checker.decisions.get(commandId) ?? []),
        ...(this.#bookings.decisions.get(commandId) ?? []),
        // Whoever asked for a booking is answered when the slots have agreed, or one has not.
        ...(this.#bookings.model.bookings.get(commandId)?.ends ?? []),
      ]
      this.#checker.findings.expect(
        decisions.some((decided) => decided.code === code && (status ?? decided.status) === decided.status),
        'I8',
        () => `command ${commandId} is answered ${code}, ${status}; decided is ${JSON.stringify(decisions)}`,
      )
    }
  }

  #progress({ topic, partition }: PartitionId) {
    const domain = this.#domains.find((each) => each.topic === topic)
    if (domain === undefined) throw new Error(`nobody decides on ${topic}`)
    return domain.database.progress({ topic, partition })
  }
}
