import { expect, test } from 'vitest'
import { Entries, type Entry } from './entries.ts'

function entryOf(bytes: number): Entry<number> {
  const times = { atMs: 0, checkedMs: 0, nextCheckMs: 0, failed: false, wasRead: false }
  return { epoch: 1, version: 1, document: bytes, body: 'x'.repeat(bytes), ...times }
}

const made = (bounds = {}) =>
  new Entries<number>({ maxEntries: 100, maxBytes: 1000, maxNegatives: 3, ...bounds })

const kept = (entries: Entries<number>, keys: string) =>
  [...keys].filter((key) => entries.get(key) !== undefined).join('')

test('as many bytes are kept as may be, and what was renewed last goes last', () => {
  const entries = made()
  for (const key of 'abcd') entries.set(key, entryOf(250))
  expect(kept(entries, 'abcd')).toBe('abcd')
  entries.renew('a')
  entries.set('e', entryOf(300))
  expect(kept(entries, 'abcde')).toBe('ade')
})

test('what is read stays, though nobody renews it: announcements keep it current', () => {
  const entries = made({ maxEntries: 3 })
  for (const key of 'abc') entries.set(key, entryOf(1))
  for (const key of 'defg') {
    const hot = entries.get('a') ?? expect.fail('it is gone')
    hot.wasRead = true
    entries.set(key, entryOf(1))
  }
  expect(kept(entries, 'abcdefg')).toBe('afg')
})

test('the bytes of what is replaced, deleted or gone do not count', () => {
  const entries = made()
  for (let i = 0; i < 50; i++) entries.set('a', entryOf(900))
  entries.set('b', entryOf(100))
  expect(kept(entries, 'ab')).toBe('ab')
  entries.delete('a')
  entries.delete('a')
  entries.set('c', entryOf(900))
  expect(kept(entries, 'bc')).toBe('bc')
  entries.setMissing('c', 1)
  entries.set('d', entryOf(900))
  expect(kept(entries, 'bcd')).toBe('bd')
})

test('one that alone is too large is not kept, nor what it replaces, and takes nobody else with it', () => {
  const entries = made()
  for (const key of 'ab') entries.set(key, entryOf(400))
  entries.set('a', entryOf(1001))
  expect(kept(entries, 'ab')).toBe('b')
  entries.set('c', entryOf(600))
  expect(kept(entries, 'abc')).toBe('bc')
})

test('a million made-up ids stay within their bound and cost no entry its place', () => {
  const entries = made({ maxEntries: 10, maxNegatives: 1000 })
  for (const key of 'abcdefghij') entries.set(key, entryOf(1))
  for (let i = 0; i < 1_000_000; i++) entries.setMissing(`unknown-${i}`, 1)
  expect(kept(entries, 'abcdefghij')).toBe('abcdefghij')
  const remembered = Array.from({ length: 1_000_000 }, (_, i) => entries.has(`unknown-${i}`))
  expect(remembered.filter(Boolean)).toHaveLength(1000)
  expect(entries.isMissing('unknown-999999', 0)).toBe(true)
})
