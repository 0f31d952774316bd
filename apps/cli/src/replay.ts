/**
 * Rebuilds all state from the ledger beside the real one and compares the two, on a system that goes on working.
 *
 * One REPEATABLE READ transaction sees one moment: the ledger up to it and the state that it must give. Nothing outside
 * of the side schema is written, and without `keep` the transaction is rolled back. In memory is one page of
 * {@link PAGE_ENTRIES} entries, whatever the size of the ledger or of a slot.
 */
import { idRangeOfKey } from '@ironsys/contracts'
import { LocalFault } from '@ironsys/local'
import {
  ledgerColumns,
  ledgerEntryFromRow,
  type ReplayPosition,
  replayPage,
  reservationsNamed,
} from '@ironsys/reservations'
import type pg from 'pg'
import { z } from 'zod'
import { createSideTables, type Difference, type Scope, type SideTables } from './side-tables.ts'

export interface ReplayOptions {
  /** Of the side schema; it must not exist. */
  readonly schema: string
  /** Only this slot. */
  readonly slotId: string | null
  /** The side schema stays, with the differences in its table `differences`. */
  readonly keep: boolean
  /** At most so many differences are listed; all are counted. */
  readonly maxListed: number
  /** Called after each page. */
  readonly progress: (done: number, total: number) => void
}

export interface ReplayReport {
  readonly entries: number
  /** Rebuilt, not stored. */
  readonly slots: number
  readonly reservations: number
  readonly differenceCount: number
  readonly differences: readonly Difference[]
}

export const PAGE_ENTRIES = 2_000

/** Throws what the database throws, and a `LocalFault` when there is no such slot; the transaction is over then. */
export async function replayLedger(client: pg.Client, options: ReplayOptions): Promise<ReplayReport> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  try {
    const report = await replayWithin(client, options)
    await client.query(options.keep ? 'COMMIT' : 'ROLLBACK')
    return report
  } catch (error) {
    // A connection that is gone has rolled back by itself; the first error is the one to tell.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

async function replayWithin(client: pg.Client, options: ReplayOptions): Promise<ReplayReport> {
  const { schema, slotId, maxListed, progress } = options
  const scope: Scope = slotId === null ? null : { slotId, ...idRangeOfKey(slotId) }
  const total = await openLedger(client, scope)
  const side = await createSideTables(client, schema)
  const entries = await replayPages(client, side, (done) => progress(done, total))
  await side.compare(scope)
  const { differences: differenceCount, ...rebuilt } = await side.counts()
  // A stored slot without entries is a difference. Nothing on either side is a wrong id, and no proof of anything.
  if (slotId !== null && entries === 0 && differenceCount === 0)
    throw new LocalFault(`there is no slot ${slotId}`)
  return { entries, ...rebuilt, differenceCount, differences: await side.differences(maxListed) }
}

/** Declares the cursor that pages are read from; answers how many entries there are. */
async function openLedger(client: pg.Client, scope: Scope): Promise<number> {
  const where = scope === null ? '' : 'WHERE slot_id = $1'
  const values = scope === null ? [] : [scope.slotId]
  const { rows } = await client.query(`SELECT count(*) AS total FROM slot_ledger ${where}`, values)
  await client.query(
    `DECLARE ledger NO SCROLL CURSOR FOR SELECT row_to_json(l) AS entry FROM (
       SELECT ${ledgerColumns} FROM slot_ledger ${where} ORDER BY slot_id, version) l`,
    values,
  )
  return z.object({ total: z.coerce.number() }).parse(rows[0]).total
}

async function replayPages(
  client: pg.Client,
  side: SideTables,
  report: (done: number) => void,
): Promise<number> {
  let position: ReplayPosition | null = null
  let done = 0
  for (;;) {
    const { rows } = await client.query<{ entry: unknown }>(`FETCH ${PAGE_ENTRIES} FROM ledger`)
    if (rows.length === 0) return done
    const page = rows.map((row) => ledgerEntryFromRow(row.entry))
    const replayed = replayPage(position, page, await side.load(reservationsNamed(page)))
    await side.save(replayed.changes, replayed.faults)
    position = replayed.position
    done += page.length
    report(done)
  }
}
