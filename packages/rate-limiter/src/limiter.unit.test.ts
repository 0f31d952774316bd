import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { LEASE_MS } from './lease.ts'
import { Clock, createTestLimiter, ModelTokens, settle } from './limiter.fixture.ts'
import { FETCHES_MAX, PROBE_MS } from './limiter.ts'

const ann = [{ limit: 'ip', id: 'ann' }] as const
const bob = [{ limit: 'ip', id: 'bob' }] as const
const bucket = { ratePerSecond: 100, burst: 200 }

let clock: Clock
let source: ModelTokens
beforeEach(() => {
  clock = new Clock()
  source = new ModelTokens(clock)
})
afterEach(() => {
  vi.useRealTimers()
})

describe('while shared', () => {
  test('a busy caller is answered from memory, and a fetch is under way before it runs out', async () => {
    const limiter = createTestLimiter(source, clock, { ratePerSecond: 10_000, burst: 10_000 })
    let asked = 0
    for (let n = 0; n < 5000; n++) {
      if (n % 5 === 0) clock.ms++
      const answer = limiter.tryTake(ann, 1)
      if (answer === 'ask') asked++
      expect(answer === 'yes' || (await limiter.take(ann, 1))).toBe(true)
      await settle()
    }
    expect(asked).toBeLessThan(5)
    expect(source.asked.length).toBeLessThan(50)
    // A tenth of a second's, and the one that is waited for.
    expect(Math.max(...source.asked.map(({ want }) => want))).toBeLessThanOrEqual(1001)
  })

  test('who comes seldom is not given what he will not use', async () => {
    const limiter = createTestLimiter(source, clock, { ratePerSecond: 500, burst: 500 })
    for (let n = 0; n < 10; n++) {
      expect(await limiter.take(ann, 1)).toBe(true)
      clock.ms += 2000
    }
    expect(Math.max(...source.asked.map(({ want }) => want))).toBeLessThanOrEqual(6)
  })

  test('no lease is larger than a tenth of the limit, however many come at once', async () => {
    const limiter = createTestLimiter(source, clock, { ratePerSecond: 100, burst: 100 })
    for (let n = 0; n < 60; n++) expect(await limiter.take(ann, 1)).toBe(true)
    expect(Math.max(...source.asked.map(({ want }) => want))).toBeLessThanOrEqual(11)
  })

  test('at the limit, what comes back is gathered before it is asked for', async () => {
    const limiter = createTestLimiter(source, clock, { ratePerSecond: 10_000, burst: 1000 })
    let passed = 0
    for (let n = 0; n < 5000; n++) {
      for (let m = 0; m < 10; m++) if (await limiter.take(ann, 1)) passed++
      clock.ms += 0.1
    }
    expect(passed).toBeGreaterThan(5500)
    expect(source.asked.length).toBeLessThan(150)
  })

  test('one fetch at a time for all who wait, sized for them', async () => {
    const limiter = createTestLimiter(source, clock, bucket)
    source.isSlow = true
    const answers = Promise.all(Array.from({ length: 150 }, () => limiter.take(ann, 1)))
    await settle()
    expect(source.asked).toHaveLength(1)
    expect(source.asked[0]?.want).toBeGreaterThanOrEqual(150)
    source.answer()
    expect(new Set(await answers)).toEqual(new Set([true]))
    expect(source.asked).toHaveLength(1)
  })

  test('refused until there can be enough again, without another question', async () => {
    const limiter = createTestLimiter(source, clock, { ratePerSecond: 1, burst: 3 })
    for (const passes of [true, true, true, false]) expect(await limiter.take(ann, 1)).toBe(passes)
    const questions = source.asked.length
    for (let n = 0; n < 100; n++) expect(limiter.tryTake(ann, 1)).toBe('no')
    expect(limiter.standings(ann, 1)).toMatchObject([{ limit: 'ip', remaining: 0, waitMs: 1000 }])
    clock.ms += 999
    expect(limiter.tryTake(ann, 1)).toBe('no')
    expect(source.asked).toHaveLength(questions)
    clock.ms += 1
    expect(await limiter.take(ann, 1)).toBe(true)
  })

  test('all buckets have it, or none gives anything', async () => {
    const tight = { ratePerSecond: 1, burst: 2 }
    const limiter = createTestLimiter(source, clock, bucket, { limits: { ip: bucket, user: tight } })
    const both = [...ann, { limit: 'user', id: 'ann' }] as const
    for (const passes of [true, true, false, false]) expect(await limiter.take(both, 1)).toBe(passes)
    const [ip, user] = limiter.standings(both, 1)
    expect(user?.remaining).toBe(0)
    expect(ip?.remaining).toBe(198)
    expect(ip?.waitMs).toBe(0)
  })

  test('what a lease has left after a second is given up', async () => {
    const limiter = createTestLimiter(source, clock, { ratePerSecond: 1000, burst: 1000 })
    await limiter.take(ann, 1)
    expect(limiter.tryTake(ann, 1)).toBe('yes')
    clock.ms += LEASE_MS
    expect(limiter.tryTake(ann, 1)).toBe('ask')
  })

  test('what costs more than the burst passes when half of it is there, and is owed', async () => {
    const limiter = createTestLimiter(source, clock, { ratePerSecond: 10, burst: 20 })
    expect(await limiter.take(ann, 1)).toBe(true)
    expect(await limiter.take(ann, 999)).toBe(true)
    expect(await limiter.take(ann, 1)).toBe(false)
    clock.ms += 97_000
    expect(limiter.tryTake(ann, 1)).toBe('no')
    clock.ms += 2000
    expect(await limiter.take(ann, 1)).toBe(true)
  })

  test('no limit is no question; other limits hold at once', async () => {
    const limiter = createTestLimiter(source, clock, bucket, { limits: { ip: null, user: null } })
    expect(limiter.tryTake(ann, 1000)).toBe('yes')
    expect(limiter.standings(ann, 1)).toEqual([])
    limiter.configure({ ip: { ratePerSecond: 1, burst: 1 }, user: null })
    expect(await limiter.take(ann, 1)).toBe(true)
    expect(await limiter.take(ann, 1)).toBe(false)
    limiter.configure({ ip: { ratePerSecond: 1, burst: 5 }, user: null })
    expect(await limiter.take(ann, 1)).toBe(true)
    expect(source.asked.at(-1)?.bucket.burst).toBe(5)
  })

  test('what a far lower limit was owed is not owed to a higher one', async () => {
    const slow = { ratePerSecond: 1, burst: 1000 }
    const limiter = createTestLimiter(source, clock, slow)
    expect(await limiter.take(ann, 1000)).toBe(true)
    limiter.configure({ ip: { ratePerSecond: 1000, burst: 10 }, user: null })
    expect(await limiter.take(ann, 1)).toBe(false)
    clock.ms += 1100
    expect(await limiter.take(ann, 1)).toBe(true)
  })

  test('more fetches than may be are as if the shared buckets were away', async () => {
    const limiter = createTestLimiter(source, clock, bucket, { entriesMax: 10_000 })
    source.isSlow = true
    const answers = Array.from({ length: FETCHES_MAX + 1 }, (_, n) =>
      limiter.take([{ limit: 'ip', id: `${n}` }], 1),
    )
    expect(await answers.at(-1)).toBe(true)
    expect(limiter.isLocal()).toBe(true)
    await settle()
    while (source.answer());
    await Promise.all(answers)
    expect(source.asked).toHaveLength(FETCHES_MAX)
    limiter.close()
  })
})

