/**
 * A finite pool of units: what a slot, a seat class and a product's stock have in common. Pure, written once.
 *
 * Invariants, asserted on every pool that leaves this file:
 * 1. held, confirmed and capacity are integers ≥ 0.
 * 2. held + confirmed ≤ limitUnits(pool) (I1). The database has the same formula as a CHECK.
 */

export interface Pool {
  readonly capacityUnits: number
  /** Overbooking in basis points of the capacity: 10000 doubles it. */
  readonly overbookingBps: number
  readonly heldUnits: number
  readonly confirmedUnits: number
}

export type Refusal = { readonly refused: 'insufficient' | 'in-use' }

/** An empty pool. */
export function createPool(capacityUnits: number, overbookingBps: number): Pool {
  return checked({ capacityUnits, overbookingBps, heldUnits: 0, confirmedUnits: 0 })
}

/** The most units that may be held and confirmed together: capacity + ⌊capacity × bps / 10000⌋, exact to 2^53. */
export function limitUnits(pool: Pick<Pool, 'capacityUnits' | 'overbookingBps'>): number {
  return pool.capacityUnits + Math.floor((pool.capacityUnits * pool.overbookingBps) / 10_000)
}

/** Units that can still be taken, ≥ 0. */
export function availableUnits(pool: Pool): number {
  return limitUnits(pool) - pool.heldUnits - pool.confirmedUnits
}

/** Takes units as held, or refuses: all or nothing. */
export function holdUnits(pool: Pool, units: number): Pool | Refusal {
  if (units > availableUnits(pool)) return { refused: 'insufficient' }
  return checked({ ...pool, heldUnits: pool.heldUnits + units })
}

/** Makes held units confirmed ones. More than are held is a broken invariant and throws, here and below. */
export function confirmHeldUnits(pool: Pool, units: number): Pool {
  const { heldUnits, confirmedUnits } = pool
  return checked({ ...pool, heldUnits: heldUnits - units, confirmedUnits: confirmedUnits + units })
}

/** Gives held units back. */
export function releaseHeldUnits(pool: Pool, units: number): Pool {
  return checked({ ...pool, heldUnits: pool.heldUnits - units })
}

/** Takes units as confirmed, or refuses: all or nothing. */
export function confirmUnits(pool: Pool, units: number): Pool | Refusal {
  if (units > availableUnits(pool)) return { refused: 'insufficient' }
  return checked({ ...pool, confirmedUnits: pool.confirmedUnits + units })
}

/** Gives confirmed units back. */
export function releaseConfirmedUnits(pool: Pool, units: number): Pool {
  return checked({ ...pool, confirmedUnits: pool.confirmedUnits - units })
}

/** Changes the capacity, or refuses when more is taken than would then be allowed. */
export function resizePool(pool: Pool, capacityUnits: number, overbookingBps: number): Pool | Refusal {
  const taken = pool.heldUnits + pool.confirmedUnits
  if (taken > limitUnits({ capacityUnits, overbookingBps })) return { refused: 'in-use' }
  return checked({ ...pool, capacityUnits, overbookingBps })
}

function checked(pool: Pool): Pool {
  const { capacityUnits, overbookingBps, heldUnits, confirmedUnits } = pool
  const whole = [capacityUnits, overbookingBps, heldUnits, confirmedUnits].every(
    (units) => Number.isSafeInteger(units) && units >= 0,
  )
  if (!whole || heldUnits + confirmedUnits > limitUnits(pool)) {
    throw new Error(`capacity pool out of bounds: ${JSON.stringify(pool)}`)
  }
  return pool
}
