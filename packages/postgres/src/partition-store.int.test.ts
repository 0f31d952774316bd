/** Postgres, with the tables of reservations, under the contract that its twin keeps. */
import { DataError, type DeadLetterCode, FencedError, type PartitionId } from '@ironsys/engine'
import { reservationTables } from '@ironsys/reservations'
import { createTestDatabase } from '@ironsys/testing'
import { storeContract } from '@ironsys/testing/contract-suites'
import { expect, test } from 'vitest'
import { createOutboxStore } from './outbox-store.ts'
import { createPartitionStore } from './partition-store.ts'
import { createPool, type Pool } from './pool.ts'

storeContract(async () => {
  const database = await createTestDatabase()
  // As the worker has it.
  const pool = createPool(database.url, { applicationName: 'test', maxConnections: 4, keyLookupsOnly: true })
  return {
    connect: (log) => ({ ...createPartitionStore(pool, reservationTables, log), ...createOutboxStore(pool) }),
    raiseEpoch: (id) => raiseEpoch(pool, id),
    deadLetters: (id) => deadLetters(pool, id),
    ledger: (slotId) => ledger(pool, slotId),
    close: async () => {
      await pool.end()
      await database.drop()
    },
  }
})

async function raiseEpoch(pool: Pool, { topic, partition }: PartitionId): Promise<number> {
  const { rows } = await pool.query<{ epoch: string }>(
    `UPDATE partition_progress SET epoch = nextval('epochs') WHERE topic = $1 AND partition = $2 RETURNING epoch`,
    [topic, partition],
  )
  return Number(rows[0]?.epoch)
}

interface LetterRow {
  readonly offset: string
  readonly at: Date
  readonly command_id: string | null
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly code: DeadLetterCode
  readonly detail: string
}

async function deadLetters(pool: Pool, { topic, partition }: PartitionId) {
  const { rows } = await pool.query<LetterRow>(
    `SELECT "offset", at, command_id, key, value, code, detail FROM dead_letters
      WHERE topic = $1 AND partition = $2 ORDER BY "offset"`,
    [topic, partition],
  )
  return rows.map(({ offset, at, command_id, ...letter }) => ({
    ...letter,
    offset: Number(offset),
    atMs: at.getTime(),
    commandId: command_id,
  }))
}

async function ledger(pool: Pool, slotId: string) {
  const { rows } = await pool.query<{ version: string; at: Date; event: { type: string } }>(
    'SELECT version, at, event FROM slot_ledger WHERE slot_id = $1 ORDER BY version, at',
    [slotId],
  )
  return rows.map(({ version, at, event }) => ({ version: Number(version), atMs: at.getTime(), event }))
}

test('a server that goes away is neither fenced nor a data error', async () => {
  const nobody = createPool('postgres://ironsys:x@127.0.0.1:1/ironsys', {
    applicationName: 'test',
    maxConnections: 1,
  })
  const log = { clusterId: 'cluster', partitionCount: 1 }
  const from = { nextOffset: 0, epoch: 1, logTimeMs: 0, lastRecord: null, eventSeq: 0, steps: 0 }
  const nothing = {
    headers: new Map(),
    rows: new Map(),
    removedKeys: new Set<string>(),
    ledger: [],
    remembered: [],
    deadLetters: [],
  }
  const failure = await createPartitionStore(nobody, reservationTables, log)
    .commit({ id: { topic: 'commands', partition: 0 }, from, to: from, segment: null, ...nothing })
    .catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(Error)
  expect(failure).not.toBeInstanceOf(FencedError)
  expect(failure).not.toBeInstanceOf(DataError)
  await nobody.end()
})
