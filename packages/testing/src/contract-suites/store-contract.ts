/** What the engine relies on of a store, said once: run against the twin and against Postgres with the real tables. */
import { randomUUID } from 'node:crypto'
import {
  type DeadLetter,
  FencedError,
  LogIdentityError,
  type PartitionId,
  recordDigest,
} from '@ironsys/engine'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { erasureContract } from './erasure-contract.ts'
import { listContract } from './list-contract.ts'
import { outboxContract } from './outbox-contract.ts'
import { prefetchContract } from './prefetch-contract.ts'
import { refusalContract } from './refusal-contract.ts'
import { removalContract } from './removal-contract.ts'
import {
  at,
  createSlot,
  decide,
  newReservationId,
  noonMs,
  nothing,
  oneLog,
  poison,
  type ReservationStore,
  reserve,
} from './reservation-batches.ts'
import { nothingChanged } from './stored-states.ts'

/** One database with the tables of reservations. Tests share it and use partitions and ids of their own. */
export interface DatabaseUnderTest {
  /** The adapter of a process that reads this log. */
  connect(log: { readonly clusterId: string; readonly partitionCount: number }): ReservationStore
  /** What repair does: gives the partition the database's next epoch, and answers it. */
  raiseEpoch(id: PartitionId): Promise<number>
  /** Of one partition, by offset. */
  deadLetters(id: PartitionId): Promise<readonly DeadLetter[]>
  /** Of one slot, by version. */
  ledger(slotId: string): Promise<readonly LedgerLine[]>
  close(): Promise<void>
}

export interface LedgerLine {
  readonly version: number
  readonly atMs: number
  readonly event: { readonly type: string }
}

/** A partition and a slot that nobody else uses, and a process at work on them. */
export function startTest(database: DatabaseUnderTest) {
  const id: PartitionId = { topic: `commands-${randomUUID()}`, partition: 0 }
  return { database, id, slotId: randomUUID(), store: database.connect(oneLog) }
}

export type StartTest = () => ReturnType<typeof startTest>

/** Registers the tests. `open` is called once, before the first of them. */
export function storeContract(open: () => Promise<DatabaseUnderTest>): void {
  let database: DatabaseUnderTest | null = null
  beforeAll(async () => {
    database = await open()
  })
  afterAll(() => database?.close())
  const start: StartTest = () => startTest(database ?? expect.fail('the database is not open'))

  describe('progress', () => progressContract(start))
  describe('the fence', () => fenceContract(start))
  describe('an epoch', () => epochContract(start))
  describe('the log that a database belongs to', () => identityContract(start))
  describe('prefetch', () => prefetchContract(start))
  describe('a list', () => listContract(start))
  describe('a key that is removed', () => removalContract(start))
  describe('a person who is erased', () => erasureContract(start))
  describe('a batch that the database refuses', () => refusalContract(start))
  describe('the outbox', () => outboxContract(start))
}

function progressContract(start: StartTest): void {
  test('starts at offset 0 of epoch 1, and stays there as long as nothing is committed', async () => {
    const { store, id } = start()
    const fresh = { nextOffset: 0, epoch: 1, logTimeMs: 0, lastRecord: null, eventSeq: 0, steps: 0 }
    expect(await store.open(id)).toEqual(fresh)
    expect(await store.open(id)).toEqual(fresh)
  })

  test('has every field of the last commit, also a log time that was clamped', async () => {
    const { store, id, slotId } = start()
    const records = [
      createSlot(slotId),
      at(noonMs + 1, reserve(newReservationId(slotId), slotId)),
      at(noonMs - 5000, reserve(newReservationId(slotId), slotId)),
    ]
    const batch = await decide(store, id, await store.open(id), records)
    await store.commit({ ...batch, to: { ...batch.to, steps: 7 } })
    const digest = recordDigest({ key: records[2]?.key ?? null, value: records[2]?.value ?? null })
    expect(await store.open(id)).toEqual({
      nextOffset: 3,
      epoch: 1,
      logTimeMs: noonMs + 1,
      lastRecord: { digest, timeMs: noonMs - 5000 },
      eventSeq: 3,
      steps: 7,
    })
  })

  test('moves without any event, too', async () => {
    const { store, id } = start()
    await store.commit(await decide(store, id, await store.open(id), [poison(null)]))
    expect(await store.open(id)).toMatchObject({ nextOffset: 1, eventSeq: 0, logTimeMs: noonMs })
  })
}

