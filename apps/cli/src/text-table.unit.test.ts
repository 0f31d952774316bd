import { expect, test } from 'vitest'
import { textTable } from './text-table.ts'

const rows = [
  ['id', 'name'],
  ['1234', 'a'],
  ['5', 'long name'],
]

test.each([
  ['left', 'id    name\n1234  a\n5     long name'],
  ['right', '  id       name\n1234          a\n   5  long name'],
] as const)('a table aligned %s has columns as wide as their widest cell', (align, text) => {
  expect(textTable(rows, { align })).toBe(text)
})
