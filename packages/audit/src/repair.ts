/**
 * Repairs what is derivable: state from the ledger, snapshots from state. Never silent: first a plan, which shows every
 * field, then each slot of it for itself.
 *
 * Invariants:
 * 1. State is changed in one transaction that first locks the fence's row and raises its epoch (I4): the writer cannot
 *    commit meanwhile, and its next commit fails, so that it drops its memory and reads what was repaired.
 * 2. It is derived again under that lock. Fields that the plan did not show are never changed.
 * 3. Nothing is deleted that the ledger does not have, and a damaged ledger repairs nothing.
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
import type { Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { type Query, readConsistently } from './consistent-read.ts'
import { type Change, type Derived, deriveState, RepairFault, writeState } from './derive.ts'
import type { Finding } from './report.ts'
import { readStatesIn } from './snapshots.ts'

export interface RepairDeps {
  /** May write. One connection is used. */
  readonly pool: Pool
  /** Null: snapshots stay as they are, and are reported so. */
  readonly redis: Pick<SnapshotRedis, 'get' | 'putSnapshot' | 'publish'> | null
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

/** Of all statements of one repair, milliseconds; a writer waits for its partition's row that long. */
const STATEMENT_TIMEOUT_MS = 60_000

/** What would be changed for the repairable among `findings`. Reads only. */
export async function planRepair(deps: RepairDeps, findings: readonly Finding[]): Promise<RepairPlan> {
  const repairs: SlotRepair[] = []
  const refused: { slotId: string; reason: string }[] = []
  const wanted = findings.filter(({ repairable }) => repairable !== null)
  for (const slotId of new Set(wanted.flatMap((finding) => finding.slotId ?? []))) {
    try {
      const { changes } = await readConsistently(deps.pool, STATEMENT_TIMEOUT_MS, (query) =>
        deriveState(query, slotId),
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
 * LedgerFault; nothing has changed then.
 */
export async function repairSlot(deps: RepairDeps, repair: SlotRepair): Promise<Repaired> {
  const { slotId } = repair
  const snapshot = await storedSnapshot(deps, slotId)
  const changesState = repair.changes.some(({ subject }) => subject !== 'snapshot')
  const epoch =
    changesState || (await snapshotIsAhead(deps, slotId, snapshot))
      ? await inTransaction(deps.pool, (query) => writeDerived(query, repair, snapshot?.epoch ?? 0))
      : null
  return { slotId, epoch, snapshotFault: await writeSnapshot(deps, slotId) }
}

/** Null when there is none, or none that can be read. */
async function storedSnapshot({ redis }: RepairDeps, slotId: string): Promise<StoredSnapshot | null> {
  const text = await redis?.get(redisNames.slot(slotId)).catch(() => null)
  return text === null || text === undefined ? null : decodeSnapshot(text)
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
async function writeDerived(query: Query, repair: SlotRepair, snapshotEpoch: number): Promise<number> {
  const epoch = await fenceWriter(query, repair.slotId, snapshotEpoch)
  const derived = await deriveState(query, repair.slotId)
  requireShown(repair, derived)
  await writeState(query, derived, epoch)
  return epoch
}

const fenceRows = z.array(z.object({ partition_count: z.int() }))
const epochRows = z.array(z.object({ epoch: z.coerce.number() }))

/** Locks the row of the slot's partition and raises its epoch above all that readers may have seen. */
async function fenceWriter(query: Query, slotId: string, snapshotEpoch: number): Promise<number> {
  const topic = topics.reservationCommands
  const counts = await query('SELECT partition_count FROM partition_progress WHERE topic = $1 LIMIT 1', [
    topic,
  ])
  const count = fenceRows.parse(counts)[0]?.partition_count
  if (count === undefined) throw new RepairFault('no partition was ever written here: is this the database?')
  const place = [topic, partitionOfKey(slotId, count)]
  const lock = 'SELECT epoch FROM partition_progress WHERE topic = $1 AND partition = $2 FOR UPDATE'
  const before = epochRows.parse(await query(lock, place))[0]?.epoch
  if (before === undefined) throw new RepairFault(`partition ${place[1]} has no row in partition_progress`)
  const raise = `UPDATE partition_progress SET epoch = setval('epochs', greatest(nextval('epochs'), $3::bigint))
                  WHERE topic = $1 AND partition = $2 RETURNING epoch`
  const raised = await query(raise, [...place, Math.max(before, snapshotEpoch) + 1])
  const epoch = epochRows.parse(raised)[0]?.epoch
  if (epoch === undefined) throw new RepairFault(`partition ${place[1]} has lost its row`)
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
    await storeSnapshot(redis, redisNames.slot(slotId), state, lifetime)
    await redis.publish(redisNames.snapshots, JSON.stringify([{ key: slotId, epoch, version, document }]))
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function stateOf(pool: Pool, slotId: string) {
  const states = await readConsistently(pool, STATEMENT_TIMEOUT_MS, (query) => readStatesIn(query, [slotId]))
  return states.get(slotId)
}

/** Commits, or has changed nothing. */
async function inTransaction<T>(pool: Pool, work: (query: Query) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let sound = false
  try {
    const query: Query = async (text, values = []) => {
      const config = { text, values: [...values], query_timeout: STATEMENT_TIMEOUT_MS }
      return (await client.query(config)).rows
    }
    await query('BEGIN')
    // Folding a long ledger takes longer than a transaction of the writer may.
    const settings = `SELECT set_config(name, $1, true) FROM unnest(ARRAY[
      'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']) AS name`
    await query(settings, [String(STATEMENT_TIMEOUT_MS)])
    const answer = await work(query)
    await query('COMMIT')
    sound = true
    return answer
  } finally {
    // Closing a connection rolls back what it has not committed.
    client.release(!sound)
  }
}
