/**
 * Repairs what is derivable: state from the ledger, snapshots from state. Never silent: first a plan, which shows every
 * field, then each slot of it for itself.
 *
 * Invariants:
 * 1. State is changed in transactions that first lock the fence's row and raise its epoch (I4): the writer cannot
 *    commit meanwhile, and its next commit fails, so that it drops its memory and reads what was repaired.
 * 2. The ledger is folded before that lock; under it only what was added since, up to a bound, and no longer than
 *    {@link LOCKED_MAX_MS}. More reservations than fit into one page go in several such transactions.
 *    Fields that the plan did not show are never changed.
 * 3. Nothing is deleted that the ledger does not have. A damaged ledger repairs nothing, nor does one that differs from
 *    state in what it says only once: either of the two may have been changed.
 * 4. A snapshot leaves after its commit, under the new epoch: it replaces every other, also one that was ahead (I7).
 */
import {
  decodeSnapshot,
  isOlder,
  redisSinkDefaults,
  type SnapshotRedis,
  type StoredSnapshot,
  storeSnapshot,
} from '@ironsys/cache'
import { partitionOfKey, redisNames, topics } from '@ironsys/contracts'
import { inTransaction, type Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { type Query, readConsistently } from './consistent-read.ts'
import {
  compareState,
  type Derived,
  foldLedger,
  type LedgerFold,
  pagesOf,
  RepairFault,
  writeState,
} from './derive.ts'
import type { Finding } from './report.ts'
import { readSnapshotText, readStatesIn, UNREADABLE } from './snapshots.ts'
import type { Change } from './state-fields.ts'

export interface RepairDeps {
  /** May write. One connection is used. */
  readonly pool: Pool
  /** Null: snapshots stay as they are, and are reported so. */
  readonly redis: Pick<SnapshotRedis, 'get' | 'set' | 'putSnapshot' | 'publish'> | null
}

export interface SlotRepair {
  readonly slotId: string
  readonly changes: readonly Change[]
}

export interface RepairPlan {
  readonly repairs: readonly SlotRepair[]
  /** Slots that cannot be repaired, and why. */
  readonly refused: readonly { readonly slotId: string; readonly reason: string }[]
}

export interface Repaired {
  readonly slotId: string
  /** The partition's new epoch; null when state was right and the snapshot only old. */
  readonly epoch: number | null
  /** Why the snapshot was not written; null when it was. */
  readonly snapshotFault: string | null
}

/** Of one statement that only reads, milliseconds. */
const READ_TIMEOUT_MS = 60_000
/** How long the writer's row may be locked, milliseconds: with the last statement, less than the writer waits for it. */
const LOCKED_MAX_MS = 2500
const LOCKED_STATEMENT_TIMEOUT_MS = 1500
/** Entries that are folded under the lock. */
const LOCKED_ENTRIES_MAX = 2000

/** What would be changed for the repairable among `findings`. Reads only. */
export async function planRepair(deps: RepairDeps, findings: readonly Finding[]): Promise<RepairPlan> {
  const repairs: SlotRepair[] = []
  const refused: { slotId: string; reason: string }[] = []
  const wanted = findings.filter(({ repairable }) => repairable !== null)
  for (const slotId of new Set(wanted.flatMap((finding) => finding.slotId ?? []))) {
    try {
      const { changes } = await readConsistently(deps.pool, READ_TIMEOUT_MS, async (query) =>
        compareState(query, slotId, await foldLedger(query, slotId)),
      )
      const ofSlot = wanted.filter((finding) => finding.slotId === slotId)
      const snapshots = ofSlot.filter(({ repairable }) => repairable === 'snapshot')
      const all = [...changes, ...snapshots.map(snapshotChange)]
      if (all.length > 0) repairs.push({ slotId, changes: all })
    } catch (error) {
      if (!(error instanceof Error) || !['LedgerFault', 'RepairFault'].includes(error.name)) throw error
      refused.push({ slotId, reason: error.message })
    }
  }
  return { repairs, refused }
}

function snapshotChange({ detail }: Finding): Change {
  return { subject: 'snapshot', field: 'document', stored: detail, derived: 'made anew from state' }
}

/**
 * Repairs one slot of a plan. Throws {@link RepairFault} when what would be changed is not what the plan showed, and
 * LedgerFault; nothing has changed then. Beyond one page of reservations, what the pages before have changed stays.
 */
export async function repairSlot(deps: RepairDeps, repair: SlotRepair): Promise<Repaired> {
  const { slotId } = repair
  const snapshot = await storedSnapshot(deps, slotId)
  const changesState = repair.changes.some(({ subject }) => subject !== 'snapshot')
  const epoch =
    changesState || (await snapshotIsAhead(deps, slotId, snapshot))
      ? await repairState(deps.pool, repair, snapshot?.epoch ?? 0)
      : null
  return { slotId, epoch, snapshotFault: await writeSnapshot(deps, slotId) }
}

/** Null when there is none, or none that can be read. */
async function storedSnapshot({ redis }: RepairDeps, slotId: string): Promise<StoredSnapshot | null> {
  if (redis === null) return null
  // That Redis does not answer is said when the snapshot is written.
  const text = await readSnapshotText(redis, slotId).catch(() => null)
  return text === null ? null : decodeSnapshot(text)
}

/** The guard of (epoch, version) would keep it, or readers hold it already under the same version. */
async function snapshotIsAhead(
  { pool }: RepairDeps,
  slotId: string,
  snapshot: StoredSnapshot | null,
): Promise<boolean> {
  if (snapshot === null) return false
  const state = await stateOf(pool, slotId)
  return state !== undefined && !isOlder(snapshot, state)
}

/** Answers the new epoch. */
async function repairState(pool: Pool, repair: SlotRepair, snapshotEpoch: number): Promise<number> {
  const { slotId } = repair
  const seen = await readConsistently(pool, READ_TIMEOUT_MS, async (query) => {
    const ledger = await foldLedger(query, slotId)
    const { reservations } = await compareState(query, slotId, ledger)
    return { ledger, ids: reservations.map(({ id }) => id), partition: await partitionOf(query, slotId) }
  })
  let { ledger } = seen
  let epoch = snapshotEpoch
  for (const ids of seen.ids.length === 0 ? [[]] : pagesOf(seen.ids)) {
    const before = ledger
    ledger = await readConsistently(pool, READ_TIMEOUT_MS, (query) => foldLedger(query, slotId, before))
    epoch = await repairPage(pool, repair, { ledger, ids, partition: seen.partition, aboveEpoch: epoch })
  }
  return epoch
}

interface Page {
  /** Folded a moment ago. */
  readonly ledger: LedgerFold
  readonly ids: readonly string[]
  readonly partition: number
  readonly aboveEpoch: number
}

/** One transaction: the slot and some of its reservations. Answers the new epoch. */
async function repairPage(pool: Pool, repair: SlotRepair, page: Page): Promise<number> {
  return inTransaction(pool, async (run) => {
    const unbounded: Query = (text, values = []) => run({ name: '', text, values })
    const epoch = await fenceWriter(unbounded, page.partition, page.aboveEpoch)
    const lockedMs = performance.now()
    const query: Query = (text, values) => {
      if (performance.now() - lockedMs < LOCKED_MAX_MS) return unbounded(text, values)
      throw new RepairFault(`it would keep the writer waiting for more than ${LOCKED_MAX_MS} ms: try again`)
    }
    const timeoutMs = String(LOCKED_STATEMENT_TIMEOUT_MS)
    await query("SELECT set_config('statement_timeout', $1, true)", [timeoutMs])
    const ledger = await foldLedger(query, repair.slotId, page.ledger, LOCKED_ENTRIES_MAX)
    const derived = await compareState(query, repair.slotId, ledger, page.ids)
    requireShown(repair, derived)
    await writeState(query, derived, { partition: page.partition, epoch })
    return epoch
  })
}

const countRows = z.array(z.object({ partition_count: z.int() }))

async function partitionOf(query: Query, slotId: string): Promise<number> {
  const text = 'SELECT partition_count FROM partition_progress WHERE topic = $1 LIMIT 1'
  const count = countRows.parse(await query(text, [topics.reservationCommands]))[0]?.partition_count
  if (count === undefined) throw new RepairFault('no partition was ever written here: is this the database?')
  return partitionOfKey(slotId, count)
}

const epochRows = z.array(z.object({ epoch: z.coerce.number() }))

/**
 * Locks the partition's row and raises its epoch above all that readers may have seen. The shared sequence is set
 * forward only where its next value is not enough: it must never go back for the other partitions.
 */
async function fenceWriter(query: Query, partition: number, aboveEpoch: number): Promise<number> {
  const text = `
WITH next AS MATERIALIZED (SELECT nextval('epochs') AS epoch)
UPDATE partition_progress p
   SET epoch = CASE WHEN next.epoch > greatest(p.epoch, $3::bigint) THEN next.epoch
                    ELSE setval('epochs', greatest(p.epoch, $3::bigint) + 1) END
  FROM next WHERE p.topic = $1 AND p.partition = $2 RETURNING p.epoch`
  const rows = epochRows.parse(await query(text, [topics.reservationCommands, partition, aboveEpoch]))
  const epoch = rows[0]?.epoch
  if (epoch === undefined) throw new RepairFault(`partition ${partition} has no row in partition_progress`)
  return epoch
}

/** Values may have moved since, with what was decided meanwhile; other fields may not. */
function requireShown(repair: SlotRepair, derived: Derived): void {
  const shown = new Set(repair.changes.map(({ subject, field }) => `${subject} ${field}`))
  const unseen = derived.changes.find(({ subject, field }) => !shown.has(`${subject} ${field}`))
  if (unseen !== undefined) {
    throw new RepairFault(
      `${unseen.subject} ${unseen.field} would change too, which was not shown: audit again`,
    )
  }
}

/** Answers what kept it from being written, or null. */
async function writeSnapshot(deps: RepairDeps, slotId: string): Promise<string | null> {
  const { pool, redis } = deps
  if (redis === null) return 'Redis does not answer'
  const state = await stateOf(pool, slotId)
  if (state === undefined) return 'the slot is not stored'
  const { epoch, version, document } = state
  const lifetime = { ttlMs: redisSinkDefaults.snapshotTtlMs, ageMs: 0 }
  try {
    // The guarded write reads what is there, and fails where that is no text.
    if ((await readSnapshotText(redis, slotId)) === UNREADABLE)
      await redis.set(redisNames.slot(slotId), UNREADABLE)
    await storeSnapshot(redis, redisNames.slot(slotId), state, lifetime)
    await redis.publish(redisNames.snapshots, JSON.stringify([{ key: slotId, epoch, version, document }]))
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function stateOf(pool: Pool, slotId: string) {
  const states = await readConsistently(pool, READ_TIMEOUT_MS, (query) => readStatesIn(query, [slotId]))
  return states.get(slotId)
}
