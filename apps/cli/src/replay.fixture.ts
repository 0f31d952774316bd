/** A database that real decisions filled, and damage to it. */
import { type ReservationCommand, topics } from '@ironsys/contracts'
import { decideBatch } from '@ironsys/engine'
import { createPartitionStore, type Pool } from '@ironsys/postgres'
import { reservationBinding, reservationDecider, reservationTables } from '@ironsys/reservations'

const PARTITIONS = 1
const logTimeMs = Date.parse('2026-06-01T12:00:00.000Z')

/** Decides the commands as one batch of the writer of the only partition, and commits it. */
export async function decideAndCommit(pool: Pool, commands: readonly ReservationCommand[]): Promise<void> {
  const identity = { clusterId: 'cluster-a', partitionCount: PARTITIONS }
  const store = createPartitionStore(pool, reservationTables, identity)
  const id = { topic: topics.reservationCommands, partition: 0 }
  const from = await store.open(id)
  const needs = commands.map((command) => reservationDecider.needs(command))
  const before = await store.prefetch({
    keys: needs.flatMap((need) => need.key ?? []),
    rowIds: needs.flatMap((need) => need.rowIds),
    commandIds: commands.map((command) => command.id),
  })
  const { effects } = decideBatch({
    decider: reservationDecider,
    binding: reservationBinding(PARTITIONS),
    id,
    from,
    records: commands.map((command, index) => {
      const offset = from.nextOffset + index
      const value = Buffer.from(JSON.stringify(command))
      const record = { offset, timeMs: logTimeMs + offset, key: null, value }
      return { record, command: reservationDecider.parse(value) }
    }),
    before: {
      header: (key) => before.headers.get(key) ?? null,
      row: (rowId) => before.rows.get(rowId),
      remembered: (commandId) => before.remembered.get(commandId),
    },
    refusedOffsets: new Map(),
  })
  await store.commit(effects)
}

/** Damages the tables with a statement that must hit something, and puts back what they were. */
export async function withDamage(pool: Pool, damage: string, look: () => Promise<void>): Promise<void> {
  const tables = ['slots', 'reservations', 'slot_ledger']
  await pool.query(tables.map((table) => `CREATE TABLE ${table}_before AS TABLE ${table}`).join(';'))
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
