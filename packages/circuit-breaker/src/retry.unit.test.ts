import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRetryBudget, fullJitterMs } from './retry.ts'

const backoff = { firstMs: 50, longestMs: 1000 }

test('the wait is anything from nothing to a bound that doubles up to the longest', () => {
  const bounds = [0, 1, 2, 3, 4, 5, 60].map((retries) => fullJitterMs(retries, backoff, () => 1))
  expect(bounds).toEqual([50, 100, 200, 400, 800, 1000, 1000])
  expect(fullJitterMs(3, backoff, () => 0)).toBe(0)
  expect(fullJitterMs(3, backoff, () => 0.25)).toBe(100)
})

test('the budget: what was saved, then a share of the first attempts and a few a second', () => {
  let nowMs = 0
  const budget = createRetryBudget(() => nowMs, { share: 0.1, perSecond: 2, most: 5 })
  const spendAll = () => {
    let spent = 0
    while (budget.spend()) spent++
    return spent
  }
  expect(spendAll()).toBe(5)
  for (let i = 0; i < 30; i++) budget.earn()
  expect(spendAll()).toBe(3)
  nowMs += 1000
  expect(spendAll()).toBe(2)
  nowMs += 1e9
  expect(spendAll()).toBe(5)
})

test('whatever the order of attempts, retries stay within the share, the rate and what was saved', () => {
  const options = { share: 0.1, perSecond: 10, most: 20 }
  const steps = fc.array(
    fc.oneof(fc.constant('first'), fc.constant('retry'), fc.integer({ min: 0, max: 500 })),
    {
      maxLength: 500,
    },
  )
  fc.assert(
    fc.property(steps, (story) => {
      let nowMs = 0
      let firsts = 0
      let retries = 0
      const budget = createRetryBudget(() => nowMs, options)
      for (const step of story) {
        if (typeof step === 'number') nowMs += step
        else if (step === 'retry') retries += budget.spend() ? 1 : 0
        else {
          budget.earn()
          firsts++
        }
      }
      const allowed = options.most + firsts * options.share + (nowMs / 1000) * options.perSecond
      expect(retries).toBeLessThanOrEqual(allowed + 1e-6)
    }),
  )
})
