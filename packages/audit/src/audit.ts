/**
 * The audit of a live system: reads only, stops nothing, and gives no false alarm while everything moves.
 *
 * Every check either looks at one snapshot of the database, or reads its sources in the order in which a healthy
 * system can only move towards agreement (each module says which).
 */
import { redisReady } from '@ironsys/cache'
import { topics } from '@ironsys/contracts'
import type { Pool } from '@ironsys/postgres'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { bookingOutcomes } from './booking-outcomes.ts'
import { auditBookings } from './bookings.ts'
import { readConsistently } from './consistent-read.ts'
import { auditCommandLog, auditEvents, auditOutbox, auditStrangeOutbox } from './log.ts'
import type { LogSource } from './log-source.ts'
import { auditReservationOwners } from './orphans.ts'
import { type AuditReport, type CheckName, checkNames, Protocol } from './report.ts'
import { reservationOutcomes } from './reservation-outcomes.ts'
import { auditAllSlots, auditOneSlot, entryChecks } from './slots.ts'
import { auditSnapshots } from './snapshots.ts'

export interface AuditDeps {
  /** One connection is used at a time; a read-only pool of `@ironsys/postgres`. */
  readonly pool: Pool
  /** Null: the snapshots are reported as not checked. */
  readonly redis: Redis | null
  /** Null: what needs the log is reported as not checked. */
  readonly log: LogSource | null
  /** A clock that never goes back, for durations only. */
  readonly nowMs: () => number
}

export interface AuditOptions {
  /** Default: all. With `slotId`: those of them that are {@link slotChecks}; at least one. */
  readonly only: readonly CheckName[]
  readonly slotId: string | null
  /** Newest records of the command log that are looked up, per partition. */
  readonly logRecordsMax: number
  /** Newest events that are looked at, per partition. */
  readonly eventsMax: number
  /** Findings that are kept; all are counted. */
  readonly findingsMax: number
  readonly slotsPerBatch: number
  /** Reservations whose owners are looked up at once. */
  readonly ownersPerPage: number
  /** A batch ends with the slot that brings it above this. */
  readonly entriesPerBatch: number
  /** An outbox row older than this is stuck, and a hold or booking that is over for longer, milliseconds. */
  readonly stuckAfterMs: number
  readonly bookingsPerPage: number
  /** How long what bookings decided may take to their slots, milliseconds, and how often it is looked at in that time. */
  readonly bookingWaitMs: number
  readonly bookingLooks: number
  /** How long a snapshot may stay behind, milliseconds, and how often it is looked at in that time. */
  readonly snapshotWaitMs: number
  readonly snapshotLooks: number
  /** Of one statement, milliseconds: a batch, or one slot with a long ledger. */
  readonly statementTimeoutMs: number
}

export const auditDefaults: AuditOptions = {
  only: checkNames,
  slotId: null,
  logRecordsMax: 10_000,
  eventsMax: 10_000,
  findingsMax: 1000,
  slotsPerBatch: 1000,
  ownersPerPage: 20_000,
  entriesPerBatch: 20_000,
  stuckAfterMs: 60_000,
  bookingsPerPage: 5000,
  bookingWaitMs: 5000,
  bookingLooks: 10,
  snapshotWaitMs: 5000,
  snapshotLooks: 10,
  statementTimeoutMs: 300_000,
}

export interface AuditProgress {
  /** What is being read: `ledger entries`, `reservations`, `bookings`, `snapshots`, a topic of commands. */
  readonly stage: string
  readonly done: number
  /** An estimate where the system moves. */
  readonly total: number
}

type OnProgress = (progress: AuditProgress) => void

/** The checks that are about slots: those that `slotId` leaves. */
export const slotChecks: readonly CheckName[] = [
  'ledger-versions',
  'ledger-bounds',
  'ledger-entries',
  'slot-state',
  'reservations',
  'due-holds',
  'user-limits',
  'orphans',
  'snapshots',
  'snapshot-behind',
]

/** What has a log of its own. */
const domains = [
  { rules: reservationOutcomes, events: topics.reservationEvents },
  { rules: bookingOutcomes, events: topics.bookingEvents },
] as const

const REDIS_READY_MS = 3000

/**
 * Never throws for what a server does: a check that could not be done says why, and the report is not `complete`.
 * Throws when the options leave no check: nothing found would say nothing.
 */
