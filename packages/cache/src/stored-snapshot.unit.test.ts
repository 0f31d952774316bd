import { expect, test } from 'vitest'
import { decodeSnapshot, encodeSnapshot, isOlder } from './stored-snapshot.ts'

test('a snapshot comes back as it was stored', () => {
  const snapshot = {
    epoch: 3,
    version: 17,
    ttlMs: 600_000,
    document: { name: 'a:b', metadata: { x: [1] } },
  }
  expect(decodeSnapshot(encodeSnapshot(snapshot))).toEqual(snapshot)
})

test.each(['', '1:2:3', '1:2:3:', '1:2:3:{', 'x:2:3:{}', '-1:2:3:{}', '{"epoch":1}'])(
  '%j is a miss',
  (text) => {
    expect(decodeSnapshot(text)).toBeNull()
  },
)

test('epochs come before versions', () => {
  expect(isOlder({ epoch: 1, version: 9 }, { epoch: 2, version: 1 })).toBe(true)
  expect(isOlder({ epoch: 2, version: 1 }, { epoch: 1, version: 9 })).toBe(false)
  expect(isOlder({ epoch: 1, version: 1 }, { epoch: 1, version: 1 })).toBe(false)
})
