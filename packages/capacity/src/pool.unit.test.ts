import { describe, expect, test } from 'vitest'
import {
  availableUnits,
  confirmHeldUnits,
  confirmUnits,
  createPool,
  holdUnits,
  limitUnits,
  type Pool,
  releaseConfirmedUnits,
  releaseHeldUnits,
  resizePool,
} from './pool.ts'

const taken = (pool: Pool, units: number): Pool => {
  const next = confirmUnits(pool, units)
  if ('refused' in next) throw new Error(next.refused)
  return next
}

describe('a pool of units', () => {
  test('gives out its capacity and not one unit more', () => {
    const full = taken(createPool(3, 0), 3)
    expect(availableUnits(full)).toBe(0)
    expect(confirmUnits(full, 1)).toEqual({ refused: 'insufficient' })
  })

  test('is all or nothing', () => {
    const pool = taken(createPool(3, 0), 2)
    expect(confirmUnits(pool, 2)).toEqual({ refused: 'insufficient' })
    expect(availableUnits(pool)).toBe(1)
  })

  test.each([
    [100, 0, 100],
    [100, 1000, 110],
    [3, 3333, 3],
    [3, 3334, 4],
    [100_000_000, 10_000, 200_000_000],
    [0, 10_000, 0],
  ])('capacity %i overbooked by %i bps allows %i', (capacity, bps, limit) => {
    expect(limitUnits(createPool(capacity, bps))).toBe(limit)
  })

  test('takes back what was confirmed, and throws on more', () => {
    const pool = taken(createPool(5, 0), 4)
    expect(availableUnits(releaseConfirmedUnits(pool, 4))).toBe(5)
    expect(() => releaseConfirmedUnits(pool, 5)).toThrow('out of bounds')
  })

  test('holds units, which are then confirmed or given back', () => {
    const held = { ...createPool(5, 0), heldUnits: 5 }
    expect(holdUnits(createPool(5, 0), 5)).toEqual(held)
    expect(holdUnits(held, 1)).toEqual({ refused: 'insufficient' })
    expect(confirmHeldUnits(held, 2)).toMatchObject({ heldUnits: 3, confirmedUnits: 2 })
    expect(availableUnits(confirmHeldUnits(held, 5))).toBe(0)
    expect(availableUnits(releaseHeldUnits(held, 5))).toBe(5)
  })

  test('throws where more is confirmed or given back than is held', () => {
    const pool = taken({ ...createPool(5, 0), heldUnits: 2 }, 3)
    expect(() => confirmHeldUnits(pool, 3)).toThrow('out of bounds')
    expect(() => releaseHeldUnits(pool, 3)).toThrow('out of bounds')
  })

  test('counts held units as taken when it shrinks', () => {
    const pool = taken({ ...createPool(10, 0), heldUnits: 2 }, 4)
    expect(resizePool(pool, 5, 0)).toEqual({ refused: 'in-use' })
    expect(resizePool(pool, 6, 0)).toMatchObject({ capacityUnits: 6, heldUnits: 2, confirmedUnits: 4 })
  })

  test('cannot shrink below what is taken', () => {
    const pool = taken(createPool(10, 0), 6)
    expect(resizePool(pool, 5, 0)).toEqual({ refused: 'in-use' })
    expect(resizePool(pool, 5, 2000)).toMatchObject({ capacityUnits: 5, confirmedUnits: 6 })
    expect(resizePool(pool, 6, 0)).toMatchObject({ capacityUnits: 6 })
  })

  test('refuses to exist with broken numbers', () => {
    expect(() => createPool(-1, 0)).toThrow('out of bounds')
    expect(() => createPool(1.5, 0)).toThrow('out of bounds')
    expect(() => createPool(Number.NaN, 0)).toThrow('out of bounds')
    expect(() => createPool(1, -1)).toThrow('out of bounds')
  })
})
