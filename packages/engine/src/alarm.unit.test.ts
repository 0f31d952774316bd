/** Keys are woken when something is due there: not before, not twice, and not forgotten. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Alarm, type AlarmOptions, defaultAlarmOptions } from './alarm.ts'
import type { DueKey } from './ports.ts'
import { fakeableScheduler } from './scheduler.fixture.ts'

const id = { topic: 'piles', partition: 3 }
const alarms: Alarm[] = []

beforeEach(() => {
  vi.useFakeTimers({ now: 0 })
})
afterEach(async () => {
  await Promise.all(alarms.splice(0).map((alarm) => alarm.close()))
  vi.useRealTimers()
})

function start(stored: DueKey[], options: Partial<AlarmOptions> = {}, answers = Promise.resolve()) {
  const wakes: string[] = []
  const faults: string[] = []
  const log = { down: false }
  const loads: number[] = []
  const alarm = new Alarm(
    id,
    {
      appender: {
        append: async (_id, key, value) => {
          if (log.down) throw new Error('log down')
          wakes.push(`${Date.now()} ${value}`)
          return { offset: 0, timeMs: 0, key }
        },
      },
      binding: { wakeCommand: (key, atMs) => `${key}@${atMs}` },
      scheduler: fakeableScheduler,
      dueKeys: async (limit) => {
        loads.push(Date.now())
        const found = [...stored]
        await answers
        return found.sort((a, b) => a.atMs - b.atMs).slice(0, limit)
      },
      fault: (error) => void faults.push(String(error)),
    },
    { ...defaultAlarmOptions, ...options },
  )
  alarms.push(alarm)
  alarm.start()
  const update = (due: readonly (readonly [string, number | null])[], changed: readonly string[] = []) =>
    alarm.update(new Map(due), new Map(changed.map((key) => [key, key])))
  return {
    alarm,
    update,
    wakes,
    faults,
    log,
    loads,
    until: (ms: number) => vi.advanceTimersByTimeAsync(ms - Date.now()),
  }
}

describe('an alarm', () => {
  test('wakes what the store knows, at its time, and what commits bring', async () => {
    const a = start([{ key: 'a', atMs: 100 }])
    await a.until(99)
    a.update([['b', 150]])
    expect(a.wakes).toEqual([])
    await a.until(200)
    expect(a.wakes).toEqual(['100 a@100', '150 b@150'])
  })

  test('does not wake what is done before, and wakes earlier when told so', async () => {
    const a = start([
      { key: 'a', atMs: 100 },
      { key: 'b', atMs: 200 },
    ])
    await a.until(50)
    a.update([['a', null]])
    a.update([['b', 60]])
    await a.until(300)
    expect(a.wakes).toEqual(['60 b@60'])
  })

  test('has one wake of a key on its way, and sends another when it is not heard of', async () => {
    const a = start([{ key: 'a', atMs: 100 }], { againMs: 1000 })
    await a.until(1050)
    expect(a.wakes).toEqual(['100 a@100'])
    await a.until(1150)
    expect(a.wakes).toEqual(['100 a@100', '1100 a@100'])
  })

  test('a key that a batch found still due is woken again soon: clocks differ, and one wake may not do all', async () => {
    const a = start([{ key: 'a', atMs: 100 }])
    await a.until(101)
    a.update([['a', 100]])
    await a.until(150)
    expect(a.wakes).toEqual(['100 a@100', '121 a@100'])
  })

  test('hears of a key while it reads the store, whose answer is older', async () => {
    const answer = Promise.withResolvers<void>()
    const a = start([{ key: 'stored', atMs: 90_000 }], {}, answer.promise)
    await a.until(10)
    a.update([['made meanwhile', 5000]])
    answer.resolve()
    await a.until(5500)
    expect(a.wakes).toEqual(['5000 made meanwhile@5000'])
  })

  test('asks less and less often while nothing comes of it, and at once again when something does', async () => {
    const a = start([{ key: 'a', atMs: 100 }], { againMs: 1000 })
    await a.until(20_000)
    expect(a.wakes.map((wake) => Number(wake.split(' ')[0]))).toEqual([100, 1100, 3100, 7100, 15_100])
    a.update([['a', 100]], ['a'])
    await a.until(20_100)
    expect(a.wakes.at(-1)).toBe('20020 a@100')
  })

  test('goes on when the log could not be reached', async () => {
    const a = start([{ key: 'a', atMs: 100 }], { againMs: 500 })
    a.log.down = true
    await a.until(400)
    expect(a.faults).toEqual(['Error: log down'])
    a.log.down = false
    await a.until(700)
    expect(a.wakes).toEqual(['600 a@100'])
  })

  test('started again after a fault it reads the store again, and is still one alarm', async () => {
    const stored = [{ key: 'a', atMs: 500 }]
    const a = start(stored, { againMs: 100_000 })
    await a.until(100)
    stored.push({ key: 'of a commit whose outcome was unknown', atMs: 200 })
    a.alarm.start()
    a.alarm.start()
    await a.until(600)
    expect(a.wakes.map((wake) => wake.split('@')[1])).toEqual(['200', '500'])
    await a.alarm.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('keeps few keys in memory and reads the others when their time comes', async () => {
    const stored = Array.from({ length: 10 }, (_, n) => ({ key: `k${n}`, atMs: 1000 * (n + 1) }))
    const a = start(stored, { keysMax: 3, againMs: 100_000 })
    for (let second = 1; second <= 10; second++) {
      await a.until(second * 1000 + 500)
      expect(a.wakes).toContain(`${second * 1000} k${second - 1}@${second * 1000}`)
      stored.shift()
      a.update([[`k${second - 1}`, null]])
    }
    expect(a.wakes).toHaveLength(10)
  })

  test('forgets nothing when commits bring more keys than it keeps', async () => {
    const stored: DueKey[] = []
    const a = start(stored, { keysMax: 2, againMs: 100_000 })
    await a.until(10)
    for (let n = 9; n >= 1; n--) {
      stored.push({ key: `k${n}`, atMs: n * 1000 })
      a.update([[`k${n}`, n * 1000]])
    }
    for (let second = 1; second <= 9; second++) {
      await a.until(second * 1000 + 300)
      stored.pop()
      a.update([[`k${second}`, null]])
    }
    expect(a.wakes.map((wake) => wake.split(' ')[1])).toEqual(
      Array.from({ length: 9 }, (_, n) => `k${n + 1}@${(n + 1) * 1000}`),
    )
  })
})
