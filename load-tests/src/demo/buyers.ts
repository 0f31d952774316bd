/** Who buys what, drawn from a seed: the same seed is the same on-sale. */
import { randomUUID } from 'node:crypto'

export interface Buyer {
  readonly userId: string
  readonly slotId: string
  readonly quantity: number
  /** Sends the same request twice at the same time. */
  readonly impatient: boolean
  /** Cancels right after the 202. */
  readonly cancels: boolean
  readonly key: string
}

const IMPATIENT_SHARE = 0.2
const CANCEL_SHARE = 0.1
const TWO_UNITS_SHARE = 0.1

export function drawBuyers(count: number, slotIds: readonly string[], seed: number): readonly Buyer[] {
  const random = mulberry32(seed)
  return Array.from({ length: count }, (_, index) => ({
    userId: `buyer-${index + 1}`,
    slotId: slotIds[Math.floor(random() * slotIds.length)] ?? '',
    quantity: random() < TWO_UNITS_SHARE ? 2 : 1,
    impatient: random() < IMPATIENT_SHARE,
    cancels: random() < CANCEL_SHARE,
    // Not from the seed: two runs with one seed are two on-sales.
    key: randomUUID(),
  }))
}

/** A small generator with 32 bits of state (public domain, Tommy Ettinger). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
