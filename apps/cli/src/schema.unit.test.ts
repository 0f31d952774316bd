import { expect, test } from 'vitest'
import { normalised } from './schema.ts'

test('what depends on the version of pg_dump is left out', () => {
  const dump = (version: string, extra: string) =>
    `--\n-- Dumped by pg_dump version ${version}\n--\n\n${extra}SET statement_timeout = 0;\n\n\nCREATE TABLE a (\n    b integer\n);\n\n\n`
  const expected = normalised(dump('15.1', ''))
  expect(expected).toBe(
    '-- Generated from db/migrations by ./ironsys schema: do not edit.\n\nCREATE TABLE a (\n    b integer\n);\n',
  )
  expect(normalised(dump('17.6', '\\restrict abc\n\nSET transaction_timeout = 0;\n'))).toBe(expected)
})
