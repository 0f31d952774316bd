import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Breaker, CallRefusedError, createBreaker } from './breaker.ts'
import { type BreakerThresholds, defaultThresholds } from './thresholds.ts'

class Outage extends Error {}
/** A queue of ours was full. */
class Crowd extends Error {}

const thresholds: BreakerThresholds = { ...defaultThresholds, volume: 10, openMs: 1000, capacity: 4 }
/** Only the share of failures counts. */
const noSilence = { silentMs: 600_000 }

let breaker: Breaker
let changes: string[]
let refused: string[]

function open(overrides: Partial<BreakerThresholds> = {}): void {
  changes = []
  refused = []
  breaker = createBreaker(
    {
      dependency: 'thing',
      judge: (error) => (error instanceof Outage ? 'out' : error instanceof Crowd ? 'nothing' : 'alive'),
      nowMs: () => Date.now(),
      changed: (to, from) => void changes.push(`${from} → ${to}`),
      refused: (why) => void refused.push(why),
    },
    { ...thresholds, ...overrides },
  )
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  breaker.close()
  vi.useRealTimers()
})

const answers = () => breaker.call(async () => 'answer')
const fails = (error: Error = new Outage('no answer')) => breaker.call(() => Promise.reject(error))

async function failTimes(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await expect(fails()).rejects.toThrow(Outage)
}

/** A call that ends when it is told to. */
function hangs() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const ended = breaker.call(() => promise)
  ended.catch(() => undefined)
  return { ended, answer: () => resolve('late'), fail: () => reject(new Outage('late')) }
}

/** From closed, by silence. */
async function makeOpen(): Promise<void> {
  await failTimes(3)
  await vi.advanceTimersByTimeAsync(500)
  await failTimes(1)
  expect(breaker.state()).toBe('open')
}

test('answers and errors go through as they are', async () => {
  open()
  expect(await answers()).toBe('answer')
  const error = new Outage('this one')
  await expect(fails(error)).rejects.toBe(error)
  expect(breaker.state()).toBe('closed')
})

test('opens above the share of failures, once there are enough calls; then nothing begins', async () => {
  open(noSilence)
  for (let i = 0; i < 4; i++) await answers()
  await failTimes(5)
  expect(breaker.state()).toBe('closed')
  await failTimes(1)
  expect(breaker.state()).toBe('open')
  const work = vi.fn(async () => 'answer')
  await expect(breaker.call(work)).rejects.toMatchObject({ name: 'CallRefusedError', why: 'open' })
  expect(work).not.toHaveBeenCalled()
  expect([changes, refused]).toEqual([['closed → open'], ['open']])
})

test('opens on silence, however many answers the window still has', async () => {
  open()
  for (let i = 0; i < 1000; i++) await answers()
  await vi.advanceTimersByTimeAsync(400)
  await failTimes(3)
  expect(breaker.state()).toBe('closed')
  // Counted from when the first of them began: nothing has been answered since.
  await vi.advanceTimersByTimeAsync(500)
  await failTimes(1)
  expect(breaker.state()).toBe('open')
})

test('calls that hung and failed together are silence; one answer among them is none', async () => {
  open()
  const hanging = [hangs(), hangs(), hangs()]
  await vi.advanceTimersByTimeAsync(2000)
  await answers()
  for (const { ended, fail } of hanging) {
    fail()
    await expect(ended).rejects.toThrow(Outage)
  }
  expect(breaker.state()).toBe('closed')
  const others = [hangs(), hangs(), hangs()]
  await vi.advanceTimersByTimeAsync(2000)
  for (const { ended, fail } of others) {
    fail()
    await expect(ended).rejects.toThrow(Outage)
  }
  expect(breaker.state()).toBe('open')
})

test('a cut connection, which fails all calls at once and is back at the next one, opens nothing', async () => {
  open()
  const calls = [hangs(), hangs(), hangs(), hangs()]
  await vi.advanceTimersByTimeAsync(20)
  for (const call of calls) call.fail()
  await expect(Promise.allSettled(calls.map(({ ended }) => ended))).resolves.toHaveLength(4)
  expect(await answers()).toBe('answer')
  expect(changes).toEqual([])
})

