/** A database that real decisions filled, and damage to it. */
import { type ReservationCommand, topics } from '@ironsys/contracts'
import { decideBatch, type Page } from '@ironsys/engine'
import { createPartitionStore, type Pool } from '@ironsys/postgres'
import {
  type Reservation,
  reservationBinding,
  reservationDecider,
  reservationTables,
} from '@ironsys/reservations'

const PARTITIONS = 1
export const logTimeMs = Date.parse('2026-06-01T12:00:00.000Z')

/** Decides the commands as the writer of the only partition, in one batch if it can be, and commits that. */
export async function decideAndCommit(
  pool: Pool,
  commands: readonly ReservationCommand[],
  atMs: number = logTimeMs,
): Promise<void> {
  const identity = { clusterId: 'cluster-a', partitionCount: PARTITIONS }
  const store = createPartitionStore(pool, reservationTables, identity)
  const id = { topic: topics.reservationCommands, partition: 0 }
  const from = await store.open(id)
  const parsed = commands.map((command, index) => {
    const offset = from.nextOffset + index
    const value = Buffer.from(JSON.stringify(command))
    const record = { offset, timeMs: atMs + offset, key: null, value }
    return { record, command: reservationDecider.parse(value) }
  })
  const decider = reservationDecider
  for (let rest = parsed, progress = from; rest.length > 0; ) {
    const needs = rest.flatMap(({ command }) => ('type' in command ? [decider.needs(command)] : []))
    const keys = needs.flatMap((need) => need.key ?? [])
    const loaded = await store.prefetch({
      keys,
      rowIds: needs.flatMap((need) => need.rowIds),
      commandIds: commands.map((command) => command.id),
      listedKeys: [],
      untilMs: atMs + from.nextOffset + parsed.length,
      // More than any test has in a list.
      pages: [...new Set(keys)].flatMap((key) =>
        decider.standingLists.map((list) => ({ key, list, limit: LIST_ROWS })),
      ),
    })
    const { effects, consumed, needed } = decideBatch({
      ...{ decider, binding: reservationBinding(PARTITIONS), id, from: progress, records: rest },
      ...{ refusedOffsets: new Map(), eventsMax: LIST_ROWS },
      before: {
        header: (key) => loaded.headers.get(key) ?? null,
        row: (rowId) => loaded.rows.get(rowId) ?? listed(loaded.pages, rowId),
        remembered: (commandId) => loaded.remembered.get(commandId),
        page: (key, list) => loaded.pages.find((page) => page.key === key && page.list === list),
        emptyList: () => true,
        changedRows: [],
      },
    })
    if (needed !== null) throw new Error(`a test needs more than ${LIST_ROWS} rows of ${needed.list}`)
    await store.commit(effects)
    progress = effects.to
    rest = rest.slice(consumed)
  }
}

const LIST_ROWS = 1000

function listed(pages: readonly Page<Reservation>[], rowId: string): Reservation | undefined {
  return pages.flatMap(({ rows }) => rows).find(({ id }) => id === rowId)
}

/** Damages the tables with a statement that must hit something, and puts back what they were. */
export async function withDamage(pool: Pool, damage: string, look: () => Promise<void>): Promise<void> {
  const tables = ['slots', 'reservations', 'slot_ledger']
  await pool.query(tables.map((table) => `CREATE TABLE ${table}_before AS TABLE ${table}`).join(';'))
  // The last column of slots is generated from the others and is not to be inserted.
  await pool.query('ALTER TABLE slots_before DROP COLUMN has_units')
  try {
    const { rowCount } = await pool.query(damage)
    if (rowCount === null || rowCount === 0) throw new Error(`this damages nothing: ${damage}`)
    await look()
  } finally {
    const restore = (table: string) =>
      `DELETE FROM ${table}; INSERT INTO ${table} TABLE ${table}_before; DROP TABLE ${table}_before`
    await pool.query(tables.map(restore).join(';'))
  }
}
