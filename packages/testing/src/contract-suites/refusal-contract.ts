/** All or nothing: whatever one part of a batch is refused for, nothing of the batch is there afterwards. */
import { randomUUID } from 'node:crypto'
import { DataError, type DeadLetter } from '@ironsys/engine'
import type { Reservation, Slot } from '@ironsys/reservations'
import { expect, test } from 'vitest'
import {
  at,
  cancel,
  createSlot,
  decide,
  newReservationId,
  noonMs,
  nothing,
  poison,
  type ReservationEffects,
  reserve,
  updateSlot,
} from './reservation-batches.ts'
import type { StartTest } from './store-contract.ts'

/** What a first batch left, and a second one that touches every table and would be taken. */
async function twoBatches(start: StartTest) {
  const { database, store, id, slotId } = start()
  const reservationId = newReservationId(slotId)
  const first = await decide(store, id, await store.open(id), [
    createSlot(slotId),
    reserve(reservationId, slotId),
    updateSlot(newReservationId(slotId), slotId, { name: 'Noon' }),
    poison(Buffer.from('{'), Buffer.from('k')),
  ])
  await store.commit(first)
  const newSlotId = randomUUID()
  const second = await decide(store, id, first.to, [
    createSlot(newSlotId),
    reserve(newReservationId(slotId), slotId),
    at(noonMs + 1, cancel(reservationId, slotId)),
    at(noonMs + 2, updateSlot(newReservationId(slotId), slotId, { capacity: 11 })),
    poison(Buffer.from('}')),
  ])
  const look = async () => ({
    progress: await store.open(id),
    found: await store.prefetch({
      ...nothing,
      keys: [slotId, newSlotId],
      rowIds: [...second.rows.keys()],
      commandIds: second.remembered.map(({ commandId }) => commandId),
    }),
    letters: await database.deadLetters(id),
    ledger: [await database.ledger(slotId), await database.ledger(newSlotId)],
    outbox: await store.pendingSegments(id, 0, 100),
  })
  return { database, store, id, slotId, newSlotId, first, second, look }
}

type Batches = Awaited<ReturnType<typeof twoBatches>>

/** Each spoils the second batch in one place. */
const faults: Readonly<Record<string, (batches: Batches) => Partial<ReservationEffects>>> = {
  'a new header that exists': ({ second, slotId }) => changedHeader(second, slotId, { created: true }),
  'a changed header that does not exist': ({ second, newSlotId }) =>
    changedHeader(second, newSlotId, { created: false }),
  'a new row that exists': ({ first, second }) => changedRow(second, [...first.rows.keys()][0], true),
  'a changed row that does not exist': ({ first, second }) =>
    changedRow(
      second,
      [...second.rows.keys()].find((rowId) => !first.rows.has(rowId)),
      false,
    ),
  'a dead letter of an offset that has one': ({ first, second }) => ({
    deadLetters: [...second.deadLetters, ...first.deadLetters],
  }),
  'two dead letters of one offset': ({ second }) => ({
    deadLetters: [...second.deadLetters, ...second.deadLetters],
  }),
  'a command that is remembered at that time': ({ first, second }) => ({
    remembered: [...second.remembered, ...first.remembered],
  }),
  'a command remembered twice': ({ second }) => ({
    remembered: [...second.remembered, ...second.remembered],
  }),
  'an outbox row that ends where one does': ({ first, second }) => ({
    segment: second.segment && { ...second.segment, lastSeq: first.segment?.lastSeq ?? 0 },
  }),
  'a ledger entry of a version that is there': ({ first, second }) => ({
    ledger: [...second.ledger, ...first.ledger.slice(0, 1)],
  }),
  'an oversold slot': ({ second, slotId }) => changedPool(second, slotId, { confirmedUnits: 13 }),
  'fewer than no units': ({ second, slotId }) => changedPool(second, slotId, { heldUnits: -1 }),
  'a number that no column takes': ({ second, slotId }) =>
    changedPool(second, slotId, { capacityUnits: 2 ** 31 }),
  'fewer than nobody in line': ({ second, slotId }) =>
    changedHeader(second, slotId, { header: { waitlistCount: -1 } }),
  'a hold without an end': ({ second }) => changedNewRow(second, { status: 'held' }),
  'an end of what is not held': ({ second }) => changedNewRow(second, { expiresMs: noonMs }),
  'a waiter without a place': ({ second }) => changedNewRow(second, { status: 'waitlisted' }),
  'a place of one who does not wait': ({ second }) => changedNewRow(second, { place: 1 }),
  'a NUL in a name': ({ second, slotId }) => changedHeader(second, slotId, { header: { name: 'a\0b' } }),
}

