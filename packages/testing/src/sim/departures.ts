/**
 * Watches what leaves: events (I8), snapshots and what readers get of them (I7), replies and progress. Nothing may
 * leave before its commit, and what leaves must be what was committed.
 */
import { readAnnouncements, readPublishedProgress, readReplies } from '@ironsys/cache'
import { redisNames, topics } from '@ironsys/contracts'
import type { LogRecord } from '@ironsys/engine'
import type { MemoryRedis } from '../twins/index.ts'
import type { Checker, Database } from './checker.ts'

interface Seen {
  readonly epoch: number
  readonly version: number
}

export class Departures {
  readonly #checker: Checker
  readonly #database: Database
  /** Which command waits at which reply address. */
  readonly waiting = new Map<string, string>()
  /** The addresses that a reply was published to. */
  readonly answered = new Set<string>()
  /** The highest sequence of each partition on the events topic. */
  readonly published: number[]
  readonly #stored = new Map<string, { readonly text: string; readonly seen: Seen }>()
  readonly #read = new Map<string, Seen>()
  readonly #announcedOffsets = new Map<number, number>()

  constructor(checker: Checker, database: Database) {
    this.#checker = checker
    this.#database = database
    this.published = checker.histories.map(() => 0)
  }

  appended(topic: string, partition: number, record: LogRecord): void {
    if (topic !== topics.reservationEvents) return
    const { findings, messages } = this.#checker
    const value = record.value?.toString() ?? ''
    const seq: unknown = JSON.parse(value).seq
    const last = this.published[partition] ?? 0
    if (typeof seq !== 'number' || messages[partition]?.get(seq) !== value) {
      findings.add('I8', `an event left partition ${partition} that is not committed: ${value}`)
    } else {
      findings.expect(
        seq <= last + 1,
        'I8',
        () => `event ${seq} of partition ${partition} came after ${last}`,
      )
      this.published[partition] = Math.max(last, seq)
    }
  }

  message(channel: string, message: string): void {
    if (channel === redisNames.snapshots) this.#announced(message)
    else if (channel === redisNames.progressChannel) this.#progressed(message)
    else this.#replied(message)
  }

  /** Redis has a new snapshot of something: never older than what lay there. */
  stored(redis: MemoryRedis): void {
    for (const slotId of this.#database.headers.keys()) {
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
    if (before !== undefined) this.#expectNotOlder(before, seen, `what ${instance} answers about ${slotId}`)
    this.#expectCommitted(slotId, seen.version, document)
  }

  /** The version that an API instance answered last. */
  lastRead(instance: string, slotId: string): number | undefined {
    return this.#read.get(`${instance} ${slotId}`)?.version
  }

  /** The furthest that a partition was announced to be. Instances never go back, whatever is said later. */
  announcedOffset(partition: number): number {
    return this.#announcedOffsets.get(partition) ?? 0
  }

  /** An API instance answered that there is no such slot. */
  missed(instance: string, slotId: string): void {
    const seen = this.#read.get(`${instance} ${slotId}`)
    this.#checker.findings.expect(
      seen === undefined,
      'I7',
      () => `${instance} knew version ${seen?.version} of ${slotId} and says now that there is none`,
    )
  }

  /** The group's offsets are for lag tools; ahead of the commits they would hide what is undone. */
  acknowledged(topic: string, partition: number, offset: number): void {
    const { nextOffset } = this.#database.progress({ topic, partition })
    this.#checker.findings.expect(
      offset <= nextOffset,
      'I8',
      () => `the group is said to be at ${offset} of partition ${partition}, committed is ${nextOffset}`,
    )
  }

  #announced(message: string): void {
    for (const { key, version, document } of readAnnouncements<unknown>(message, (any) => any) ?? []) {
      this.#expectCommitted(key, version, document)
    }
  }

  #expectCommitted(slotId: string, version: number, document: unknown): void {
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
    this.#announcedOffsets.set(partition, Math.max(this.announcedOffset(partition), nextOffset))
    const committed = this.#database.progress({ topic, partition }).nextOffset
    this.#checker.findings.expect(
      nextOffset <= committed,
      'I8',
      () => `partition ${partition} is said to be at ${nextOffset}, committed is ${committed}`,
    )
  }

  #replied(message: string): void {
    for (const { to, outcome } of readReplies(message) ?? []) {
      this.answered.add(to)
      const commandId = this.waiting.get(to)
      const codes = commandId === undefined ? [] : (this.#checker.decisions.get(commandId) ?? [])
      const code = typeof outcome === 'object' && outcome !== null && 'code' in outcome ? outcome.code : null
      this.#checker.findings.expect(
        codes.some((decided) => decided === code),
        'I8',
        () => `command ${commandId} is answered ${code}; decided is ${codes.join() || 'nothing'}`,
      )
    }
  }
}
