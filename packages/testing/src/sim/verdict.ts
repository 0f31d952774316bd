/** What must be true when everything was healed and has come to rest. */
import { partitionOfKey, redisNames, topics } from '@ironsys/contracts'
import { type Reservation, reservationDecider, type Slot } from '@ironsys/reservations'
import type { Accepted } from './clients.ts'
import type { Fleet } from './fleet.ts'
import type { Run } from './simulation.ts'
import { commandTopic, type Domain, domainOf, type System } from './system.ts'

/** A hold whose time is over is released within this where nobody asks for anything, virtual milliseconds. */
const RELEASED_WITHIN_MS = 1000

/** What is not at rest yet, in words; empty when all is. */
export function unfinished(system: System, run: Run): readonly string[] {
  const { clients, fleet } = run
  const waiting = clients.waiting > 0 ? [`${clients.waiting} clients have no answer`] : []
  for (const domain of system.domains) {
    for (let partition = 0; partition < system.partitions; partition++) {
      waiting.push(...unfinishedIn(system, run, domain, partition))
    }
  }
  return [...waiting, ...overdueHolds(system, fleet), ...openBookings(system, fleet)]
}

function unfinishedIn(
  system: System,
  { fleet, nemesis }: Run,
  { topic, checks, database }: Domain,
  partition: number,
): readonly string[] {
  const id = { topic, partition }
  const name = `partition ${partition} of ${topic}`
  // Nothing is sent to a log that may be another one: the outbox keeps it for whoever repairs this.
  if (fleet.isHalted(id) && checks.history(partition).cutAt !== null) return []
  const { nextOffset, eventSeq } = database.progress(id)
  const { high } = system.log.log(topic, partition)
  const sent = system.departures.published(id)
  return [
    ...(nemesis.mustHalt.has(`${topic}/${partition}`) ? [`${name} lost its tail and has not halted`] : []),
    ...(nextOffset < high ? [`${name} is at ${nextOffset} of ${high}`] : []),
    ...(database.outbox(id).length > 0 ? [`${name} has unsent events`] : []),
    ...(sent !== eventSeq ? [`${name} sent events up to ${sent} of ${eventSeq}`] : []),
  ]
}

/** Holds that should have expired. A worker's clock says when to look, and the broker's whether it is time. */
function overdueHolds(system: System, fleet: Fleet): readonly string[] {
  const { timeline, database, log, partitions } = system
  const skews = fleet.workers().map(({ actor }) => actor.clockSkewMs)
  const knownMs = timeline.nowMs + Math.min(log.clockSkewMs, ...skews) - RELEASED_WITHIN_MS
  return [...database.rows.values()]
    .filter(({ status, expiresMs, bookingId, slotId }) => {
      if (status !== 'held' || bookingId !== null || expiresMs === null || expiresMs > knownMs) return false
      return !isLost(system, fleet, commandTopic, partitionOfKey(slotId, partitions))
    })
    .map(({ id, slotId, expiresMs }) => `${id} of ${slotId} is held still, to ${expiresMs} of ${knownMs}`)
}

/** Bookings that nobody ended in time. */
function openBookings(system: System, fleet: Fleet): readonly string[] {
  const { timeline, bookings, log, partitions } = system
  const skews = fleet.workers().map(({ actor }) => actor.clockSkewMs)
  const knownMs = timeline.nowMs + Math.min(log.clockSkewMs, ...skews) - RELEASED_WITHIN_MS
  return [...bookings.headers.values()]
    .filter(({ id, status, deadlineMs }) => {
      if (deadlineMs === null || (status === 'held' && deadlineMs > knownMs)) return false
      return !isLost(system, fleet, topics.bookingCommands, partitionOfKey(id, partitions)) && isSound(system)
    })
    .map(
      ({ id, status, deadlineMs }) => `booking ${id} is ${status} still, until ${deadlineMs} of ${knownMs}`,
    )
}

/** What was written once and is not in the log any more may be lost, through nobody's fault but the log's. */
function isDamaged(system: System, topic: string, partition: number): boolean {
  return domainOf(system, topic).checks.history(partition).cutAt !== null
}

/** Nobody decides there until a human has looked. */
function isLost(system: System, fleet: Fleet, topic: string, partition: number): boolean {
  return fleet.isHalted({ topic, partition }) && isDamaged(system, topic, partition)
}

/** Whether the log has kept all that it acknowledged: a saga needs every word of it. */
function isSound({ domains, log }: System): boolean {
  const isWhole = domains.every(({ checks }) => checks.histories.every(({ cutAt }) => cutAt === null))
  return isWhole && log.neverWritten.size === 0
}

/** Every API instance reads every slot. */
export function readAll({ timeline, database }: System, fleet: Fleet): void {
  for (const api of fleet.apis()) {
    for (const slotId of database.headers.keys()) timeline.schedule(api.actor, 1, () => void api.read(slotId))
  }
}

/** Nothing was asked since `restMs`: what changed after it did so by itself. */
export function checkEnd(system: System, run: Run, restMs: number): void {
  checkAccepted(system, run)
  checkOncePerWish(system)
  checkBalance(system)
  if (isSound(system)) checkBookings(system)
  checkReplay(system)
  checkErased(system)
  checkFinalReads(system, run.fleet, restMs)
  for (const overdue of overdueHolds(system, run.fleet)) system.findings.add('liveness', overdue)
}

/** How far a partition is. */
export function progressOf(system: System, { topic, partition }: Accepted): number {
  return domainOf(system, topic).database.progress({ topic, partition }).nextOffset
}

