import { expect, test } from 'vitest'
import { type FaultStep, faultKinds, planFaults, targetOf } from './fault-plan.ts'

function steps(seed: number, count: number, kinds = faultKinds): readonly FaultStep[] {
  const plan = planFaults(seed, kinds)
  return Array.from({ length: count }, () => plan.next().value)
}

test('a seed gives one plan, and another seed another', () => {
  expect(steps(7, 50)).toEqual(steps(7, 50))
  expect(steps(7, 50)).not.toEqual(steps(8, 50))
})

test('every kind comes once before any comes again', () => {
  for (let seed = 0; seed < 20; seed++) {
    const dealt = steps(seed, faultKinds.length).flatMap(({ faults }) => faults.map(({ kind }) => kind))
    expect(new Set(dealt.slice(0, faultKinds.length))).toEqual(new Set(faultKinds))
  }
})

test('some faults overlap, and never two on the same target', () => {
  const pairs = steps(1, 500).filter(({ faults }) => faults.length === 2)
  expect(pairs.length).toBeGreaterThan(50)
  for (const { faults } of pairs) expect(new Set(faults.map(({ kind }) => targetOf(kind))).size).toBe(2)
})

test('a few chosen kinds come alone, and only they', () => {
  const chosen = ['kill-worker', 'kill-kafka', 'kill-postgres'] as const
  const dealt = steps(3, 30, chosen)
  expect(dealt.every(({ faults }) => faults.length === 1)).toBe(true)
  expect(new Set(dealt.flatMap(({ faults }) => faults.map(({ kind }) => kind)))).toEqual(new Set(chosen))
  expect(() => planFaults(1, []).next()).toThrow(RangeError)
})

test('a worker is frozen for longer than its session', () => {
  const frozen = steps(2, 300).flatMap(({ faults }) => faults.filter(({ kind }) => kind === 'freeze-worker'))
  expect(frozen.length).toBeGreaterThan(10)
  for (const { durationMs } of frozen) expect(durationMs).toBeGreaterThan(6000)
})
