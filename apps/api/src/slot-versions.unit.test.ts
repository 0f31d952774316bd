/** GET /slots/:id?min_version=: who waits for a version, for how long, and what it costs meanwhile. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryWorld, type MemoryWorld } from './memory-world.ts'

let world: MemoryWorld
beforeEach(() => {
  world = createMemoryWorld()
  world.eager = true
})
afterEach(async () => {
  vi.useRealTimers()
  await world.app.close()
})

const SLOT = '11111111-2222-4333-8444-555555555555'
const times = { start_time: '2026-05-01T12:00:00Z', end_time: '2026-05-01T14:00:00Z' }
const payload = { id: SLOT, name: 'Hall', capacity: 100, ...times }
const makeSlot = () => world.app.inject({ method: 'POST', url: '/slots', payload })
const reserve = () =>
  world.app.inject({ method: 'POST', url: '/reservations', payload: { slot_id: SLOT, user_id: 'u' } })
const ask = (version: number) => world.app.inject(`/slots/${SLOT}?min_version=${version}`)
const useFakeTime = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })

test('min_version waits for the announcement, else 412', async () => {
  await makeSlot()
  world.eager = false
  const ahead = ask(2)
  await reserve()
  world.decideAll()
  expect((await ahead).json()).toMatchObject({ version: 2, available: 99 })
  useFakeTime()
  const never = ask(9)
  await vi.advanceTimersByTimeAsync(2000)
  const answer = await never
  expect([answer.statusCode, answer.json().code]).toEqual([412, 'version-not-reached'])
})

test('min_version: a look that hangs is waited for no longer than a second, and not once the version is announced', async () => {
  useFakeTime()
  await makeSlot()
  const look = vi.spyOn(world.cache, 'get')
  const answered = async () => {
    const answer = ask(2)
    await vi.advanceTimersByTimeAsync(1000)
    const { statusCode, body } = await answer
    return [statusCode, JSON.parse(body).code]
  }
  const behind = await world.cache.get(SLOT)
  look.mockImplementation(() => new Promise(() => undefined))
  expect(await answered()).toEqual([503, 'reads-unavailable'])
  look.mockResolvedValueOnce(behind)
  expect(await answered()).toEqual([412, 'version-not-reached'])
  look.mockResolvedValueOnce({ missing: true })
  expect(await answered()).toEqual([404, 'slot-not-found'])

  look.mockClear()
  const told = ask(2)
  await vi.waitFor(() => expect(look).toHaveBeenCalled())
  look.mockRestore()
  await reserve()
  expect((await told).json()).toMatchObject({ version: 2 })
})

test.each([
  { looks: 'are answered', least: 4, most: 6 },
  { looks: 'hang', least: 1, most: 1 },
])(
  'min_version: a slot that is announced all the time is asked for no more often for it, while looks $looks',
  async ({ looks, least, most }) => {
    await makeSlot()
    useFakeTime()
    const look = vi.spyOn(world.cache, 'get')
    await world.cache.get(SLOT)
    look.mockClear()
    if (looks === 'hang') look.mockImplementation(() => new Promise(() => undefined))
    const never = ask(90)
    for (let news = 0; news < 50; news++) {
      await reserve()
      await vi.advanceTimersByTimeAsync(20)
    }
    const answer = await never
    expect(answer.json().code).toBe(looks === 'hang' ? 'reads-unavailable' : 'version-not-reached')
    expect(look.mock.calls.length).toBeGreaterThanOrEqual(least)
    expect(look.mock.calls.length).toBeLessThanOrEqual(most)
  },
)

test('min_version: the announcement that reaches it ends the wait, and nobody is asked again', async () => {
  await makeSlot()
  useFakeTime()
  const look = vi.spyOn(world.cache, 'get')
  const third = ask(3)
  await vi.advanceTimersByTimeAsync(50)
  await reserve()
  await vi.advanceTimersByTimeAsync(50)
  await reserve()
  expect((await third).json()).toMatchObject({ version: 3, from_cache: true })
  expect(look).toHaveBeenCalledTimes(1)
})

test('min_version: a slot that nobody knows is looked for at first and at last, in case its announcement was lost', async () => {
  useFakeTime()
  const look = vi.spyOn(world.cache, 'get')
  const found = ask(1)
  await vi.advanceTimersByTimeAsync(900)
  expect(look).toHaveBeenCalledTimes(1)
  world.setLive(false)
  await makeSlot()
  await vi.advanceTimersByTimeAsync(100)
  expect((await found).json()).toMatchObject({ id: SLOT, version: 1 })
  expect(look).toHaveBeenCalledTimes(2)
})

test('min_version: a stale snapshot does not say that the version is not reached', async () => {
  await makeSlot()
  const behind = await world.cache.get(SLOT)
  if ('missing' in behind) throw new Error('it was not made')
  useFakeTime()
  vi.spyOn(world.cache, 'get').mockResolvedValue({ ...behind, stale: true, body: null })
  const answer = ask(2)
  await vi.advanceTimersByTimeAsync(1000)
  const { statusCode, body, headers } = await answer
  expect([statusCode, JSON.parse(body).code, headers['retry-after']]).toEqual([503, 'reads-unavailable', '1'])
})