/** Where nothing is broken for good, a client that waits gets its answer, and readers learn how far the writer is. */
export function checkAnswered(
  system: System,
  { fleet }: Run,
  accepted: readonly Accepted[],
  reached: readonly number[],
): void {
  const { departures, findings } = system
  for (const [index, { commandId, topic, partition, replyTo }] of accepted.entries()) {
    // Whether a booking is answered depends on the slots' logs too.
    if (topic === topics.bookingCommands && !isSound(system)) continue
    if (isLost(system, fleet, topic, partition)) continue
    findings.expect(departures.answered.has(replyTo), 'liveness', () => `${commandId} was never replied to`)
    const announced = departures.announcedOffset({ topic, partition })
    findings.expect(
      announced >= (reached[index] ?? 0),
      'liveness',
      () =>
        `partition ${partition} was announced to be at ${announced}, and was at ${reached[index]} long ago`,
    )
  }
}

/** I2: every 202 is decided. What a lying log took is named, and nothing else is missing. */
function checkAccepted(system: System, { clients, fleet }: Run): void {
  const { checker, bookingChecker, log, findings } = system
  for (const { commandId, topic, partition, value } of clients.accepted) {
    if (checker.decisions.has(commandId) || bookingChecker.decisions.has(commandId)) continue
    const kept = log.log(topic, partition).records.some((record) => record.value?.toString() === value)
    if (isDamaged(system, topic, partition) && (!kept || fleet.isHalted({ topic, partition }))) continue
    findings.expect(
      log.neverWritten.has(value),
      'I2',
      () => `${commandId} was accepted and is not decided: ${value}`,
    )
  }
}

/** I3, as a client sees it: however often it asked under one key, it got one reservation. */
function checkOncePerWish({ database, findings }: System): void {
  const seen = new Map<unknown, string>()
  for (const { id, metadata } of database.rows.values()) {
    const wish = metadata?.wish
    if (wish === undefined) continue
    const other = seen.get(wish)
    seen.set(wish, id)
    findings.expect(other === undefined, 'I3', () => `${wish} was asked once and has ${other} and ${id}`)
  }
}

/** What the reservations have is what the slot has given out. */
function checkBalance({ database, findings }: System): void {
  const units = new Map<string, number>()
  for (const { slotId, status, quantity } of database.rows.values()) {
    const name = `${slotId} ${status}`
    units.set(name, (units.get(name) ?? 0) + quantity)
  }
  for (const [slotId, { pool }] of database.headers) {
    const held = units.get(`${slotId} held`) ?? 0
    const confirmed = units.get(`${slotId} confirmed`) ?? 0
    findings.expect(
      pool.heldUnits === held && pool.confirmedUnits === confirmed,
      'I1',
      () => `${slotId} has given out ${JSON.stringify(pool)}; its reservations have ${held} and ${confirmed}`,
    )
  }
}

/** All or none. */
function checkBookings({ bookings, database, findings }: System): void {
  for (const { id, status, items } of bookings.headers.values()) {
    for (const { reservationId } of items) {
      const reservation = database.rows.get(reservationId)?.status ?? 'missing'
      const isHeld = reservation === 'held' || reservation === 'confirmed'
      const fits = status === 'confirmed' || status === 'held' ? reservation === status : !isHeld
      const what = () => `booking ${id} is ${status}, its reservation ${reservationId} ${reservation}`
      findings.expect(fits, 'booking', what)
    }
  }
}

/** I6: the ledger, applied again from nothing, gives the state. */
function checkReplay({ database, findings }: System): void {
  const headers = new Map<string, Slot | null>()
  const rows = new Map<string, Reservation>()
  const expectSame = (what: string, rebuilt: unknown, stored: unknown): void => {
    const [is, should] = [rebuilt, stored].map((state) => JSON.stringify(state))
    findings.expect(is === should, 'I6', () => `${what}: the ledger gives ${is}, decided was ${should}`)
  }
  for (const { key, event, atMs, before } of database.ledger) {
    const header = headers.get(key) ?? null
    expectSame(`before ${event.type} of ${key}`, header, before)
    const row = event.rowId === null ? undefined : rows.get(event.rowId)
    const after = reservationDecider.evolve({ header, row }, event, atMs)
    headers.set(key, after.header)
    if (after.row !== undefined) rows.set(after.row.id, after.row)
  }
  for (const [key, header] of database.headers) expectSame(key, headers.get(key) ?? null, header)
  for (const [id, row] of rows) expectSame(id, row, database.rows.get(id))
}

/** Nothing that is kept says who an erased person was. */
function checkErased({ database, findings }: System): void {
  for (const { event } of database.ledger) {
    if (event.rowId === null || !('userId' in event)) continue
    const row = database.rows.get(event.rowId)
    const { userId, metadata } = event
    findings.expect(
      row?.userId === userId && (metadata === null) === (row.metadata === null),
      'I6',
      () => `the ledger says that ${event.rowId} is ${userId}'s, it is ${row?.userId}'s`,
    )
  }
}

/** A snapshot that nobody could refresh is worse than none: at rest, all readers see the last version. */
function checkFinalReads(
  { checker, database, departures, findings, redisData }: System,
  fleet: Fleet,
  restMs: number,
): void {
  for (const [slotId, { version }] of database.headers) {
    if (checker.retired.has(slotId) || (checker.changed.get(slotId) ?? 0) > restMs) continue
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
