import { expect, test } from 'vitest'
import { printable, printableLine } from './printable.ts'

test('what is stored cannot steer a terminal', () => {
  expect(printable('a\u001b[2Jb\u202ec\nd ü')).toBe('a\\u{1b}[2Jb\\u{202e}c\nd ü')
})

test('within a line it cannot pose as another one either', () => {
  expect(printableLine('ann\r\nclean: nothing found\u2028x\u009b2J')).toBe(
    'ann\\u{d}\\u{a}clean: nothing found\\u{2028}x\\u{9b}2J',
  )
})
