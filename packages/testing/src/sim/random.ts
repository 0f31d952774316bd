/** Everything that is left to chance in a simulation: one stream of numbers per seed. */
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

export interface Random {
  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number
  /** From 0 up to, not including, 1. */
  fraction(): number
  /** True with this probability. */
  chance(probability: number): boolean
  pick<T>(from: readonly [T, ...T[]]): T
  /** One of the list; undefined when it is empty. */
  pickAny<T>(from: readonly T[]): T | undefined
}

const FRACTIONS = 2 ** 30

export function createRandom(seed: number): Random {
  const generator = xoroshiro128plus(seed)
  const integer = (min: number, max: number): number => uniformInt(generator, min, max)
  const fraction = (): number => integer(0, FRACTIONS - 1) / FRACTIONS
  return {
    integer,
    fraction,
    chance: (probability) => probability > 0 && fraction() < probability,
    pick: (from) => from[integer(0, from.length - 1)] ?? from[0],
    pickAny: (from) => (from.length === 0 ? undefined : from[integer(0, from.length - 1)]),
  }
}