export async function runAudit(
  deps: AuditDeps,
  options: Partial<AuditOptions> = {},
  onProgress: OnProgress = () => undefined,
): Promise<AuditReport> {
  const all = { ...auditDefaults, ...options }
  const beganMs = deps.nowMs()
  const names = all.only.filter((name) => all.slotId === null || slotChecks.includes(name))
  if (names.length === 0) throw new Error('the options leave no check to be done')
  const protocol = new Protocol(names, all.findingsMax)
  const onStage: OnProgress = ({ stage, done, total }) =>
    onProgress({ stage, done, total: Math.max(done, total) })
  const stage = async (names: readonly CheckName[], work: () => Promise<unknown>): Promise<void> => {
    const wanted = names.filter((name) => protocol.wants(name))
    if (wanted.length === 0) return
    const stageBeganMs = deps.nowMs()
    try {
      await work()
    } catch (error) {
      for (const name of wanted) protocol.skip(name, reasonOf(error))
    }
    for (const name of wanted) protocol.took(name, deps.nowMs() - stageBeganMs)
  }
  await stage([...entryChecks, 'orphans'], () => auditLedgers(deps.pool, all, protocol, onStage))
  if (all.slotId === null) await stage(['orphans'], () => auditOwners(deps.pool, all, protocol, onStage))
  await stage(['bookings'], () => auditAllBookings(deps, all, protocol, onStage))
  for (const domain of domains) {
    const { rules } = domain
    await stage(['partitions', 'outcomes'], () => {
      const onRecords = (done: number, total: number) => onStage({ stage: rules.topic, done, total })
      return auditCommandLog(deps.pool, present(deps.log, 'log'), rules, protocol, all, onRecords)
    })
    const published = new Map<number, number>()
    await stage(['outbox', 'events'], async () => {
      const seen = await auditOutbox(deps.pool, rules.topic, protocol, all)
      for (const [partition, seq] of seen) published.set(partition, seq)
    })
    const logTopics = { commands: rules.topic, events: domain.events }
    await stage(['events'], () =>
      auditEvents(deps.pool, present(deps.log, 'log'), logTopics, published, protocol, all),
    )
  }
  await stage(['outbox'], () => auditStrangeOutbox(deps.pool, protocol, all))
  await stage(['snapshots', 'snapshot-behind'], () => auditRedis(deps, all, protocol, onStage))
  await stage(['dead-letters'], () => countDeadLetters(deps.pool, all, protocol))
  return protocol.report(deps.nowMs() - beganMs)
}

async function auditLedgers(
  pool: Pool,
  options: AuditOptions,
  protocol: Protocol,
  onProgress: OnProgress,
): Promise<void> {
  if (options.slotId !== null) {
    const { found } = await auditOneSlot(pool, options.slotId, protocol, { ...options, newestEntries: null })
    if (!found && !protocol.hasFindings())
      for (const name of slotChecks) protocol.skip(name, `there is no slot ${options.slotId}`)
    return
  }
  const total = await countOf(pool, options, 'SELECT coalesce(sum(version), 0)::text AS n FROM slots')
  let done = 0
  await auditAllSlots(pool, protocol, options, ({ entries }) => {
    done += entries
    onProgress({ stage: 'ledger entries', done, total })
  })
}

async function auditOwners(
  pool: Pool,
  options: AuditOptions,
  protocol: Protocol,
  onProgress: OnProgress,
): Promise<void> {
  const total = await countOf(pool, options, 'SELECT count(*)::text AS n FROM reservations')
  let done = 0
  const paging = { pageSize: options.ownersPerPage, statementTimeoutMs: options.statementTimeoutMs }
  await auditReservationOwners(pool, protocol, paging, (reservations) => {
    done += reservations
    onProgress({ stage: 'reservations', done, total })
  })
}

async function auditAllBookings(
  { pool, log }: AuditDeps,
  options: AuditOptions,
  protocol: Protocol,
  onProgress: OnProgress,
): Promise<void> {
  const total = await countOf(pool, options, 'SELECT count(*)::text AS n FROM bookings')
  let done = 0
  await auditBookings(
    pool,
    () => present(log, 'log'),
    protocol,
    options,
    (bookings) => {
      done += bookings
      onProgress({ stage: 'bookings', done, total })
    },
  )
}

async function auditRedis(
  deps: AuditDeps,
  options: AuditOptions,
  protocol: Protocol,
  onProgress: OnProgress,
): Promise<void> {
  const redis = present(deps.redis, 'Redis')
  if (!(await redisReady(redis, REDIS_READY_MS))) throw new Error('Redis does not answer')
  const total = await countOf(deps.pool, options, 'SELECT count(*)::text AS n FROM slots')
  let done = 0
  await auditSnapshots(deps.pool, redis, options.slotId, protocol, options, (slots) => {
    done += slots
    onProgress({ stage: 'snapshots', done, total: options.slotId === null ? total : 1 })
  })
}

/** Open ones are counted as checked. They wait for an operator and are no finding. */
async function countDeadLetters(pool: Pool, options: AuditOptions, protocol: Protocol): Promise<void> {
  const text = `SELECT count(*)::text AS n FROM dead_letters WHERE status = 'open'`
  protocol.count('dead-letters', await countOf(pool, options, text))
}

const countRows = z.array(z.object({ n: z.coerce.number() }))

async function countOf(pool: Pool, options: AuditOptions, text: string): Promise<number> {
  const rows = await readConsistently(pool, options.statementTimeoutMs, (query) => query(text))
  return countRows.parse(rows)[0]?.n ?? 0
}

function present<T>(value: T | null, what: string): T {
  if (value === null) throw new Error(`no ${what} was given`)
  return value
}

/** What kept a check from being done, on one line. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
