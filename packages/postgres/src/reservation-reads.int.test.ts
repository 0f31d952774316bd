/** What readers ask of the tables that writers fill. */
import { randomUUID } from 'node:crypto'
import { createReservationReads, reservationTables } from '@ironsys/reservations'
import { createTestDatabase, type TestDatabase } from '@ironsys/testing'
import {
  confirmed,
  createSlot,
  decide,
  held,
  newReservationId,
  noonMs,
  reserve,
  storeSlots,
  waiting,
} from '@ironsys/testing/contract-suites'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createOutboxStore } from './outbox-store.ts'
import { createPartitionStore } from './partition-store.ts'
import { createPool, type Pool } from './pool.ts'
import { queryAll } from './transaction.ts'

const id = { topic: 'commands', partition: 0 }

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool(database.url, { applicationName: 'test', maxConnections: 2 })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

function world() {
  const log = { clusterId: 'cluster', partitionCount: 1 }
  const store = { ...createPartitionStore(pool, reservationTables, log), ...createOutboxStore(pool) }
  const reads = createReservationReads(async (statement) => (await queryAll(pool, [statement]))[0] ?? [])
  return { store, reads, slotId: randomUUID() }
}

const idsOf = (items: readonly { readonly id: string }[] | undefined) => items?.map((item) => item.id)

test('a reservation is read with the hash of its request', async () => {
  const { store, reads, slotId } = world()
  const row = held(slotId, noonMs + 5, { bodyHash: 'c'.repeat(32) })
  await storeSlots(store, id, { [slotId]: [row] })
  const document = { id: row.id, status: 'held', expires_at: '2026-06-01T12:00:00.128Z' }
  expect(await reads.reservation(row.id)).toMatchObject({ document, bodyHash: row.bodyHash })
  expect(await reads.reservation(randomUUID())).toBeNull()
})

test('the reservations of a slot come page by page in the order of their ids, all or of one status', async () => {
  const { store, reads, slotId } = world()
  const other = randomUUID()
  const rows = [1, 2, 3, 4, 5].map((i) => (i % 2 === 0 ? held(slotId, noonMs + i) : confirmed(slotId)))
  await storeSlots(store, id, { [slotId]: rows, [other]: [confirmed(other)] })
  const ids = rows.map((row) => row.id).sort()
  const first = await reads.reservationsOfSlot({ slotId, limit: 3 })
  expect([idsOf(first?.items), first?.next]).toEqual([ids.slice(0, 3), ids[2]])
  const second = await reads.reservationsOfSlot({ slotId, limit: 3, after: ids[2] ?? '' })
  expect([idsOf(second?.items), second?.next]).toEqual([ids.slice(3), null])
  const holds = await reads.reservationsOfSlot({ slotId, limit: 2, status: 'held' })
  const heldIds = ids.filter((each) => rows.find((row) => row.id === each)?.status === 'held')
  expect([idsOf(holds?.items), holds?.next]).toEqual([heldIds, null])
  const behind = { slotId, limit: 2, status: 'held', after: heldIds[0] ?? '' } as const
  expect(idsOf((await reads.reservationsOfSlot(behind))?.items)).toEqual(heldIds.slice(1))
  expect(await reads.reservationsOfSlot({ slotId: randomUUID(), limit: 3 })).toBeNull()
})

test('the reservations of a user come page by page, the newest first, of all slots', async () => {
  const { store, reads, slotId } = world()
  const [other, userId] = [randomUUID(), `user ${randomUUID()}`]
  const rows = [0, 5, 5, 9].map((ms, i) =>
    confirmed(i < 2 ? slotId : other, { userId, createdMs: noonMs + ms }),
  )
  const [a, b, c, d] = rows.map((row) => row.id)
  await storeSlots(store, id, { [slotId]: rows.slice(0, 2), [other]: rows.slice(2) })
  const ids = [d, ...[b, c].sort().reverse(), a]
  const first = await reads.reservationsOfUser({ userId, limit: 2 })
  expect([idsOf(first.items), first.next]).toEqual([
    ids.slice(0, 2),
    { createdAt: '2026-06-01T12:00:00.128Z', id: ids[1] },
  ])
  const after = first.next ?? expect.fail('there is no second page')
  const second = await reads.reservationsOfUser({ userId, limit: 2, after })
  expect([idsOf(second.items), second.next]).toEqual([ids.slice(2), null])
})

test('a place in line is counted up to 100 and estimated beyond', async () => {
  const { store, reads, slotId } = world()
  const line = Array.from({ length: 401 }, (_, i) => waiting(slotId, 1000 + 10 * i))
  const gone = confirmed(slotId)
  await storeSlots(store, id, { [slotId]: [...line.toReversed(), gone] })
  const positionOf = (i: number) => reads.waitlistPosition(line[i]?.id ?? '')
  expect(await positionOf(0)).toEqual({ position: 1, approximate: false })
  expect(await positionOf(99)).toEqual({ position: 100, approximate: false })
  expect(await positionOf(100)).toEqual({ position: 101, approximate: true })
  expect(await positionOf(250)).toEqual({ position: 251, approximate: true })
  expect(await positionOf(400)).toEqual({ position: 401, approximate: true })
  expect(await reads.waitlistPosition(gone.id)).toBeNull()
})

test.each([
  ['what is held', `quantity = 9 WHERE status = 'held'`],
  ['what is confirmed', `quantity = 9 WHERE status = 'confirmed'`],
  ['who waits', `status = 'cancelled', place = NULL WHERE status = 'waitlisted'`],
])('a proof balances while %s is what the slot says', async (_what, damage) => {
  const { store, reads, slotId } = world()
  const records = [
    createSlot(slotId, { capacity: 5, overbooking_bps: 0, waitlist: true }),
    reserve(newReservationId(slotId), slotId, 3),
    reserve(newReservationId(slotId), slotId, 2, { mode: 'hold' }),
    reserve(newReservationId(slotId), slotId, 4, { join_waitlist: true }),
  ]
  await store.commit(await decide(store, id, await store.open(id), records))
  const proof = { held: 2, confirmed: 3, available: 0, version: 4, ledger_events: 4 }
  expect(await reads.audit(slotId)).toEqual({ ...proof, capacity: 5, balanced: true })
  await pool.query(`UPDATE reservations SET ${damage} AND slot_id = $1`, [slotId])
  expect(await reads.audit(slotId)).toMatchObject({ ...proof, balanced: false })
})
