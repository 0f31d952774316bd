/**
 * The checks about slots: ledger-versions, ledger-bounds, ledger-entries, slot-state, reservations, due-holds,
 * user-limits, and of orphans the ledger's. In batches over the range of ids, each batch over one snapshot of the database.
 */
import { idRangeOfKey } from '@ironsys/contracts'
import { isServerError, type Pool } from '@ironsys/postgres'
import { z } from 'zod'
import { type Query, readConsistently } from './consistent-read.ts'
import { readOrphanEntries, reportOrphanEntries } from './orphans.ts'
import { type CheckName, checkNames, type Finding, type Protocol, type Repairable } from './report.ts'
import { newestEntriesSql, wholeSlotsSql } from './slot-sql.ts'

export interface SlotBatchOptions {
  readonly slotsPerBatch: number
  readonly entriesPerBatch: number
  readonly findingsMax: number
  readonly statementTimeoutMs: number
  /** A hold that is over for longer is stuck, milliseconds. */
  readonly stuckAfterMs: number
}

/** One batch: slots, and how far the range of ids reaches that it covers. */
export interface SlotBatch {
  readonly slotIds: readonly string[]
  readonly entries: number
}

/** No id of a UUID version that is accepted. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000'
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** Slots that could not be read and are named; more of them are counted. */
const UNREAD_NAMED_MAX = 10
export const entryChecks: readonly CheckName[] = [
  ...(['ledger-versions', 'ledger-bounds', 'ledger-entries', 'slot-state', 'reservations'] as const),
  ...(['due-holds', 'user-limits'] as const),
]

/**
 * All slots, in the order of their ids. Slots made meanwhile may be left out. What the database refuses to read, a slot
 * whose ledger takes longer than a statement may, is left out by name, and the others are read.
 */
export async function auditAllSlots(
  pool: Pool,
  protocol: Protocol,
  options: SlotBatchOptions,
  onBatch: (batch: SlotBatch) => void,
): Promise<void> {
  const unread: string[] = []
  let after: string | null = FIRST_ID
  while (after !== null) {
    const batch: SlotBatch & { readonly upTo: string } = await auditBatch(
      pool,
      after,
      protocol,
      options,
      unread,
    )
    onBatch(batch)
    after = batch.upTo === LAST_ID ? null : batch.upTo
  }
  if (unread.length === 0) return
  const more = unread.length - UNREAD_NAMED_MAX
  const named = unread.slice(0, UNREAD_NAMED_MAX).join('; ')
  for (const name of entryChecks)
    protocol.skip(name, `not read: ${named}${more > 0 ? `; and ${more} more slots` : ''}`)
}

async function auditBatch(
  pool: Pool,
  from: string,
  protocol: Protocol,
  options: SlotBatchOptions,
  unread: string[],
) {
  const { statementTimeoutMs: timeoutMs } = options
  let page: Awaited<ReturnType<typeof nextSlots>> | null = null
  try {
    return await readConsistently(pool, timeoutMs, async (query) => {
      const { slotIds, upTo } = await nextSlots(query, from, options)
      page = { slotIds, upTo }
      const answer = await readFaults(query, slotIds, null, protocol, options)
      reportOrphanEntries(await readOrphanEntries(query, from, upTo), protocol)
      return { slotIds, upTo, entries: reportFaults(answer, slotIds, protocol) }
    })
  } catch (error) {
    if (page === null || !isServerError(error)) throw error
    return auditOneByOne(pool, from, page, protocol, options, unread)
  }
}

/** What a batch is when one of its slots cannot be read. */
async function auditOneByOne(
  pool: Pool,
  from: string,
  { slotIds, upTo }: Awaited<ReturnType<typeof nextSlots>>,
  protocol: Protocol,
  options: SlotBatchOptions,
  unread: string[],
) {
  const { statementTimeoutMs: timeoutMs } = options
  let entries = 0
  for (const slotId of slotIds) {
    try {
      const answer = await readConsistently(pool, timeoutMs, (query) =>
        readFaults(query, [slotId], null, protocol, options),
      )
      entries += reportFaults(answer, [slotId], protocol)
    } catch (error) {
      if (!isServerError(error)) throw error
      unread.push(`slot ${slotId} (${error.message})`)
    }
  }
  try {
    const orphans = await readConsistently(pool, timeoutMs, (query) => readOrphanEntries(query, from, upTo))
    reportOrphanEntries(orphans, protocol)
  } catch (error) {
    if (!isServerError(error)) throw error
    protocol.skip('orphans', `entries of slots from ${from} to ${upTo} were not read: ${error.message}`)
  }
  return { slotIds, upTo, entries }
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
  options: Pick<SlotBatchOptions, 'findingsMax' | 'statementTimeoutMs' | 'stuckAfterMs'> & {
    readonly newestEntries: number | null
  },
): Promise<SlotSample> {
  return readConsistently(pool, options.statementTimeoutMs, async (query) => {
    const found = (await query('SELECT FROM slots WHERE id = $1', [slotId])).length > 0
    const { newestEntries } = options
    const slotIds = found ? [slotId] : []
    const fits = newestEntries === null || (await isShort(query, slotId, newestEntries))
    const newest = fits ? null : newestEntries
    const answer = await readFaults(query, slotIds, newest, protocol, options)
    if (!found) reportOrphanEntries(await readOrphanEntries(query, slotId, slotId), protocol)
    return { found, entries: reportFaults(answer, slotIds, protocol) }
  })
}