test('what the dependency answers with an error counts as an answer', async () => {
  open()
  for (let i = 0; i < 100; i++) {
    await vi.advanceTimersByTimeAsync(100)
    await expect(fails(new RangeError('no such row'))).rejects.toThrow(RangeError)
  }
  expect(changes).toEqual([])
})

test('what fails before it gets there neither opens nor closes, nor hides the failures beside it', async () => {
  open()
  for (let i = 0; i < 100; i++) {
    await vi.advanceTimersByTimeAsync(100)
    await expect(fails(new Crowd())).rejects.toThrow(Crowd)
  }
  expect(changes).toEqual([])
  for (let i = 0; i < 6; i++) {
    await vi.advanceTimersByTimeAsync(100)
    await expect(fails(new Crowd())).rejects.toThrow(Crowd)
    await failTimes(1)
  }
  expect(breaker.state()).toBe('open')
  await vi.advanceTimersByTimeAsync(1000)
  await expect(fails(new Crowd())).rejects.toThrow(Crowd)
  expect(breaker.state()).toBe('open')
})

test('half-open: one probe, the others are refused; its answer closes, its failure opens for as long again', async () => {
  open()
  await makeOpen()
  await vi.advanceTimersByTimeAsync(999)
  expect(breaker.isRefusing()).toBe(true)
  await vi.advanceTimersByTimeAsync(1)
  expect([breaker.state(), breaker.isRefusing()]).toEqual(['half-open', false])
  const probe = hangs()
  expect(breaker.isRefusing()).toBe(true)
  await expect(answers()).rejects.toThrow(CallRefusedError)
  probe.fail()
  await expect(probe.ended).rejects.toThrow(Outage)
  expect(breaker.state()).toBe('open')
  await vi.advanceTimersByTimeAsync(1000)
  expect(await answers()).toBe('answer')
  expect(changes).toEqual([
    'closed → open',
    'open → half-open',
    'half-open → open',
    'open → half-open',
    'half-open → closed',
  ])
})

test('what was refused while it was open does not hide the failures after it', async () => {
  open(noSilence)
  await failTimes(10)
  for (let i = 0; i < 1000; i++) await expect(answers()).rejects.toThrow(CallRefusedError)
  await vi.advanceTimersByTimeAsync(1000)
  await answers()
  await failTimes(1)
  expect(breaker.state()).toBe('open')
})

test('a call that began before it opened ends as it ends, and its answer says nothing while it is open', async () => {
  open()
  const call = hangs()
  await makeOpen()
  call.answer()
  expect(await call.ended).toBe('late')
  expect(breaker.state()).toBe('open')
})

test('the bulkhead: calls beyond the capacity are refused and count neither way', async () => {
  open()
  const calls = [hangs(), hangs(), hangs(), hangs()]
  for (let i = 0; i < 100; i++) {
    await vi.advanceTimersByTimeAsync(100)
    await expect(answers()).rejects.toMatchObject({ why: 'full' })
  }
  expect([changes, refused.length]).toEqual([[], 100])
  for (const call of calls) call.answer()
  await Promise.all(calls.map(({ ended }) => ended))
  expect(await answers()).toBe('answer')
})

test('other thresholds hold from the next call on; what is open stays open, calls under way end', async () => {
  open()
  const call = hangs()
  await makeOpen()
  breaker.configure({ ...thresholds, openMs: 5000 })
  expect(breaker.state()).toBe('open')
  await vi.advanceTimersByTimeAsync(4999)
  expect(breaker.state()).toBe('open')
  await vi.advanceTimersByTimeAsync(1)
  expect(breaker.state()).toBe('half-open')
  call.answer()
  expect(await call.ended).toBe('late')
  breaker.configure({ ...thresholds, capacity: 1 })
  await vi.advanceTimersByTimeAsync(1000)
  expect(await answers()).toBe('answer')
  hangs()
  await expect(answers()).rejects.toMatchObject({ why: 'full' })
  expect(changes).toEqual([
    'closed → open',
    'open → half-open',
    'half-open → open',
    'open → half-open',
    'half-open → closed',
  ])
  expect(() => breaker.configure({ ...thresholds, errorPercent: 100 })).toThrow('errorPercent')
})

test('after close everything is refused', async () => {
  open()
  breaker.close()
  await expect(answers()).rejects.toThrow(CallRefusedError)
})
