import type { Snapshot, SnapshotRead } from '@ironsys/cache'
import { type SlotDocument, slotDocumentSchema } from '@ironsys/contracts'
import { beforeEach, expect, test, vi } from 'vitest'
import type { ReservationReads, SlotFilter } from './deps.ts'
import { createSlotPages, type PageSource, type ReadSlotPage, slotPageLimits } from './slot-pages.ts'

type StoredPage = Awaited<ReturnType<ReservationReads['slots']>>

const CAPACITY = 10
const idOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const filterOf = (n: number, more: Partial<SlotFilter> = {}): SlotFilter => {
  return { limit: 50, from: new Date(n * 1000).toISOString(), ...more }
}

function slot(n: number, { version = 1, epoch = 1, available = 3 } = {}): Snapshot<SlotDocument> {
  const document = slotDocumentSchema.parse({
    id: idOf(n),
    name: 'Hall',
    start_time: '2026-05-01T10:00:00.000Z',
    end_time: '2026-05-01T11:00:00.000Z',
    status: 'open',
    capacity: CAPACITY,
    reserved_count: CAPACITY - available,
    held_count: 0,
    waitlist_count: 0,
    available,
    hold_ttl_seconds: null,
    max_per_user: null,
    waitlist: false,
    sales_open_at: null,
    sales_close_at: null,
    version,
  })
  return { epoch, version, document }
}

const hit = (snapshot: Snapshot<SlotDocument>): SnapshotRead<SlotDocument> => {
  return { ...snapshot, body: null, ageMs: 0, fromCache: true, stale: false }
}

const outage = () => Promise.reject(new Error('Connection terminated unexpectedly'))

let nowMs: number
let queries: number
let answer: () => Promise<StoredPage>
let known: Map<string, SnapshotRead<SlotDocument>>
let sources: PageSource[]
let read: ReadSlotPage

beforeEach(() => {
  nowMs = 1_000_000
  queries = 0
  known = new Map()
  sources = []
  answer = async () => ({ items: [slot(1), slot(2)], next: null })
  read = createSlotPages({
    reads: {
      slots: () => {
        queries++
        return answer()
      },
    },
    slots: { peek: (id) => known.get(id) },
    nowMs: () => nowMs,
    observe: (source) => sources.push(source),
  })
})

test('a page is asked for once a second, however many read it at once', async () => {
  await Promise.all([read(filterOf(1)), read(filterOf(1)), read(filterOf(1))])
  nowMs += slotPageLimits.freshMs - 1
  expect(await read(filterOf(1))).toMatchObject({ ageMs: slotPageLimits.freshMs - 1, stale: false })
  expect([queries, sources.at(-1)]).toEqual([1, 'memory'])
  nowMs += 1
  expect(await read(filterOf(1))).toMatchObject({ ageMs: 0, stale: false })
  expect([queries, sources.at(-1)]).toEqual([2, 'store'])
})

test('a page is as old as its query, however long that took', async () => {
  const queryMs = 400
  answer = async () => {
    nowMs += queryMs
    return { items: [slot(1)], next: null }
  }
  expect(await read(filterOf(1))).toMatchObject({ ageMs: queryMs })
  nowMs += slotPageLimits.freshMs - queryMs - 1
  expect(await read(filterOf(1))).toMatchObject({ ageMs: slotPageLimits.freshMs - 1 })
  expect(queries).toBe(1)
  nowMs += 1
  await read(filterOf(1))
  expect(queries).toBe(2)
  answer = outage
  nowMs += slotPageLimits.staleIfErrorMs - queryMs
  await expect(read(filterOf(1))).rejects.toThrow('terminated')
})

test('pages of different filters are not mixed up', async () => {
  const after = { startTime: '2026-05-01T10:00:00.000Z', id: idOf(1) }
  const filters: SlotFilter[] = [
    { limit: 50 },
    { limit: 51 },
    { limit: 50, available: true },
    { limit: 50, available: false },
    { limit: 50, from: after.startTime },
    { limit: 50, to: after.startTime },
    { limit: 50, after },
    { limit: 50, after: { ...after, id: idOf(2) } },
  ]
  for (const filter of filters) await read(filter)
  expect(queries).toBe(filters.length)
})

test('a slot is shown as its newer snapshot has it, by epoch and version', async () => {
  answer = async () => ({ items: [slot(1, { version: 5 }), slot(2, { version: 5 })], next: null })
  known.set(idOf(1), hit(slot(1, { version: 4, available: 9 })))
  known.set(idOf(2), hit(slot(2, { epoch: 2, version: 4, available: 9 })))
  const { items } = await read(filterOf(1))
  expect(items.map(({ available }) => available)).toEqual([3, 9])
  known.set(idOf(1), hit(slot(1, { version: 6, available: 7 })))
  expect((await read(filterOf(1))).items[0]?.available).toBe(7)
  expect(queries).toBe(1)
})

