/** Fills a table shaped like `reservations` with ids of one layout and measures the last of its rows. */
import { readFile } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { idRangeOfKey } from '@ironsys/contracts'
import type pg from 'pg'
import { z } from 'zod'
import { quantile } from '../quantiles.ts'
import { type Layout, type Slot, slotPicker, slots, timeOfRow, type Workload } from './layouts.ts'

/** Rows of one transaction, as the engine's largest batch. */
export const BATCH_ROWS = 2000
const insertText = `
INSERT INTO reservations (id, slot_id, slot_version, created_at, quantity, user_id, status)
SELECT id, slot_id, $3::bigint + n, to_timestamp($4::float8 / 1000), 1, 'user-' || ($3::bigint + n), 'confirmed'
  FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS row (id, slot_id, n)`
/** Rows of one transaction before that: quicker, and the indexes come out the same. */
const BASE_BATCH_ROWS = 20_000
const CHUNK_ROWS = 1_000_000
/** Slots of about a thousand rows in both workloads, read through the index. */
const slotsToRead = slots.slice(985, 1005)

const indexStateSchema = z.object({ bytes: z.number(), density: z.number() })
type IndexState = z.infer<typeof indexStateSchema>

const walStateSchema = z.object({ lsn: z.number(), page_images: z.number() })

const pidSchema = z.object({ pid: z.number() })
/** Linux counts a process's time in hundredths of a second. */
const TICK_MS = 10

const planSchema = z.tuple([
  z.object({
    Plan: z.object({
      'Shared Hit Blocks': z.number(),
      'Shared Read Blocks': z.number(),
    }),
    'Execution Time': z.number(),
  }),
])

/** Rates in rows a second over the time of the INSERTs alone. */
export interface Result {
  readonly workload: Workload
  readonly layout: Layout
  /** Median over the base's millions: 20,000 a transaction, not flushed at commit, waits for ids included. */
  readonly baseRate: number
  readonly rate: number
  readonly batchMs: readonly number[]
  /** Of the server's process that executes the INSERTs; NaN where /proc does not show it. */
  readonly cpuUsPerRow: number
  readonly walBytesPerRow: number
  readonly pageImages: number
  readonly primary: IndexState
  readonly extra: IndexState | null
  readonly primaryGrowth: number
  readonly read: { readonly ms: number; readonly pages: number; readonly rows: number }
}

/** The last `lastRows` of `rows` are measured; the others are laid down before them, not flushed at commit. */
export async function measure(
  client: pg.Client,
  workload: Workload,
  layout: Layout,
  rows: number,
  lastRows: number,
): Promise<Result> {
  await makeTable(client, layout)
  const pick = slotPicker(workload)
  const baseRows = rows - lastRows

  await client.query('SET synchronous_commit = off')
  const baseRow = (n: number) => {
    const slot = pick(false)
    return { id: layout.quickId?.(slot) ?? layout.id(slot, timeOfRow(n), n), slot }
  }
  const baseRates: number[] = []
  for (let from = 0; from < baseRows; from += CHUNK_ROWS) {
    const upTo = Math.min(from + CHUNK_ROWS, baseRows)
    baseRates.push(await insertBase(client, from, upTo, baseRow))
  }

  await client.query('SET synchronous_commit = on')
  await client.query('CHECKPOINT')
  const sizeBefore = (await indexState(client, 'reservations_pkey')).bytes
  const [walBefore, cpuBefore] = [await walState(client), await backendCpuMs(client)]
  const lastRow = (n: number) => {
    const slot = pick(true)
    return { id: layout.id(slot, timeOfRow(n), n), slot }
  }
  const batchMs = await insertMeasured(client, baseRows, rows, lastRow)
  const [walAfter, cpuAfter] = [await walState(client), await backendCpuMs(client)]

  const primary = await indexState(client, 'reservations_pkey')
  return {
    workload,
    layout,
    baseRate: quantile(baseRates, 0.5) ?? 0,
    rate: (lastRows * 1000) / batchMs.reduce((sum, ms) => sum + ms, 0),
    batchMs,
    cpuUsPerRow: ((cpuAfter - cpuBefore) * 1000) / lastRows,
    walBytesPerRow: (walAfter.lsn - walBefore.lsn) / lastRows,
    pageImages: walAfter.page_images - walBefore.page_images,
    primary,
    extra: hasExtraIndex(layout) ? await indexState(client, 'reservations_by_slot') : null,
    primaryGrowth: (primary.bytes - sizeBefore) / lastRows,
    read: await readSlots(client, layout),
  }
}

