/** What a real Redis cannot be made to do at a given moment: slow writes, and a lock that is given back just in time. */
import { createMemoryRedis, directWire, type Wire } from '@ironsys/testing/twins'
import { expect, test, vi } from 'vitest'
import { createCacheOn, Store } from './snapshot-cache.fixture.ts'

test('the lock is held until Redis has what was loaded', async () => {
  const memory = createMemoryRedis({ nowMs: () => 1000 })
  const store = new Store()
  store.put('a', 1)
  const written = Promise.withResolvers<void>()
  const slowWrites: Wire = async (request, work) => {
    if (request === 'put-snapshot') await written.promise
    return directWire(request, work)
  }
  expect(await createCacheOn(memory.connect(slowWrites), store, () => 1000).get('a')).toMatchObject({
    version: 1,
  })

  let looks = 0
  const counted: Wire = (request, work) => {
    if (request === 'lock') looks++
    return directWire(request, work)
  }
  const other = createCacheOn(memory.connect(counted), store, () => 1000).get('a')
  await vi.waitFor(() => expect(looks).toBeGreaterThan(2), { timeout: 10_000, interval: 1 })
  expect(store.loads).toBe(1)
  written.resolve()
  expect(await other).toMatchObject({ version: 1, fromCache: true })
  expect(store.loads).toBe(1)
})

test('who gets the lock sees what its last holder has left, and asks the store no more', async () => {
  const memory = createMemoryRedis({ nowMs: () => 1000 })
  const store = new Store()
  store.put('a', 1)
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise

  const unlocked = Promise.withResolvers<void>()
  const first = createCacheOn(
    memory.connect(async (request, work) => {
      const answer = await directWire(request, work)
      if (request === 'unlock') unlocked.resolve()
      return answer
    }),
    store,
    () => 1000,
  )
  const slow = first.get('a')
  await vi.waitFor(() => expect(store.loads).toBe(1))

  const beforeLock: Wire = async (request, work) => {
    if (request === 'lock') {
      gate.resolve()
      await unlocked.promise
    }
    return directWire(request, work)
  }
  // Requests of a connection arrive in the order in which they were made.
  let last: Promise<unknown> = Promise.resolve()
  const inOrder: Wire = (request, work) => {
    const answer = last.then(() => beforeLock(request, work))
    last = answer.catch(() => undefined)
    return answer
  }
  const second = createCacheOn(memory.connect(inOrder), store, () => 1000)
  expect(await second.get('a')).toMatchObject({ version: 1, fromCache: true })
  expect(await slow).toMatchObject({ version: 1 })
  expect(store.loads).toBe(1)
})
