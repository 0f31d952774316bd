/** What must be true when everything was healed and has come to rest. */
import { redisNames } from '@ironsys/contracts'
import { reservationDecider } from '@ironsys/reservations'
import type { Accepted } from './clients.ts'
import type { Fleet } from './fleet.ts'
import type { Run } from './simulation.ts'
import { commandTopic, type System } from './system.ts'

/** What is not at rest yet, in words; empty when all is. */
export function unfinished(system: System, { fleet, clients, nemesis }: Run): readonly string[] {
  const { database, log, departures, partitions } = system
  const waiting: string[] = []
  if (clients.waiting > 0) waiting.push(`${clients.waiting} clients have no answer`)
  for (let partition = 0; partition < partitions; partition++) {
    const id = { topic: commandTopic, partition }
    const { nextOffset, eventSeq } = database.progress(id)
    const { high } = log.log(commandTopic, partition)
    const halted = fleet.isHalted(partition)
    // Nothing is sent to a log that may be another one: the outbox keeps it for whoever repairs this.
    if (halted && isDamaged(system, partition)) continue
    if (nemesis.mustHalt.has(partition))
      waiting.push(`partition ${partition} lost its tail and has not halted`)
    if (nextOffset < high) waiting.push(`partition ${partition} is at ${nextOffset} of ${high}`)
    if (database.outbox(id).length > 0) waiting.push(`partition ${partition} has unsent events`)
    if (departures.published[partition] !== eventSeq) {
      waiting.push(
        `partition ${partition} sent events up to ${departures.published[partition]} of ${eventSeq}`,
      )
    }
  }
  return waiting
}

/** What was written once and is not in the log any more may be lost, through nobody's fault but the log's. */
function isDamaged({ checker }: System, partition: number): boolean {
  return checker.history(partition).cutAt !== null
}

/** Every API instance reads every slot. */
export function readAll({ timeline, database }: System, fleet: Fleet): void {
  for (const api of fleet.apis()) {
    for (const slotId of database.headers.keys()) timeline.schedule(api.actor, 1, () => void api.read(slotId))
  }
}

export function checkEnd(system: System, run: Run): void {
  checkAccepted(system, run)
  checkOncePerWish(system)
  checkReplay(system)
  checkFinalReads(system, run.fleet)
}

/** Where nothing is broken for good, a client that waits gets its answer, and readers learn how far the writer is. */
export function checkAnswered(system: System, { fleet }: Run, accepted: readonly Accepted[]): void {
  const { departures, findings, database } = system
  for (const { commandId, partition, replyTo } of accepted) {
    if (isDamaged(system, partition) && fleet.isHalted(partition)) continue
    findings.expect(departures.answered.has(replyTo), 'liveness', () => `${commandId} was never replied to`)
    const { nextOffset } = database.progress({ topic: commandTopic, partition })
    const announced = departures.announcedOffset(partition)
    findings.expect(
      announced === nextOffset,
      'liveness',
      () => `partition ${partition} was announced to be at ${announced}, and is at ${nextOffset}`,
    )
  }
}

/** I2: every 202 is decided. What a lying log took is named, and nothing else is missing. */
function checkAccepted(system: System, { clients, fleet }: Run): void {
  const { checker, log, findings } = system
  for (const { commandId, partition, value } of clients.accepted) {
    if (checker.decisions.has(commandId)) continue
    const kept = log.log(commandTopic, partition).records.some((record) => record.value?.toString() === value)
    if (isDamaged(system, partition) && (!kept || fleet.isHalted(partition))) continue
    findings.expect(
      log.neverWritten.has(value),
      'I2',
      () => `${commandId} was accepted and is not decided: ${value}`,
    )
  }
}

/** I3, as a client sees it: however often it asked under one key, it got one reservation. */
function checkOncePerWish({ database, findings }: System): void {
  const seen = new Map<string, string>()
  for (const { id, userId } of database.rows.values()) {
    const other = seen.get(userId)
    seen.set(userId, id)
    findings.expect(other === undefined, 'I3', () => `${userId} asked once and has ${other} and ${id}`)
  }
}

/** I6: the ledger, applied again from nothing, gives the state. */
function checkReplay({ database, findings }: System): void {
  const headers = new Map<string, unknown>()
  for (const { key, event, atMs, before } of database.ledger) {
    const rebuilt = headers.get(key) ?? null
    findings.expect(
      JSON.stringify(rebuilt) === JSON.stringify(before),
      'I6',
      () =>
        `before ${event.type} the ledger gives ${JSON.stringify(rebuilt)} for ${key}, decided was from ${JSON.stringify(before)}`,
    )
    headers.set(key, reservationDecider.evolve({ header: before, row: undefined }, event, atMs).header)
  }
  for (const [key, header] of database.headers) {
    findings.expect(
      JSON.stringify(headers.get(key)) === JSON.stringify(header),
      'I6',
      () =>
        `the ledger of ${key} gives ${JSON.stringify(headers.get(key))}, stored is ${JSON.stringify(header)}`,
    )
  }
}

/** A snapshot that nobody could refresh is worse than none: at rest, all readers see the last version. */
function checkFinalReads({ database, departures, findings, redisData }: System, fleet: Fleet): void {
  for (const [slotId, { version }] of database.headers) {
    for (const { actor } of fleet.apis()) {
      const seen = departures.lastRead(actor.name, slotId)
      findings.expect(
        seen === version,
        'I7',
        () => `${actor.name} shows version ${seen} of ${slotId}, stored is ${version}`,
      )
    }
    const stored = redisData.peek(redisNames.slot(slotId))?.text.split(':', 2)[1]
    findings.expect(
      stored === undefined || stored === String(version),
      'I7',
      () => `Redis has version ${stored} of ${slotId}, stored is ${version}`,
    )
  }
}
