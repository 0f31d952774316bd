import { createSecretKey } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  deriveId,
  idRangeOfKey,
  mintId,
  partitionOfId,
  partitionOfKey,
  routingHash,
  routingHashOfId,
} from './routing.ts'

const slotId = '8b7f2a10-5f54-4c1a-9d3e-0a1b2c3d4e5f'
const uuidV8 = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('key to partition', () => {
  // The vectors of Kafka's own UtilsTest.testMurmur2, as unsigned 31-bit numbers.
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('murmur2 of %s is what Kafka says', (key, hash) => {
    expect(routingHash(key)).toBe(hash & 0x7fffffff)
  })
})

describe('ids that route themselves', () => {
  test('a minted id is a UUIDv8 that carries the partition of its key', () => {
    for (let i = 0; i < 1000; i++) {
      const id = mintId(slotId, Date.now())
      expect(id).toMatch(uuidV8)
      expect(routingHashOfId(id)).toBe(routingHash(slotId))
      expect(partitionOfId(id, 12)).toBe(partitionOfKey(slotId, 12))
    }
  })

  test('minted ids of one key sort by time, over the whole 48 bits', () => {
    const times = [0, 1, 2 ** 20 - 1, 2 ** 20, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 1.8e12, 1.8e12 + 1, 2 ** 48 - 1]
    const ids = times.map((ms) => mintId(slotId, ms))
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('ids minted in the same millisecond differ', () => {
    const ids = Array.from({ length: 10_000 }, () => mintId(slotId, 1_800_000_000_000))
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('a derived id is the same for the same parts and key, and another for any other', () => {
    const idKey = createSecretKey(Buffer.alloc(32, 7))
    const id = deriveId(idKey, slotId, ['user', 'endpoint', 'key', '0'])
    expect(id).toMatch(uuidV8)
    expect(partitionOfId(id, 12)).toBe(partitionOfKey(slotId, 12))
    expect(deriveId(idKey, slotId, ['user', 'endpoint', 'key', '0'])).toBe(id)
    expect(deriveId(idKey, slotId, ['user', 'endpoint', 'key', '1'])).not.toBe(id)
    expect(deriveId(idKey, slotId, ['user', 'endpointk', 'ey', '0'])).not.toBe(id)
    expect(deriveId(createSecretKey(Buffer.alloc(32, 8)), slotId, ['user', 'endpoint', 'key', '0'])).not.toBe(
      id,
    )
  })

  test("all ids of a key lie in the key's range", () => {
    const { first, last } = idRangeOfKey(slotId)
    const ids = [
      mintId(slotId, 0),
      mintId(slotId, 2 ** 48 - 1),
      deriveId(createSecretKey(Buffer.alloc(32)), slotId, ['x']),
    ]
    for (const id of ids) expect(first < id && id < last).toBe(true)
    const other = mintId('another key', Date.now())
    expect(first < other && other < last).toBe(false)
  })
})
