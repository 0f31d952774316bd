/**
 * A side schema with tables like those of the domain, filled and compared within the transaction of the caller.
 *
 * The search path puts the side schema first, so that the domain's own statements (those of the writer) read and write
 * the side tables. The tables are unlogged: no write-ahead log, nothing for replicas.
 */
import {
  type LedgerFault,
  loadState,
  type Reservation,
  readState,
  reservationTables,
  type SavedState,
  type Statement,
} from '@ironsys/reservations'
import pg from 'pg'
import { z } from 'zod'

/** Where stored and rebuilt state disagree. Values are JSON, cut at {@link VALUE_LENGTH}; null is no row at all. */
const differenceRow = z.object({
  table: z.string(),
  id: z.string(),
  /** Null when a whole row is missing on one side. */
  column: z.string().nullable(),
  stored: z.string().nullable(),
  rebuilt: z.string().nullable(),
})
export type Difference = z.infer<typeof differenceRow>

const VALUE_LENGTH = 200

/** One slot, or all of them. The ids of a slot's reservations lie between `first` and `last`. */
export type Scope = { readonly slotId: string; readonly first: string; readonly last: string } | null

export interface SideTables {
  /** The reservations among `ids` that were rebuilt so far. */
  load(ids: readonly string[]): Promise<ReadonlyMap<string, Reservation>>
  save(changes: SavedState, faults: readonly LedgerFault[]): Promise<void>
  /** Compares in both directions; call it once, after the last page. */
  compare(scope: Scope): Promise<void>
  counts(): Promise<{ readonly slots: number; readonly reservations: number; readonly differences: number }>
  /** In a fixed order. */
  differences(limit: number): Promise<readonly Difference[]>
}

/** Makes the schema. The caller has begun a transaction, and leaves the search path to it from here on. */
export async function createSideTables(client: pg.Client, schema: string): Promise<SideTables> {
  const { rows } = await client.query('SELECT current_schema() AS name')
  const real = pg.escapeIdentifier(z.object({ name: z.string() }).parse(rows[0]).name)
  const side = pg.escapeIdentifier(schema)
  await client.query(`
    CREATE SCHEMA ${side};
    SET LOCAL search_path = ${side}, ${real};
    CREATE UNLOGGED TABLE ${side}.slots (LIKE ${real}.slots INCLUDING GENERATED INCLUDING INDEXES);
    CREATE UNLOGGED TABLE ${side}.reservations (LIKE ${real}.reservations INCLUDING INDEXES);
    CREATE UNLOGGED TABLE ${side}.ledger_faults (slot_id uuid PRIMARY KEY, version bigint, fault text);
    CREATE UNLOGGED TABLE ${side}.differences ("table" text, id uuid, "column" text, stored text, rebuilt text);`)
  // The tables are empty when their statements are planned, and grow: only look-ups by key stay right.
  await setKeyLookups(client, true)
  return {
    load: async (ids) => {
      if (ids.length === 0) return new Map()
      const answer = await run(client, loadState([], ids))
      return readState(stateAnswer.parse(answer.rows[0])).rows
    },
    save: async (changes, faults) => {
      for (const statement of reservationTables.save(changes)) await run(client, statement)
      for (const { slotId, version, message } of faults) {
        await client.query('INSERT INTO ledger_faults VALUES ($1, $2, $3)', [slotId, version, message])
      }
    },
    compare: async (scope) => {
      await setKeyLookups(client, false)
      // An epoch belongs to a slot's writer, a partition to the log: neither is in the ledger.
      await client.query(`
        UPDATE slots SET epoch = stored.epoch, partition = stored.partition FROM ${real}.slots stored WHERE stored.id = slots.id;
        ANALYZE slots, reservations, ledger_faults;
        INSERT INTO differences SELECT 'slot_ledger', slot_id, NULL, to_json(fault), NULL FROM ledger_faults`)
      const values = scope === null ? [] : [scope.slotId, scope.first, scope.last]
      await client.query(comparison('slots', real, slotsOf(scope)), values.slice(0, 1))
      await client.query(comparison('reservations', real, reservationsOf(scope)), values)
    },
    counts: async () => {
      const answer = await client.query(`SELECT (SELECT count(*) FROM slots) AS slots,
        (SELECT count(*) FROM reservations) AS reservations, (SELECT count(*) FROM differences) AS differences`)
      return countsRow.parse(answer.rows[0])
    },
    differences: async (limit) => {
      const answer = await client.query('SELECT * FROM differences ORDER BY "table", id, "column" LIMIT $1', [
        limit,
      ])
      return z.array(differenceRow).parse(answer.rows)
    },
  }
}

const stateAnswer = z.object({ headers: z.array(z.unknown()), rows: z.array(z.unknown()) })
const countsRow = z.object({
  slots: z.coerce.number(),
  reservations: z.coerce.number(),
  differences: z.coerce.number(),
})

function slotsOf(scope: Scope): string {
  return scope === null ? '' : 'WHERE id = $1'
}

/** A stored row whose slot was changed by mistake still counts: its id was rebuilt. */
function reservationsOf(scope: Scope): string {
  return scope === null
    ? ''
    : `WHERE id BETWEEN $2 AND $3 AND (slot_id = $1 OR id IN (SELECT id FROM reservations))`
}

/**
 * Names what differs, column by column. Left out: slots whose ledger is at fault (that is named instead), and rejected
 * reservations that were not rebuilt, since they take no ledger entry; and `has_units`, which follows from other columns.
 */
function comparison(table: 'slots' | 'reservations', real: string, where: string): string {
  const slot = table === 'slots' ? 'id' : 'slot_id'
  const rejected = table === 'slots' ? '' : `AND NOT (r.id IS NULL AND s.status = 'rejected')`
  return `
    INSERT INTO differences
    SELECT '${table}', coalesce(s.id, r.id), d.name, left(d.stored, ${VALUE_LENGTH}), left(d.rebuilt, ${VALUE_LENGTH})
      FROM (SELECT * FROM ${real}.${table} ${where}) s FULL JOIN ${table} r ON r.id = s.id
     CROSS JOIN LATERAL (
       SELECT NULL AS name, to_json(s)::text AS stored, to_json(r)::text AS rebuilt WHERE s.id IS NULL OR r.id IS NULL
        UNION ALL
       SELECT a.key, a.value::text, b.value::text
         FROM jsonb_each(to_jsonb(s)) a JOIN jsonb_each(to_jsonb(r)) b ON b.key = a.key
        WHERE s.id = r.id AND a.value <> b.value AND a.key <> 'has_units') d
     WHERE s IS DISTINCT FROM r ${rejected}
       AND coalesce(r.${slot}, s.${slot}) NOT IN (SELECT slot_id FROM ledger_faults)`
}

async function setKeyLookups(client: pg.Client, only: boolean): Promise<void> {
  for (const way of ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) {
    await client.query(`SET LOCAL ${way} = ${only ? 'off' : 'on'}`)
  }
}

function run(client: pg.Client, { name, text, values }: Statement) {
  return client.query({ name, text, values: [...values] })
}
