import { expect, test } from 'vitest'
import { createDecisionRate } from './decision-rate.ts'

test('is unknown before the first batch', () => {
  expect(createDecisionRate().perSecond()).toBe(0)
})

test('is what the batches were decided at, idle time left out', () => {
  const rate = createDecisionRate()
  rate.add(100, 1_000, 1_010)
  expect(rate.perSecond()).toBe(10_000)
  rate.add(100, 60_000, 60_010)
  expect(rate.perSecond()).toBe(10_000)
})

test('moves towards a new speed, and counts from the commit before when the log is behind', () => {
  const rate = createDecisionRate()
  rate.add(100, 0, 10)
  for (let commit = 20; commit <= 5_000; commit += 10) rate.add(10, 0, commit)
  expect(rate.perSecond()).toBeGreaterThan(990)
  expect(rate.perSecond()).toBeLessThan(1_100)
})

test("a broker's clock that is ahead does not break it", () => {
  const rate = createDecisionRate()
  rate.add(5, 2_000, 1_000)
  expect(rate.perSecond()).toBe(5_000)
})
