/** What a real Redis cannot be made to do at a given moment: the holder of the lock is done just before another asks. */
import { createMemoryRedis, directWire, type Wire } from '@ironsys/testing/twins'
import { expect, test, vi } from 'vitest'
import { createCacheOn, Store } from './snapshot-cache.fixture.ts'

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
