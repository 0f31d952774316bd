/** The lists of a slot as the engine reads them: pages of them, and what is due where. */
import { randomUUID } from 'node:crypto'
import { DUE_LIST, type PrefetchRequest } from '@ironsys/engine'
import { QUEUE_LIST, type Reservation, userList } from '@ironsys/reservations'
import { describe, expect, test } from 'vitest'
import { noonMs, nothing, type ReservationStore } from './reservation-batches.ts'
import type { StartTest } from './store-contract.ts'
import { confirmed, held, storeSlots, waiting } from './stored-states.ts'

/** Rows of a page that nobody asked for by name. */
const FIRST_PAGE = 16

/** `count` reservations, made by their index. */
const times = (count: number, make: (i: number) => Reservation) =>
  Array.from({ length: count }, (_, i) => make(i))
const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id)
const byId = (a: { readonly id: string }, b: { readonly id: string }) => (a.id < b.id ? -1 : 1)

/** The pages of an answer: which reservations in which order, and whether that is all. */
async function pagesOf(store: ReservationStore, request: Partial<PrefetchRequest>) {
  const { pages } = await store.prefetch({ ...nothing, ...request })
  const told = pages.map(({ key, list, rows, complete }) => ({ key, list, ids: idsOf(rows), complete }))
  return told.sort((a, b) => (`${a.key} ${a.list}` < `${b.key} ${b.list}` ? -1 : 1))
}

export function listContract(start: StartTest): void {
  describe('has a first page', () => firstPages(start))
  describe('of what is due', () => duePages(start))
  describe('asked for by name', () => wantedPages(start))
  describe('of a partition', () => dueKeys(start))
}

function firstPages(start: StartTest): void {
  test('with the header of its slot where it has any rows, and for a listed key always', async () => {
    const { store, id, slotId: busy } = start()
    const quiet = randomUUID()
    const [hold, waiter, plain] = [held(busy, noonMs + 5), waiting(busy, 7), confirmed(quiet)]
    await storeSlots(store, id, { [busy]: [hold, waiter], [quiet]: [plain] })
    const ofBusy = [
      { key: busy, list: 'due', ids: [hold.id], complete: true },
      { key: busy, list: 'queue', ids: [waiter.id], complete: true },
    ]
    const ofQuiet = ['due', 'queue'].map((list) => ({ key: quiet, list, ids: [], complete: true }))
    expect(await pagesOf(store, { keys: [busy, quiet] })).toEqual(ofBusy)
    expect(await pagesOf(store, { rowIds: [waiter.id, plain.id] })).toEqual(ofBusy)
    const all = [...ofBusy, ...ofQuiet].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    expect(await pagesOf(store, { listedKeys: [busy, quiet] })).toEqual(all)
    expect(await pagesOf(store, { listedKeys: [busy], rowIds: [hold.id] })).toEqual(ofBusy)
  })

  test('of the line in the order of places, and says whether it goes on', async () => {
    const { store, id, slotId } = start()
    const line = times(FIRST_PAGE + 1, (i) => waiting(slotId, 100 - i))
    await storeSlots(store, id, { [slotId]: line })
    const ids = idsOf(line.toReversed())
    const page = { key: slotId, list: QUEUE_LIST }
    const open = { ...page, ids: ids.slice(0, FIRST_PAGE), complete: false }
    expect(await pagesOf(store, { keys: [slotId] })).toEqual([open])
    const [last, ...others] = line
    if (last === undefined) throw new Error('nobody waits')
    await storeSlots(
      store,
      id,
      { [slotId]: [{ ...last, status: 'cancelled', place: null }, ...others] },
      false,
    )
    expect(await pagesOf(store, { keys: [slotId] })).toEqual([{ ...open, complete: true }])
  })

  test('of rows as they were saved', async () => {
    const { store, id, slotId } = start()
    const hold = held(slotId, noonMs + 5, {
      transitions: [
        { status: 'waitlisted', atMs: noonMs - 1, reason: null },
        { status: 'held', atMs: noonMs, reason: 'units-released' },
      ],
      metadata: { seat: 'α' },
    })
    await storeSlots(store, id, { [slotId]: [hold] })
    const { pages } = await store.prefetch({ ...nothing, keys: [slotId] })
    expect(pages).toEqual([{ key: slotId, list: DUE_LIST, rows: [hold], complete: true }])
  })
}