function fenceContract(start: StartTest): void {
  test('lets one of two commits from the same place through, and nothing of the other', async () => {
    const { database, store, id, slotId } = start()
    const from = await store.open(id)
    const [mine, other] = [slotId, randomUUID()]
    const batches = [
      await decide(store, id, from, [createSlot(mine), poison(null)]),
      await decide(store, id, from, [createSlot(other)]),
    ]
    const results = await Promise.allSettled(batches.map((batch) => database.connect(oneLog).commit(batch)))
    const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    expect(lost).toEqual([expect.any(FencedError)])
    const winner = batches[results.findIndex((result) => result.status === 'fulfilled')]
    expect(await store.open(id)).toEqual(winner?.to)
    const { headers } = await store.prefetch({ ...nothing, keys: [mine, other] })
    expect([...headers.keys()]).toEqual([...(winner?.headers.keys() ?? [])])
    expect(await database.deadLetters(id)).toHaveLength(winner?.deadLetters.length ?? 0)
  })

  test('refuses what was decided from an earlier offset, or from a later one', async () => {
    const { store, id, slotId } = start()
    const from = await store.open(id)
    const first = await decide(store, id, from, [createSlot(slotId)])
    const late = await decide(store, id, from, [createSlot(randomUUID())])
    const early = await decide(store, id, { ...first.to, nextOffset: 2 }, [createSlot(randomUUID())])
    await store.commit(first)
    await expect(store.commit(late)).rejects.toBeInstanceOf(FencedError)
    await expect(store.commit(early)).rejects.toBeInstanceOf(FencedError)
    expect(await store.open(id)).toEqual(first.to)
  })

  test('comes first: bad data behind it is fenced, not a data error', async () => {
    const { store, id, slotId } = start()
    const batch = await decide(store, id, await store.open(id), [createSlot(slotId)])
    await store.commit(batch)
    await expect(store.commit(batch)).rejects.toBeInstanceOf(FencedError)
  })

  test('refuses a partition that was never opened', async () => {
    const { store, id, slotId } = start()
    const opened = { ...id, partition: 1 }
    const batch = await decide(store, opened, await store.open(opened), [createSlot(slotId)])
    await expect(store.commit({ ...batch, id })).rejects.toBeInstanceOf(FencedError)
    await store.commit(batch)
  })

  test('also tells batches apart that consume no record', async () => {
    const { store, id, slotId } = start()
    const batch = await decide(store, id, await store.open(id), [createSlot(slotId)])
    const { from } = batch
    const first = { ...batch, to: { ...batch.to, nextOffset: from.nextOffset } }
    await store.commit(first)
    const segment = batch.segment && { ...batch.segment, lastSeq: 2 }
    const other = { ...nothingChanged, id, segment, to: { ...from, nextOffset: 1, eventSeq: 2 } }
    await expect(store.commit({ ...other, from })).rejects.toBeInstanceOf(FencedError)
    expect(await store.open(id)).toEqual(first.to)
    await store.commit({ ...other, from: first.to })
    expect(await store.open(id)).toMatchObject({ nextOffset: 1, eventSeq: 2 })
  })

  test('is one per partition', async () => {
    const { store, id, slotId } = start()
    const other = { ...id, partition: 1 }
    const [here, there] = [await store.open(id), await store.open(other)]
    const batch = await decide(store, id, here, [createSlot(slotId)])
    await store.commit(batch)
    expect(await store.open(other)).toEqual(there)
    await store.commit(await decide(store, other, there, [createSlot(randomUUID())]))
    expect(await store.open(id)).toEqual(batch.to)
  })
}

function epochContract(start: StartTest): void {
  test('that is raised fences the writer of the one before, and changes nothing else', async () => {
    const { database, store, id, slotId } = start()
    const first = await decide(store, id, await store.open(id), [createSlot(slotId)])
    await store.commit(first)
    const from = await store.open(id)
    const late = await decide(store, id, from, [reserve(newReservationId(slotId), slotId)])
    const epoch = await database.raiseEpoch(id)
    await expect(store.commit(late)).rejects.toBeInstanceOf(FencedError)
    expect(await store.open(id)).toEqual({ ...from, epoch })
    const again = await decide(store, id, await store.open(id), [reserve(newReservationId(slotId), slotId)])
    await store.commit(again)
    expect(await store.open(id)).toEqual({ ...again.to, epoch })
  })

  test('is drawn once: no two partitions ever get the same', async () => {
    const { database, store, id } = start()
    const other = { ...id, partition: 1 }
    await Promise.all([store.open(id), store.open(other)])
    const first = await database.raiseEpoch(id)
    expect(first).toBeGreaterThan(1)
    const second = await database.raiseEpoch(other)
    expect(second).toBeGreaterThan(first)
    expect(await database.raiseEpoch(id)).toBeGreaterThan(second)
  })
}

function identityContract(start: StartTest): void {
  test.each([
    ['another cluster', { clusterId: 'cluster-b' }, 'cluster-b'],
    ['another number of partitions', { partitionCount: 6 }, '6'],
  ])('is remembered: %s is refused and changes nothing', async (_what, change, named) => {
    const { database, store, id, slotId } = start()
    await store.commit(await decide(store, id, await store.open(id), [createSlot(slotId)]))
    const progress = await store.open(id)
    const failure = await database
      .connect({ ...oneLog, ...change })
      .open(id)
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(LogIdentityError)
    expect(String(failure)).toContain(named)
    expect(await store.open(id)).toEqual(progress)
  })
}
