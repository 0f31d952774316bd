/** Whatever is done to a pool: its figures are those of a list of claims that is counted anew each time. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  availableUnits,
  confirmHeldUnits,
  confirmUnits,
  createPool,
  holdUnits,
  limitUnits,
  type Pool,
  type Refusal,
  releaseConfirmedUnits,
  releaseHeldUnits,
  resizePool,
} from './pool.ts'
import { firstThatFits, LINE_WINDOW } from './waitlist.ts'

/** The same stories each time: without a seed, fast-check takes others. */
const runs = { numRuns: 300, seed: 1 }

interface Claim {
  readonly quantity: number
  state: 'held' | 'confirmed' | 'waiting' | 'gone'
}

const quantity = fc.oneof(fc.nat({ max: 5 }), fc.integer({ min: 1, max: 60 }))
const capacity = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 100_000_000 }))
const bps = fc.oneof(fc.constant(0), fc.nat({ max: 10_000 }))

const action = fc.oneof(
  fc.record({ type: fc.constantFrom('hold' as const, 'take' as const, 'wait' as const), quantity }),
  fc.record({ type: fc.constantFrom('confirm' as const, 'leave' as const), which: fc.nat() }),
  fc.record({ type: fc.constant('expire' as const), count: fc.nat({ max: 8 }) }),
  fc.record({ type: fc.constant('resize' as const), capacity, bps }),
  fc.record({ type: fc.constant('crowd' as const), count: fc.constantFrom(3, 99, 100, 101), quantity }),
)
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

/** Claims in the order in which they came; every figure is a sum over them. */
class Claims {
  readonly all: Claim[] = []
  limit: number

  constructor(units: number, overbookingBps: number) {
    this.limit = exactLimit(units, overbookingBps)
  }

  in(state: Claim['state']): readonly Claim[] {
    return this.all.filter((claim) => claim.state === state)
  }

  units(state: Claim['state']): number {
    return this.in(state).reduce((sum, claim) => sum + claim.quantity, 0)
  }

  get free(): number {
    return this.limit - this.units('held') - this.units('confirmed')
  }
}

function exactLimit(units: number, overbookingBps: number): number {
  return units + Number((BigInt(units) * BigInt(overbookingBps)) / 10_000n)
}

test('a pool counts as its claims do, and serves the one that they would', () => {
  const run = fc.property(capacity, bps, fc.array(action, { maxLength: 40 }), (units, over, actions) => {
    const claims = new Claims(units, over)
    let pool = createPool(units, over)
    for (const each of actions) {
      pool = served(done(pool, claims, each), claims)
      expect(pool.heldUnits).toBe(claims.units('held'))
      expect(pool.confirmedUnits).toBe(claims.units('confirmed'))
      expect(limitUnits(pool)).toBe(claims.limit)
      expect(availableUnits(pool)).toBe(claims.free)
      expect(claims.free).toBeGreaterThanOrEqual(0)
    }
  })
  fc.assert(run, runs)
})

function done(pool: Pool, claims: Claims, each: Action): Pool {
  switch (each.type) {
    case 'hold':
    case 'take': {
      const isHold = each.type === 'hold'
      const next = (isHold ? holdUnits : confirmUnits)(pool, each.quantity)
      expect('refused' in next).toBe(each.quantity > claims.free)
      if ('refused' in next) return refused(pool, next, 'insufficient')
      claims.all.push({ quantity: each.quantity, state: isHold ? 'held' : 'confirmed' })
      return next
    }
    case 'wait':
      claims.all.push({ quantity: each.quantity, state: 'waiting' })
      return pool
    case 'crowd':
      for (let n = 0; n < each.count; n++) claims.all.push({ quantity: each.quantity, state: 'waiting' })
      return pool
    case 'confirm': {
      const claim = claims.in('held').at(each.which % Math.max(1, claims.in('held').length))
      if (claim === undefined) return pool
      claim.state = 'confirmed'
      return confirmHeldUnits(pool, claim.quantity)
    }
    case 'leave': {
      const claim = claims.all.at(each.which % Math.max(1, claims.all.length))
      return claim === undefined ? pool : left(pool, claim)
    }
    case 'expire':
      return claims.in('held').slice(0, each.count).reduce(left, pool)
    case 'resize': {
      const next = resizePool(pool, each.capacity, each.bps)
      const limit = exactLimit(each.capacity, each.bps)
      expect('refused' in next).toBe(claims.limit - claims.free > limit)
      if ('refused' in next) return refused(pool, next, 'in-use')
      claims.limit = limit
      return next
    }
  }
}

function left(pool: Pool, claim: Claim): Pool {
  const { state } = claim
  claim.state = 'gone'
  if (state === 'held') return releaseHeldUnits(pool, claim.quantity)
  return state === 'confirmed' ? releaseConfirmedUnits(pool, claim.quantity) : pool
}

function refused(pool: Pool, refusal: Refusal, why: Refusal['refused']): Pool {
  expect(refusal.refused).toBe(why)
  return pool
}

/** Serves the line as long as there is somebody to serve. */
function served(pool: Pool, claims: Claims): Pool {
  for (let now = pool; ; ) {
    const line = claims.in('waiting')
    const next = firstThatFits(line, availableUnits(now))
    const fitting = line.filter((claim, place) => place < LINE_WINDOW && claim.quantity <= claims.free)
    expect(next).toBe(fitting[0])
    if (next === undefined) return now
    const held = holdUnits(now, next.quantity)
    if ('refused' in held) throw new Error('who fits was refused')
    next.state = 'held'
    now = held
  }
}