function duePages(start: StartTest): void {
  test.each([
    [0, 1, 1, true],
    [0, 2, 1, false],
    [3, 0, 3, true],
    [3, 1, 4, true],
    [3, 9, 4, false],
    [15, 1, 16, true],
    [15, 2, 16, false],
    [16, 0, 16, true],
    [16, 1, 16, false],
    [17, 0, 16, false],
    [40, 9, 16, false],
  ])('of %i that are due and %i that are not has %i rows; all: %s', async (due, later, count, complete) => {
    const { store, id, slotId } = start()
    // The last that is due is so to the very millisecond, and the first that is not by one.
    const rows = [
      ...times(due, (i) => held(slotId, noonMs - i)),
      ...times(later, (i) => held(slotId, noonMs + 1 + i)),
    ]
    await storeSlots(store, id, { [slotId]: rows })
    const inOrder = idsOf(rows.toSorted((a, b) => (a.expiresMs ?? 0) - (b.expiresMs ?? 0)))
    const page = { key: slotId, list: DUE_LIST, ids: inOrder.slice(0, count), complete }
    expect(await pagesOf(store, { keys: [slotId] })).toEqual([page])
  })

  test('has holds that end together in the order of their ids, and more of them the later one looks', async () => {
    const { store, id, slotId } = start()
    const [early, late] = [times(3, () => held(slotId, noonMs)), times(4, () => held(slotId, noonMs + 10))]
    await storeSlots(store, id, { [slotId]: [...late, ...early] })
    const ids = idsOf([...early.sort(byId), ...late.sort(byId)])
    const page = { key: slotId, list: DUE_LIST }
    const seen = async (untilMs: number) => pagesOf(store, { listedKeys: [slotId], untilMs })
    const [, queue] = await seen(0)
    expect(await seen(noonMs - 1)).toEqual([{ ...page, ids: ids.slice(0, 1), complete: false }, queue])
    expect(await seen(noonMs + 9)).toEqual([{ ...page, ids: ids.slice(0, 4), complete: false }, queue])
    expect(await seen(noonMs + 10)).toEqual([{ ...page, ids, complete: true }, queue])
  })

  test('is left by what is not held any more', async () => {
    const { store, id, slotId } = start()
    const rows = times(2, (i) => held(slotId, noonMs + i))
    await storeSlots(store, id, { [slotId]: rows })
    const changed = rows.map((row, i): Reservation => {
      return i === 0 ? { ...row, status: 'expired', expiresMs: null } : { ...row, expiresMs: noonMs + 99 }
    })
    await storeSlots(store, id, { [slotId]: changed }, false)
    const page = { key: slotId, list: DUE_LIST, ids: idsOf(rows.slice(1)), complete: true }
    expect(await pagesOf(store, { keys: [slotId] })).toEqual([page])
  })
}