async function makeTable(client: pg.Client, layout: Layout): Promise<void> {
  await client.query(`
DROP SCHEMA IF EXISTS id_layout CASCADE;
CREATE SCHEMA id_layout;
SET search_path = id_layout, public;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE reservations (
  id uuid PRIMARY KEY,
  slot_id uuid NOT NULL,
  slot_version bigint NOT NULL,
  created_at timestamptz NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  user_id text NOT NULL,
  status text NOT NULL CHECK (status IN ('confirmed', 'rejected', 'cancelled'))
) WITH (autovacuum_enabled = off)`)
  if (hasExtraIndex(layout)) {
    await client.query(`CREATE INDEX reservations_by_slot ON reservations ${layout.slotIndex}`)
  }
}

function hasExtraIndex({ slotIndex }: Layout): boolean {
  return slotIndex !== 'none' && slotIndex !== 'primary key'
}

type MakeRow = (n: number) => { readonly id: string; readonly slot: Slot }

/** Inserts rows `from` ≤ n < `upTo`, the ids of a batch made while the one before is on its way; rows a second. */
async function insertBase(client: pg.Client, from: number, upTo: number, make: MakeRow): Promise<number> {
  const started = performance.now()
  let sent: Promise<unknown> = Promise.resolve()
  for (let first = from; first < upTo; first += BASE_BATCH_ROWS) {
    const query = insertQuery(first, Math.min(first + BASE_BATCH_ROWS, upTo), make)
    await sent
    sent = client.query(query)
  }
  await sent
  return ((upTo - from) * 1000) / (performance.now() - started)
}

/** Inserts rows `from` ≤ n < `upTo`; what each INSERT took, milliseconds, without the making of its ids. */
async function insertMeasured(
  client: pg.Client,
  from: number,
  upTo: number,
  make: MakeRow,
): Promise<number[]> {
  const batchMs: number[] = []
  for (let first = from; first < upTo; first += BATCH_ROWS) {
    const query = insertQuery(first, first + BATCH_ROWS, make)
    const started = performance.now()
    await client.query(query)
    batchMs.push(performance.now() - started)
  }
  return batchMs
}

function insertQuery(from: number, upTo: number, make: MakeRow): pg.QueryConfig {
  const ids: string[] = []
  const slotIds: string[] = []
  for (let n = from; n < upTo; n++) {
    const { id, slot } = make(n)
    ids.push(id)
    slotIds.push(slot.id)
  }
  return { name: 'insert', text: insertText, values: [ids, slotIds, from, timeOfRow(from)] }
}

async function indexState(client: pg.Client, name: string): Promise<IndexState> {
  const text = 'SELECT index_size::float8 AS bytes, avg_leaf_density AS density FROM pgstatindex($1)'
  return indexStateSchema.parse((await client.query(text, [name])).rows[0])
}

async function walState(client: pg.Client): Promise<z.infer<typeof walStateSchema>> {
  await client.query('SELECT pg_stat_force_next_flush()')
  const text = `
SELECT (pg_current_wal_lsn() - '0/0')::float8 AS lsn, wal_fpi::float8 AS page_images FROM pg_stat_wal`
  return walStateSchema.parse((await client.query(text)).rows[0])
}

/** What this connection's server process has used so far: on a shared machine it is steadier than any rate. */
async function backendCpuMs(client: pg.Client): Promise<number> {
  const { pid } = pidSchema.parse((await client.query('SELECT pg_backend_pid() AS pid')).rows[0])
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  if (!stat.startsWith(`${pid} (postgres)`)) return Number.NaN
  const fields = stat.slice(stat.indexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

/** Medians of reading every reservation of a slot, on a second pass; without an index one slot is enough. */
async function readSlots(client: pg.Client, layout: Layout): Promise<Result['read']> {
  await client.query('ANALYZE reservations')
  const chosen = layout.slotIndex === 'none' ? slotsToRead.slice(0, 1) : slotsToRead
  const range = layout.slotIndex === 'primary key' ? ' AND id BETWEEN $2 AND $3' : ''
  const select = `SELECT quantity FROM reservations WHERE slot_id = $1${range}`
  const ms: number[] = []
  const pages: number[] = []
  const rows: number[] = []
  for (const pass of ['warm', 'measured']) {
    for (const { id } of chosen) {
      const { first, last } = idRangeOfKey(id)
      const values = layout.slotIndex === 'primary key' ? [id, first, last] : [id]
      const found = await client.query(select, values)
      if (pass === 'warm') continue
      const explained = await client.query(
        `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${select}`,
        values,
      )
      const [plan] = planSchema.parse(explained.rows[0]['QUERY PLAN'])
      ms.push(plan['Execution Time'])
      pages.push(plan.Plan['Shared Hit Blocks'] + plan.Plan['Shared Read Blocks'])
      rows.push(found.rows.length)
    }
  }
  return { ms: quantile(ms, 0.5) ?? 0, pages: quantile(pages, 0.5) ?? 0, rows: quantile(rows, 0.5) ?? 0 }
}