test('what stopped fitting the filter is left out, and so is what is gone; the next page begins where it did', async () => {
  const next = { startTime: '2026-05-01T10:00:00.000Z', id: idOf(2) }
  answer = async () => ({ items: [slot(1), slot(2)], next })
  known.set(idOf(1), hit(slot(1, { version: 2, available: 0 })))
  known.set(idOf(2), { missing: true })
  expect(await read(filterOf(1, { available: true }))).toMatchObject({ items: [], next })
  expect((await read(filterOf(1))).items.map(({ available }) => available)).toEqual([0])
  answer = async () => ({ items: [slot(3, { available: 0 })], next: null })
  expect((await read(filterOf(3, { available: false }))).items).toHaveLength(1)
  known.set(idOf(3), hit(slot(3, { version: 2, available: 1 })))
  expect((await read(filterOf(3, { available: false }))).items).toHaveLength(0)
})

test('while the store is out the last page is answered, tried again once a second, and found again', async () => {
  await read(filterOf(1))
  answer = outage
  nowMs += slotPageLimits.freshMs
  expect(await read(filterOf(1))).toMatchObject({ stale: true, ageMs: slotPageLimits.freshMs })
  await read(filterOf(1))
  expect([queries, sources.at(-1)]).toEqual([2, 'stale'])
  await expect(read(filterOf(2))).rejects.toThrow('terminated')
  answer = async () => ({ items: [], next: null })
  nowMs += slotPageLimits.retryMs
  // At once, with the query behind it.
  expect(await read(filterOf(1))).toMatchObject({ stale: true })
  await vi.waitFor(async () => expect(await read(filterOf(1))).toMatchObject({ stale: false, items: [] }))
})

test('a page is too old after five minutes, and never stands in for a fault of ours', async () => {
  await read(filterOf(1))
  answer = outage
  nowMs += slotPageLimits.staleIfErrorMs - 1
  expect(await read(filterOf(1))).toMatchObject({ stale: true })
  nowMs += 1
  await expect(read(filterOf(1))).rejects.toThrow('terminated')
  answer = async () => ({ items: [slot(1)], next: null })
  nowMs += slotPageLimits.retryMs
  await read(filterOf(1))
  answer = () => Promise.reject(new Error('column "x" does not exist'))
  nowMs += slotPageLimits.freshMs
  await expect(read(filterOf(1))).rejects.toThrow('does not exist')
})

test('a store that is silent is waited for two seconds, and asked once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    await read(filterOf(1))
    const late = Promise.withResolvers<StoredPage>()
    answer = () => late.promise
    nowMs += slotPageLimits.freshMs
    const waiting = [read(filterOf(1)), read(filterOf(2)).catch((error: Error) => error)]
    await vi.advanceTimersByTimeAsync(slotPageLimits.waitMs)
    expect(await waiting[0]).toMatchObject({ stale: true })
    expect(await waiting[1]).toMatchObject({ name: 'SnapshotUnavailableError' })
    nowMs += slotPageLimits.retryMs
    expect(await read(filterOf(1))).toMatchObject({ stale: true })
    await expect(read(filterOf(2))).rejects.toThrow('no page within')
    expect(queries).toBe(3)
    late.resolve({ items: [slot(9)], next: null })
    await vi.advanceTimersByTimeAsync(0)
    expect((await read(filterOf(1))).items[0]?.id).toBe(idOf(9))
  } finally {
    vi.useRealTimers()
  }
})

test('queries under way are bounded: beyond, the last page or an outage', async () => {
  await read(filterOf(1))
  nowMs += slotPageLimits.freshMs
  const late = Promise.withResolvers<StoredPage>()
  answer = () => late.promise
  const waiting = Array.from({ length: slotPageLimits.queries }, (_, n) => read(filterOf(2 + n)))
  await expect(read(filterOf(9999))).rejects.toThrow('too many')
  expect(await read(filterOf(1))).toMatchObject({ stale: true })
  late.resolve({ items: [], next: null })
  await Promise.all(waiting)
  nowMs += slotPageLimits.retryMs
  expect(await read(filterOf(1))).toMatchObject({ stale: false })
})

test('the slots kept are bounded: the page that was asked for longest ago is forgotten', async () => {
  const items = Array.from({ length: 199 }, (_, n) => slot(n))
  answer = async () => ({ items, next: null })
  const pages = slotPageLimits.slotsKept / (items.length + 1)
  for (let n = 0; n < pages; n++) await read(filterOf(n))
  await read(filterOf(0))
  expect(queries).toBe(pages)
  await read(filterOf(pages))
  await read(filterOf(1))
  expect(queries).toBe(pages + 1)
  await read(filterOf(0))
  expect(queries).toBe(pages + 2)
})

test('empty pages are bounded like others', async () => {
  answer = async () => ({ items: [], next: null })
  const pages = slotPageLimits.slotsKept
  for (let n = 0; n < pages; n++) await read(filterOf(n))
  await read(filterOf(0))
  expect(queries).toBe(pages)
  await read(filterOf(pages))
  await read(filterOf(0))
  expect(queries).toBe(pages + 2)
})