function wantedPages(start: StartTest): void {
  test('is as long as was wanted, in the place of a first page', async () => {
    const { store, id, slotId } = start()
    const line = times(30, (i) => waiting(slotId, i))
    const holds = times(30, (i) => held(slotId, noonMs + (i < 25 ? 0 : 1))).sort(byId)
    holds.sort((a, b) => (a.expiresMs ?? 0) - (b.expiresMs ?? 0))
    await storeSlots(store, id, { [slotId]: [...line, ...holds] })
    const wanted = (limit: number) => {
      const pages = ['due', 'queue'].map((list) => ({ key: slotId, list, limit }))
      return pagesOf(store, { keys: [slotId], listedKeys: [], pages })
    }
    const page = (list: string, rows: readonly Reservation[], complete: boolean) => {
      return { key: slotId, list, ids: idsOf(rows), complete }
    }
    expect(await wanted(25)).toEqual([
      page('due', holds.slice(0, 25), false),
      page('queue', line.slice(0, 25), false),
    ])
    expect(await wanted(30)).toEqual([page('due', holds.slice(0, 26), false), page('queue', line, true)])
  })

  test('has of a user what counts towards the limit at that slot, the oldest first', async () => {
    const { store, id, slotId } = start()
    const other = randomUUID()
    const user = { userId: 'ann, "bob" ü', isCounted: true }
    const counted = [
      held(slotId, noonMs, { ...user, createdMs: noonMs - 1 }),
      ...times(2, () => confirmed(slotId, { ...user, createdMs: noonMs - 5 })),
      waiting(slotId, 3, { ...user, createdMs: noonMs - 3 }),
    ]
    const rows = [
      ...counted,
      confirmed(slotId, { ...user, isCounted: false }),
      confirmed(slotId, { ...user, userId: 'ann' }),
      confirmed(slotId, { ...user, status: 'cancelled' }),
      confirmed(slotId, { ...user, status: 'rejected', reason: 'limit-exceeded' }),
    ]
    await storeSlots(store, id, { [slotId]: rows, [other]: [confirmed(other, user)] })
    const list = userList(user.userId)
    const wanted = async (key: string, limit: number) => {
      const found = await pagesOf(store, { pages: [{ key, list, limit }] })
      return found.map(({ ids, complete }) => ({ ids, complete }))
    }
    const ids = idsOf(counted.toSorted((a, b) => a.createdMs - b.createdMs || byId(a, b)))
    expect(await wanted(slotId, 9)).toEqual([{ ids, complete: true }])
    expect(await wanted(slotId, 3)).toEqual([{ ids: ids.slice(0, 3), complete: false }])
    expect(await wanted(randomUUID(), 3)).toEqual([{ ids: [], complete: true }])
  })
}

function dueKeys(start: StartTest): void {
  test('has the slots with holds, those first where one ends first', async () => {
    const { store, id: here } = start()
    const id = { ...here, partition: randomPartition() }
    const other = { ...here, partition: randomPartition() }
    const [early, late, quiet, elsewhere] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()]
    const [first, second] = [held(early, noonMs - 10), held(early, noonMs + 10)]
    await storeSlots(store, id, {
      [late]: [held(late, noonMs + 50_000_000), held(late, noonMs + 7)],
      [quiet]: [waiting(quiet, 1), confirmed(quiet)],
      [early]: [second, first],
    })
    await storeSlots(store, other, { [elsewhere]: [held(elsewhere, noonMs)] })
    const ofEarly = { key: early, atMs: noonMs - 10 }
    const ofLate = { key: late, atMs: noonMs + 7 }
    expect(await store.dueKeys(id, 10)).toEqual([ofEarly, ofLate])
    expect(await store.dueKeys(id, 1)).toEqual([ofEarly])
    expect(await store.dueKeys(other, 10)).toEqual([{ key: elsewhere, atMs: noonMs }])
    const done: Reservation = { ...first, status: 'confirmed', expiresMs: null }
    await storeSlots(store, id, { [early]: [done, second] }, false)
    expect(await store.dueKeys(id, 10)).toEqual([ofLate, { ...ofEarly, atMs: noonMs + 10 }])
    await storeSlots(store, id, { [early]: [done, { ...second, status: 'expired', expiresMs: null }] }, false)
    expect(await store.dueKeys(id, 10)).toEqual([ofLate])
  })
}

/** Tests share the tables, and these know of partitions but not of topics. */
function randomPartition(): number {
  return Number.parseInt(randomUUID().slice(0, 7), 16)
}
