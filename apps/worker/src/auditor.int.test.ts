/** Which slots the auditor looks at, how often it tells what it finds, and what it does not tell. */
import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CheckName } from '@ironsys/audit'
import { partitionOfKey } from '@ironsys/contracts'
import { createPool, type Pool } from '@ironsys/postgres'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { auditorDefaults, startAuditor } from './auditor.ts'

const PARTITIONS = 2
const OWNED = 0
let database: TestDatabase
let pool: Pool

beforeEach(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 2 })
})

afterEach(async () => {
  await pool.end()
  await database.drop()
})

function slotIdOf(partition: number): string {
  for (;;) {
    const id = randomUUID()
    if (partitionOfKey(id, PARTITIONS) === partition) return id
  }
}

/** Without a ledger: each is a finding. */
async function storeSlot(id: string): Promise<void> {
  await pool.query(
    `INSERT INTO slots (id, version, epoch, start_time, end_time, capacity, overbooking_bps, held, confirmed, status, name,
       body_hash, created_at)
     VALUES ($1, 3, 1, now(), now() + interval '1 hour', 10, 0, 0, 0, 'open', 'Secret name', 'x', now())`,
    [id],
  )
}

/** What an auditor does with what it is given, until it is closed. */
function watchedAuditor() {
  const told: { readonly subject: string; readonly fields: readonly string[] }[] = []
  const counted = new Map<CheckName, number>()
  const seen = { rounds: 0, looks: 0 }
  const auditor = startAuditor(
    {
      pool,
      owns: (partition) => partition === OWNED,
      partitionCount: PARTITIONS,
      scheduler: {
        nowMs: () => performance.now(),
        // One look after the other.
        delay: () => nextTurn(),
      },
      metrics: {
        auditChecked: { inc: () => seen.looks++ },
        auditFindings: {
          with: ({ check }) => {
            const name = check as CheckName
            counted.set(name, counted.get(name) ?? 0)
            return { inc: () => counted.set(name, (counted.get(name) ?? 0) + 1) }
          },
          remove: () => undefined,
        },
        auditFailures: { inc: () => undefined },
        auditSeconds: { observe: () => undefined, observeMany: () => undefined },
        auditLastSuccess: { set: () => undefined, inc: () => undefined, dec: () => undefined },
        auditRoundSeconds: { set: () => seen.rounds++, inc: () => undefined, dec: () => undefined },
      },
      logger: { error: (fields: object) => told.push(fields as never), warn: () => {}, info: () => {} },
    },
    { ...auditorDefaults, intervalMs: 1 },
  )
  const rounds = (more: number) => {
    const wanted = seen.rounds + more
    return vi.waitFor(() => expect(seen.rounds).toBeGreaterThanOrEqual(wanted), 20_000)
  }
  return { auditor, told, counted, rounds }
}

test('only slots of partitions that this worker writes are looked at, in their turn and when they have changed', async () => {
  const owned = [slotIdOf(OWNED), slotIdOf(OWNED)]
  const foreign = [slotIdOf(1), slotIdOf(1)]
  for (const id of [...owned, ...foreign]) await storeSlot(id)
  const { auditor, told, rounds } = watchedAuditor()
  const observer = auditor.watching({ committed: () => undefined } as never)
  const headers = new Map([...foreign, ...owned].map((id) => [id, {}]))
  observer.committed({ effects: { headers } } as never, {} as never)
  await rounds(2).finally(() => auditor.close())
  expect(told.map(({ subject }) => subject).sort()).toEqual(owned.map((id) => `slot ${id}, version 3`).sort())
})

test('what is wrong with a slot that moves on is told once, without its values', async () => {
  const id = slotIdOf(OWNED)
  await storeSlot(id)
  const { auditor, told, counted, rounds } = watchedAuditor()
  try {
    expect(Object.fromEntries(counted)).toMatchObject({ 'ledger-entries': 0, reservations: 0 })
    await rounds(1)
    await pool.query('UPDATE slots SET version = version + 1')
    await rounds(2)
  } finally {
    await auditor.close()
  }
  expect(told).toEqual([{ check: 'ledger-versions', subject: `slot ${id}, version 3`, fields: ['version'] }])
  expect(counted.get('ledger-versions')).toBe(1)
})