describe('while local', () => {
  test('a share of the limit, no questions, told once, and back by itself', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const limiter = createTestLimiter(source, clock, bucket)
    source.fault = new Error('away')
    expect(await Promise.all([limiter.take(ann, 1), limiter.take(bob, 1)])).toEqual([true, true])
    let passed = 1
    for (let n = 0; n < 500; n++) if (await limiter.take(ann, 1)) passed++
    expect(passed).toBe(50)
    expect(source.asked).toHaveLength(2)
    clock.ms += 1000
    for (let n = 0; n < 500; n++) if (limiter.tryTake(ann, 1) === 'yes') passed++
    expect(passed).toBe(75)
    for (let probe = 3; probe < 6; probe++) {
      await vi.advanceTimersByTimeAsync(PROBE_MS)
      expect(source.asked).toHaveLength(probe)
      expect(source.asked.at(-1)?.want).toBe(0)
    }
    source.fault = null
    await vi.advanceTimersByTimeAsync(PROBE_MS)
    expect([limiter.isLocal(), limiter.changes]).toEqual([false, [true, false]])
    expect(limiter.tryTake(ann, 1)).toBe('ask')
    expect(await limiter.take(ann, 1)).toBe(true)
    limiter.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('who was at the end of the limit gets no fresh bucket', async () => {
    const limiter = createTestLimiter(source, clock, bucket)
    expect(await limiter.take(ann, 200)).toBe(true)
    source.fault = new Error('away')
    await limiter.take(bob, 1)
    expect(limiter.isLocal()).toBe(true)
    expect(limiter.tryTake(ann, 1)).toBe('no')
    expect(limiter.tryTake(bob, 1)).toBe('yes')
    limiter.close()
  })

  test('a late answer from before gives nothing', async () => {
    const limiter = createTestLimiter(source, clock, { ratePerSecond: 10_000, burst: 10_000 })
    source.isSlow = true
    const [other, late] = [limiter.take(bob, 1), limiter.take(ann, 1)]
    await settle()
    source.fault = new Error('away')
    source.answer()
    expect(await other).toBe(true)
    expect(limiter.isLocal()).toBe(true)
    source.fault = null
    source.answer()
    expect(await late).toBe(true)
    expect(limiter.standings(ann, 1)).toMatchObject([{ remaining: 2499 }])
    limiter.close()
  })
})

describe('a flood of newcomers', () => {
  const flood = { ratePerSecond: 10, burst: 10 }
  const stranger = (n: number) => [{ limit: 'ip', id: `stranger ${n}` }] as const

  test('is known as far as there is room; while shared nobody gets more by being forgotten', async () => {
    const limiter = createTestLimiter(source, clock, flood, { entriesMax: 100 })
    for (let n = 0; n < 10; n++) expect(await limiter.take(ann, 1)).toBe(true)
    for (let n = 0; n < 5000; n++) expect(await limiter.take(stranger(n), 1)).toBe(true)
    expect(limiter.size()).toBe(100)
    expect(await limiter.take(ann, 1)).toBe(false)
  })

  test('while local, newcomers share one bucket until somebody is dispensable', async () => {
    const limiter = createTestLimiter(source, clock, flood, { entriesMax: 100, localShare: 1 })
    source.fault = new Error('away')
    await limiter.take(ann, 10)
    let passed = 0
    for (let n = 0; n < 5000; n++) if (limiter.tryTake(stranger(n), 1) === 'yes') passed++
    // 99 that found room, and as many as one may.
    expect(passed).toBe(99 + flood.burst)
    expect(limiter.size()).toBe(100)
    expect(limiter.tryTake(ann, 1)).toBe('no')
    clock.ms += 1000
    expect(limiter.tryTake(stranger(6000), 1)).toBe('yes')
    expect(limiter.tryTake(stranger(6000), 10)).toBe('no')
    expect(limiter.size()).toBe(100)
    limiter.close()
  })
})
