import { expect, test } from 'vitest'
import { firstDifference } from './difference.ts'

test('equal texts have none', () => {
  expect(firstDifference('a\nb\n', 'a\nb\n')).toBeNull()
})

test('shows the first line that differs, and what is around it', () => {
  expect(firstDifference('a\nb\nc', 'a\nx\nc')).toBe(
    'differs from line 2 on (- committed, + generated now):\n  a\n- b\n- c\n+ x\n+ c',
  )
})

test('a text that only became shorter differs too', () => {
  expect(firstDifference('a\nb\n', 'a')).toContain('line 2')
})
