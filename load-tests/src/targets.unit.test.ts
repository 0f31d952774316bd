import { expect, test } from 'vitest'
import { allReached, type Target, targetSummary, type Verdict } from './targets.ts'

const target = (name: string, verdict: Verdict): Target => ({ name, measured: '7', wanted: '≥ 8', verdict })

test('one missed target fails the bench, and stands at the end of the summary', () => {
  const targets = [target('slow', 'MISSED'), target('fast', 'reached')]
  expect(allReached(targets)).toBe(false)
  const lines = targetSummary(targets).trim().split('\n')
  expect(lines.at(-3)).toMatch(/slow +7 +≥ 8 +MISSED$/)
  expect(lines.at(-1)).toBe('Targets: 1 reached, 1 MISSED.')
})

test('what the machine does not tell fails nothing, and is not called reached', () => {
  const targets = [target('fast', 'reached'), target('small', 'unknown')]
  expect(allReached(targets)).toBe(true)
  expect(targetSummary(targets)).toContain('Targets: 1 reached, 0 MISSED, 1 unknown.')
})

test('a part without targets says so', () => {
  expect(allReached([])).toBe(true)
  expect(targetSummary([])).toBe('Targets: none of what was measured has one.')
})
