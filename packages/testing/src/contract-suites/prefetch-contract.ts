/** What a store gives back of what it was given. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  at,
  cancel,
  createSlot,
  decide,
  newReservationId,
  noonMs,
  nothing,
  type ReservationEffects,
  reserve,
  updateSlot,
} from './reservation-batches.ts'
import type { StartTest } from './store-contract.ts'

/** One slot whose batch has of everything: a rejection, a cancellation, a remembered outcome. */
async function filled(start: StartTest) {
  const { store, id, slotId, database } = start()
  const [kept, rejected, cancelled] = [0, 1, 2].map(() => newReservationId(slotId))
  const commandId = newReservationId(slotId)
  if (kept === undefined || rejected === undefined || cancelled === undefined) throw new Error('no ids')
  const records = [
    createSlot(slotId),
    reserve(kept, slotId, 3, { metadata: { seat: 'α' }, body_hash: 'c'.repeat(32) }),
    reserve(rejected, slotId, 100),
    at(noonMs + 10, reserve(cancelled, slotId)),
    at(noonMs + 20, cancel(cancelled, slotId)),
    at(noonMs + 30, updateSlot(commandId, slotId, { capacity: 20, name: 'Evening' })),
  ]
  const batch = await decide(store, id, await store.open(id), records)
  await store.commit(batch)
  return { store, id, slotId, database, batch, ids: { kept, rejected, cancelled, commandId } }
}

const none = { headers: new Map(), rows: new Map(), pages: [], remembered: new Map() }
const headersOf = ({ headers }: ReservationEffects) =>
  new Map([...headers].map(([key, change]) => [key, change.header]))
const rowsOf = ({ rows }: ReservationEffects) => new Map([...rows].map(([rowId, { row }]) => [rowId, row]))

export function prefetchContract(start: StartTest): void {
  test('by key answers the header as it was saved', async () => {
    const { store, slotId, batch } = await filled(start)
    const found = await store.prefetch({ ...nothing, keys: [slotId, randomUUID()] })
    expect(found).toEqual({ ...none, headers: headersOf(batch) })
  })

  test('by row id answers the rows as they were saved, and the headers that they belong to', async () => {
    const { store, slotId, batch, ids } = await filled(start)
    const rowIds = [ids.kept, ids.rejected, ids.cancelled, newReservationId(slotId)]
    const found = await store.prefetch({ ...nothing, rowIds })
    expect(found).toEqual({ ...none, headers: headersOf(batch), rows: rowsOf(batch) })
  })

  test('by command id answers the outcome as it was remembered', async () => {
    const { store, slotId, batch, ids } = await filled(start)
    const { remembered } = await store.prefetch({ ...nothing, commandIds: [ids.commandId, randomUUID()] })
    expect(batch.remembered).toHaveLength(1)
    expect(remembered).toEqual(new Map([[ids.commandId, batch.remembered[0]?.outcome]]))
    expect(remembered.get(ids.commandId)?.slot).toMatchObject({ id: slotId, name: 'Evening' })
  })

  test('answers all that is asked for at once, and nothing else', async () => {
    const { store, slotId, batch, ids } = await filled(start)
    const found = await store.prefetch({
      ...nothing,
      keys: [slotId],
      rowIds: [ids.kept],
      commandIds: [ids.commandId],
    })
    expect([...found.headers.keys()]).toEqual([slotId])
    expect([...found.rows.keys()]).toEqual([ids.kept])
    expect(found.remembered.get(ids.commandId)).toEqual(batch.remembered[0]?.outcome)
    expect(await store.prefetch(nothing)).toEqual(none)
  })

  test('answers the last of several states', async () => {
    const { store, id, slotId, ids } = await filled(start)
    const records = [
      cancel(ids.kept, slotId),
      reserve(newReservationId(slotId), slotId, 2),
      updateSlot(newReservationId(slotId), slotId, {
        name: 'Night',
        capacity: 30,
        overbooking_bps: 0,
        status: 'closed',
      }),
    ]
    const batch = await decide(store, id, await store.open(id), records)
    await store.commit(batch)
    const found = await store.prefetch({ ...nothing, rowIds: [ids.kept] })
    expect(found.rows.get(ids.kept)).toEqual(batch.rows.get(ids.kept)?.row)
    expect(found.rows.get(ids.kept)?.status).toBe('cancelled')
    expect(found.headers).toEqual(headersOf(batch))
  })

  test('answers everything that there is to a reservation and to a slot', async () => {
    const { store, id, slotId } = start()
    const records = [
      createSlot(slotId, { capacity: 2, hold_ttl_seconds: 60, max_per_user: 4, waitlist: true }),
      reserve(newReservationId(slotId), slotId, 1, { booking_id: randomUUID() }),
      reserve(newReservationId(slotId), slotId, 1, { hold_ttl_seconds: 7, mode: 'hold' }),
      reserve(newReservationId(slotId), slotId, 2, { join_waitlist: true }),
      reserve(newReservationId(slotId), slotId, 1, { mode: 'confirm' }),
      reserve(newReservationId(slotId), slotId, 5),
    ]
    const batch = await decide(store, id, await store.open(id), records)
    const statuses = [...batch.rows.values()].map(({ row }) => row.status)
    expect(statuses).toEqual(['held', 'held', 'waitlisted', 'rejected', 'rejected'])
    await store.commit(batch)
    const found = await store.prefetch({ ...nothing, rowIds: [...batch.rows.keys()] })
    expect(found).toMatchObject({ headers: headersOf(batch), rows: rowsOf(batch) })
  })

  test('the ledger has every version once, at its log time', async () => {
    const { database, slotId } = await filled(start)
    const lines = await database.ledger(slotId)
    expect(lines.map(({ version, atMs, event }) => ({ version, atMs, type: event.type }))).toEqual([
      { version: 1, atMs: noonMs, type: 'slot_created' },
      { version: 2, atMs: noonMs, type: 'reservation_confirmed' },
      { version: 3, atMs: noonMs + 10, type: 'reservation_confirmed' },
      { version: 4, atMs: noonMs + 20, type: 'reservation_cancelled' },
      { version: 5, atMs: noonMs + 30, type: 'slot_updated' },
    ])
  })
}
