/** R1 under random schedules: any number of instances, slow and lost answers, freezes; against the bucket itself. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Bucket } from './bucket.ts'
import { Clock, createTestLimiter, ModelTokens, settle } from './limiter.fixture.ts'

const ann = [{ limit: 'ip', id: 'ann' }] as const

/** A tenth of what comes back in a second, and of what there can be. */
const leaseOf = ({ ratePerSecond, burst }: Bucket) => Math.min(ratePerSecond, burst) / 10

interface Passed {
  readonly atMs: number
  readonly cost: number
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      at: fc.nat(7),
      cost: fc.integer({ min: 1, max: 4 }),
      times: fc.integer({ min: 1, max: 30 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 400 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('answer' as const), times: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('slow' as const), isSlow: fc.boolean() }) },
)

/** The most that was let through in any span beyond what the bucket gives in it. */
function excess(passed: readonly Passed[], { ratePerSecond, burst }: Bucket): number {
  let most = 0
  for (const [from, first] of passed.entries()) {
    let sum = 0
    for (const { atMs, cost } of passed.slice(from)) {
      sum += cost
      most = Math.max(most, sum - burst - ((atMs - first.atMs) * ratePerSecond) / 1000)
    }
  }
  return most
}

test('together they let no more pass than the limit and one lease each', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 8 }),
      fc.record({
        ratePerSecond: fc.integer({ min: 1, max: 2000 }),
        burst: fc.integer({ min: 4, max: 500 }),
      }),
      fc.array(step, { maxLength: 80 }),
      async (instances, bucket, steps) => {
        const clock = new Clock()
        const source = new ModelTokens(clock)
        const limiters = Array.from({ length: instances }, () => createTestLimiter(source, clock, bucket))
        const passed: Passed[] = []
        const waiting: Promise<void>[] = []
        const take = async (at: number, cost: number) => {
          if (await limiters[at % instances]?.take(ann, cost)) passed.push({ atMs: clock.ms, cost })
        }
        for (const each of steps) {
          if (each.kind === 'take')
            for (let n = 0; n < each.times; n++) waiting.push(take(each.at, each.cost))
          else if (each.kind === 'pass') clock.ms += each.ms
          else if (each.kind === 'slow') source.isSlow = each.isSlow
          else for (let n = 0; n < each.times; n++) source.answer()
          await settle()
        }
        source.isSlow = false
        for (let n = 0; n < 10; n++) {
          while (source.answer());
          await settle()
        }
        await Promise.all(waiting)
        expect(excess(passed, bucket)).toBeLessThanOrEqual(instances * leaseOf(bucket) + 1e-6)
      },
    ),
    { numRuns: 300 },
  )
})

test('whoever stays below the limit is never refused, at whichever instances, however seldom or often', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 500 }),
      fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 10, maxLength: 120 }),
      async (instances, ratePerSecond, gaps) => {
        const clock = new Clock()
        const source = new ModelTokens(clock)
        const bucket = { ratePerSecond, burst: ratePerSecond * 2 }
        const limiters = Array.from({ length: instances }, () => createTestLimiter(source, clock, bucket))
        // Half of the limit: the other half is for leases that were given up.
        const leastMs = 2000 / ratePerSecond
        for (const [n, gap] of gaps.entries()) {
          clock.ms += leastMs * (1 + gap / 10)
          const limiter = limiters[(n * (gap + 1)) % instances]
          expect(limiter?.tryTake(ann, 1) === 'yes' || (await limiter?.take(ann, 1))).toBe(true)
          await settle()
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('who asks for all there is gets it: what comes back is let through, nearly', async () => {
  const clock = new Clock()
  const source = new ModelTokens(clock)
  const bucket = { ratePerSecond: 500, burst: 500 }
  const limiters = Array.from({ length: 3 }, () => createTestLimiter(source, clock, bucket))
  let passed = 0
  for (; clock.ms < 1_010_000; clock.ms++) {
    for (const limiter of limiters) if (await limiter.take(ann, 1)) passed++
  }
  expect(passed).toBeGreaterThan(0.97 * (500 + 10 * 500))
  expect(passed).toBeLessThanOrEqual(500 + 10 * 500 + 3 * leaseOf(bucket))
})
