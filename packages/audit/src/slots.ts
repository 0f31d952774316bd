/**
 * The checks about slots: ledger-versions, ledger-bounds, ledger-entries, slot-state, reservations, and of orphans the
 * ledger's. In batches over the range of ids, each batch over one snapshot of the database.
 */
import { idRangeOfKey } from '@ironsys/contracts'
import type { Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { type Query, readConsistently } from './consistent-read.ts'
import { findOrphanEntries } from './orphans.ts'
import { type CheckName, checkNames, type Finding, type Protocol, type Repairable } from './report.ts'
import { newestEntriesSql, wholeSlotsSql } from './slot-sql.ts'

export interface SlotBatchOptions {
  readonly slotsPerBatch: number
  readonly entriesPerBatch: number
  readonly findingsMax: number
  readonly statementTimeoutMs: number
}

/** One batch: slots, and how far the range of ids reaches that it covers. */
export interface SlotBatch {
  readonly slotIds: readonly string[]
  readonly entries: number
}

/** No id of a UUID version that is accepted. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000'
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** All slots, in the order of their ids. Slots made meanwhile may be left out. */
export async function auditAllSlots(
  pool: Pool,
  protocol: Protocol,
  options: SlotBatchOptions,
  onBatch: (batch: SlotBatch) => void,
): Promise<void> {
  let after: string | null = FIRST_ID
  while (after !== null) {
    const from: string = after
    after = await readConsistently(pool, options.statementTimeoutMs, async (query) => {
      const { slotIds, upTo } = await nextSlots(query, from, options)
      const entries = await checkSlots(query, slotIds, null, protocol, options.findingsMax)
      await findOrphanEntries(query, from, upTo, protocol)
      onBatch({ slotIds, entries })
      return upTo === LAST_ID ? null : upTo
    })
  }
}

export interface SlotSample {
  readonly found: boolean
  /** Entries of its ledger that were looked at. */
  readonly entries: number
}

/**
 * One slot. Where `newestEntries` is given and it has more entries or reservations, only the newest ones (the weaker
 * statement of {@link newestEntriesSql}). A slot that is not there is an orphan when it has entries.
 */
export async function auditOneSlot(
  pool: Pool,
  slotId: string,
  protocol: Protocol,
  options: Pick<SlotBatchOptions, 'findingsMax' | 'statementTimeoutMs'> & {
    readonly newestEntries: number | null
  },
): Promise<SlotSample> {
  return readConsistently(pool, options.statementTimeoutMs, async (query) => {
    const [row] = await query('SELECT version::text FROM slots WHERE id = $1', [slotId])
    const stored = row === undefined ? null : Number(row.version)
    const { newestEntries, findingsMax } = options
    const slotIds = stored === null ? [] : [slotId]
    const fits = newestEntries === null || (await isShort(query, slotId, stored ?? 0, newestEntries))
    const newest = fits ? null : newestEntries
    const entries = await checkSlots(query, slotIds, newest, protocol, findingsMax)
    if (stored === null) await findOrphanEntries(query, slotId, slotId, protocol)
    return { found: stored !== null, entries }
  })
}

/** Rejected reservations have no entries, and there may be many more of them. */
async function isShort(query: Query, slotId: string, version: number, rowsMax: number): Promise<boolean> {
  if (version > rowsMax) return false
  const { first, last } = idRangeOfKey(slotId)
  const text =
    'SELECT count(*)::int AS n FROM (SELECT FROM reservations WHERE id BETWEEN $1 AND $2 LIMIT $3) r'
  const [row] = await query(text, [first, last, rowsMax + 1])
  return Number(row?.n) <= rowsMax
}

const idRows = z.array(z.object({ id: z.string() }))

/** The next ids of slots in their order, at most `limit`; from the first one when `after` is null. */
export async function slotIdsAfter(
  pool: Pool,
  after: string | null,
  limit: number,
  timeoutMs: number,
): Promise<readonly string[]> {
  const text = 'SELECT id FROM slots WHERE id > $1 ORDER BY id LIMIT $2'
  const rows = await readConsistently(pool, timeoutMs, (query) => query(text, [after ?? FIRST_ID, limit]))
  return idRows.parse(rows).map(({ id }) => id)
}

const slotPage = z.array(z.object({ id: z.string(), version: z.coerce.number() }))

/** A slot's version is about the number of its entries, which bounds what a batch reads. */
async function nextSlots(query: Query, after: string, options: SlotBatchOptions) {
  const { slotsPerBatch, entriesPerBatch } = options
  const text = 'SELECT id, version FROM slots WHERE id > $1 ORDER BY id LIMIT $2'
  const page = slotPage.parse(await query(text, [after, slotsPerBatch]))
  let entries = 0
  let count = 0
  while (count < page.length && entries < entriesPerBatch) entries += page[count++]?.version ?? 0
  const slotIds = page.slice(0, count).map(({ id }) => id)
  const isLast = count === page.length && page.length < slotsPerBatch
  return { slotIds, upTo: isLast ? LAST_ID : (slotIds.at(-1) ?? LAST_ID) }
}

const checkName = z.enum(checkNames)
const answerRow = z.object({
  entries: z.int(),
  reservations: z.int(),
  counts: z.partialRecord(checkName, z.int()),
  faults: z.array(
    z.object({
      name: checkName,
      slot_id: z.string(),
      version: z.number(),
      reservation_id: z.string().nullable(),
      detail: z.string(),
    }),
  ),
  damaged: z.array(z.string()),
})
type Fault = z.infer<typeof answerRow>['faults'][number]

/** Answers how many entries were looked at. */
async function checkSlots(
  query: Query,
  slotIds: readonly string[],
  newestEntries: number | null,
  protocol: Protocol,
  findingsMax: number,
): Promise<number> {
  const ranges = slotIds.map(idRangeOfKey)
  const text = newestEntries === null ? wholeSlotsSql : newestEntriesSql
  const [row] = await query(text, [
    slotIds,
    ranges.map(({ first }) => first),
    ranges.map(({ last }) => last),
    newestEntries,
    findingsMax,
    checkNames.filter((name) => protocol.wants(name)),
  ])
  const { entries, reservations, counts, faults, ...rest } = answerRow.parse(row)
  protocol.count('ledger-versions', slotIds.length)
  protocol.count('slot-state', slotIds.length)
  protocol.count('ledger-bounds', entries)
  protocol.count('ledger-entries', entries)
  protocol.count('reservations', reservations)
  const damaged = new Set(rest.damaged)
  for (const fault of faults) protocol.add(findingOf(fault, damaged))
  for (const name of checkNames) {
    const listed = faults.filter((fault) => fault.name === name).length
    protocol.addUnlisted(name, (counts[name] ?? 0) - listed)
  }
  return entries
}

function findingOf(fault: Fault, damaged: ReadonlySet<string>): Finding {
  const { name, slot_id, version, reservation_id, detail } = fault
  const place = `slot ${slot_id}, version ${version}`
  return {
    check: name,
    subject: name === 'reservations' ? `reservation ${reservation_id} of slot ${slot_id}` : place,
    slotId: slot_id,
    detail,
    repairable: repairableOf(name, damaged.has(slot_id)),
  }
}

/** State follows from a ledger that is sound, and from no other. */
function repairableOf(name: CheckName, ledgerDamaged: boolean): Repairable | null {
  return !ledgerDamaged && (name === 'slot-state' || name === 'reservations') ? 'state' : null
}
