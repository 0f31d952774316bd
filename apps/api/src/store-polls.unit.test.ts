import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryClient, SLOT } from './memory-client.ts'
import { createMemoryWorld } from './memory-world.ts'
import { createStorePolls, type PollRequest, pollLimits } from './store-polls.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const never = new AbortController().signal
function request(read: () => Promise<number>, change: Partial<PollRequest<number>> = {}) {
  return { read, isEnough: (value: number) => value > 2, untilMs: Date.now() + 5000, gone: never, ...change }
}

test('looks with a growing pause until it is enough, and a last time at the end', async () => {
  const polls = createStorePolls(Date.now)
  let looks = 0
  const enough = polls.until(request(async () => ++looks))
  await vi.advanceTimersByTimeAsync(50 + 100 + 200)
  expect(await enough).toBe(3)
  looks = -100
  const late = polls.until(request(async () => ++looks))
  await vi.advanceTimersByTimeAsync(5000)
  expect(await late).toBeLessThan(0)
  expect(looks).toBeLessThan(-85)
})

test('who waits no longer is given a last look; a store that fails ends the wait and makes room', async () => {
  const polls = createStorePolls(Date.now)
  const gone = new AbortController()
  const left = polls.until(request(async () => 1, { gone: gone.signal }))
  gone.abort()
  expect(await left).toBe(1)
  const failing = polls.until(request(() => Promise.reject(new Error('down'))))
  const failed = expect(failing).rejects.toThrow('down')
  await vi.advanceTimersByTimeAsync(50)
  await failed
  const after = Array.from({ length: pollLimits.waiters }, () => {
    expect(polls.hasRoom()).toBe(true)
    return polls.until(request(async () => 3))
  })
  expect(polls.hasRoom()).toBe(false)
  await vi.advanceTimersByTimeAsync(5000)
  await Promise.all(after)
  expect(polls.hasRoom()).toBe(true)
})

test('however many wait, few read at once', async () => {
  const polls = createStorePolls(Date.now)
  let reading = 0
  const { promise, resolve } = Promise.withResolvers<number>()
  const read = () => {
    reading++
    return promise
  }
  const waits = Array.from({ length: 50 }, () => polls.until(request(read)))
  await vi.advanceTimersByTimeAsync(4000)
  expect(reading).toBe(pollLimits.reads)
  resolve(3)
  await vi.advanceTimersByTimeAsync(2000)
  expect(new Set(await Promise.all(waits))).toEqual(new Set([3]))
})

test('GET: beyond the bound a client is answered at once; failed is asked first and last only', async () => {
  const world = createMemoryWorld()
  const client = createMemoryClient(world)
  const failed = vi.spyOn(world.deps.reads, 'failed')
  const url = `/reservations/${SLOT}?wait=30`
  const waits = Array.from({ length: pollLimits.waiters }, () => client.tell('GET', url))
  await vi.waitFor(() => expect(failed).toHaveBeenCalledTimes(pollLimits.waiters))
  await vi.advanceTimersByTimeAsync(1000)
  expect(await client.tell('GET', url)).toBe('404 not-decided-or-unknown')
  world.bury(SLOT)
  await vi.advanceTimersByTimeAsync(30_000)
  expect(new Set(await Promise.all(waits))).toEqual(new Set(['200 failed']))
  expect(failed).toHaveBeenCalledTimes(2 * pollLimits.waiters + 1)
  await world.app.close()
})