/** By what is there: a stored version may be too low, and rejected reservations have no entries. */
async function isShort(query: Query, slotId: string, rowsMax: number): Promise<boolean> {
  const { first, last } = idRangeOfKey(slotId)
  const text = `
SELECT greatest(
  (SELECT count(*) FROM (SELECT FROM reservations WHERE id BETWEEN $1 AND $2 LIMIT $4) r),
  (SELECT count(*) FROM (SELECT FROM slot_ledger WHERE slot_id = $3 LIMIT $4) l))::int AS n`
  const [row] = await query(text, [first, last, slotId, rowsMax + 1])
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
  holds: z.int(),
  limited: z.int(),
  counts: z.partialRecord(checkName, z.int()),
  faults: z.array(
    z.object({
      name: checkName,
      slot_id: z.string(),
      /** As text: somebody may have stored more than a number holds exactly. */
      version: z.string(),
      reservation_id: z.string().nullable(),
      detail: z.string(),
      fields: z.array(z.string()),
    }),
  ),
  damaged: z.array(z.string()),
})
type Answer = z.infer<typeof answerRow>
type Fault = Answer['faults'][number]

async function readFaults(
  query: Query,
  slotIds: readonly string[],
  newestEntries: number | null,
  protocol: Protocol,
  { findingsMax, stuckAfterMs }: Pick<SlotBatchOptions, 'findingsMax' | 'stuckAfterMs'>,
): Promise<Answer> {
  const ranges = slotIds.map(idRangeOfKey)
  const text = newestEntries === null ? wholeSlotsSql : newestEntriesSql
  const [row] = await query(text, [
    slotIds,
    ranges.map(({ first }) => first),
    ranges.map(({ last }) => last),
    newestEntries,
    findingsMax,
    checkNames.filter((name) => protocol.wants(name)),
    stuckAfterMs,
  ])
  return answerRow.parse(row)
}

/** Answers how many entries were looked at. */
function reportFaults(answer: Answer, slotIds: readonly string[], protocol: Protocol): number {
  const { entries, reservations, holds, limited, counts, faults, ...rest } = answer
  protocol.count('ledger-versions', slotIds.length)
  protocol.count('slot-state', slotIds.length)
  protocol.count('ledger-bounds', entries)
  protocol.count('ledger-entries', entries)
  protocol.count('reservations', reservations)
  protocol.count('due-holds', holds)
  protocol.count('user-limits', limited)
  for (const slotId of rest.damaged) protocol.noteDamagedLedger(slotId)
  const damaged = new Set(rest.damaged)
  for (const fault of faults) protocol.add(findingOf(fault, damaged))
  for (const name of checkNames) {
    const listed = faults.filter((fault) => fault.name === name).length
    protocol.addUnlisted(name, (counts[name] ?? 0) - listed)
  }
  return entries
}

function findingOf(fault: Fault, damaged: ReadonlySet<string>): Finding {
  const { name, slot_id, version, reservation_id, detail, fields } = fault
  const place = `slot ${slot_id}, version ${version}`
  return {
    check: name,
    subject:
      reservation_id !== null && name !== 'ledger-entries'
        ? `reservation ${reservation_id} of slot ${slot_id}`
        : place,
    slotId: slot_id,
    detail,
    fields,
    repairable: repairableOf(name, damaged.has(slot_id)),
  }
}

/** State follows from a ledger that is sound, and from no other. */
function repairableOf(name: CheckName, ledgerDamaged: boolean): Repairable | null {
  return !ledgerDamaged && (name === 'slot-state' || name === 'reservations') ? 'state' : null
}