interface HeaderPatch {
  readonly created?: boolean
  readonly header?: Partial<Slot>
}

function changedHeader(
  { headers }: ReservationEffects,
  key: string,
  { created, header }: HeaderPatch,
): Partial<ReservationEffects> {
  const change = headers.get(key) ?? expect.fail(`the batch does not touch ${key}`)
  const patched = { header: { ...change.header, ...header }, created: created ?? change.created }
  return { headers: new Map([...headers, [key, patched]]) }
}

function changedPool(effects: ReservationEffects, key: string, pool: Partial<Slot['pool']>) {
  const change = effects.headers.get(key) ?? expect.fail(`the batch does not touch ${key}`)
  return changedHeader(effects, key, { header: { pool: { ...change.header.pool, ...pool } } })
}

function changedRow({ rows }: ReservationEffects, rowId: string | undefined, created: boolean) {
  const change = rows.get(rowId ?? '') ?? expect.fail(`the batch does not touch row ${rowId}`)
  return { rows: new Map([...rows, [rowId ?? '', { ...change, created }]]) }
}

/** Spoils the reservation that the batch makes. */
function changedNewRow({ rows }: ReservationEffects, fields: Partial<Reservation>) {
  const changed = [...rows].map(([rowId, change]) => {
    return [rowId, change.created ? { ...change, row: { ...change.row, ...fields } } : change] as const
  })
  return { rows: new Map(changed) }
}

export function refusalContract(start: StartTest): void {
  test.each(Object.entries(faults))('for %s is a data error and leaves nothing', async (_what, spoil) => {
    const batches = await twoBatches(start)
    const { store, second, look } = batches
    const before = await look()
    await expect(store.commit({ ...second, ...spoil(batches) })).rejects.toBeInstanceOf(DataError)
    expect(await look()).toEqual(before)
    // Nothing else was wrong with it.
    await store.commit(second)
    expect((await look()).progress).toEqual(second.to)
  })

  test('the same command at another time is another one', async () => {
    const { store, first, second } = await twoBatches(start)
    const again = first.remembered.map((entry) => ({ ...entry, atMs: entry.atMs + 1 }))
    await store.commit({ ...second, remembered: again })
    expect(await store.open(second.id)).toEqual(second.to)
  })

  test('a dead letter keeps its bytes, and its text as far as a database can', async () => {
    const { database, store, id, slotId } = start()
    const buried = await decide(store, id, await store.open(id), [poison(null), poison(null), poison(null)])
    const letters: readonly DeadLetter[] = [
      {
        offset: 0,
        atMs: noonMs,
        commandId: newReservationId(slotId),
        key: null,
        value: Buffer.from([0, 255, 128]),
        code: 'malformed',
        detail: 'a\0b "ü"',
      },
      {
        offset: 1,
        atMs: 1,
        commandId: null,
        key: Buffer.alloc(0),
        value: null,
        code: 'misrouted',
        detail: '',
      },
      {
        offset: 2,
        atMs: noonMs + 1,
        commandId: null,
        key: Buffer.from('k'),
        value: Buffer.alloc(0),
        code: 'data-error',
        detail: '{,}',
      },
    ]
    await store.commit({ ...buried, deadLetters: letters })
    expect(await database.deadLetters(id)).toEqual(
      letters.map((letter) => ({ ...letter, detail: letter.detail.replace('\0', '\\0') })),
    )
  })
}
