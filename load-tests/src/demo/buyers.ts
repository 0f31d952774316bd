/** Who buys what, drawn from a seed: the same seed is the same on-sale. */
import { randomUUID } from 'node:crypto'

/**
 * `buys`: wants it confirmed at once. The others hold it first: who hesitates confirms in time, who comes late when the
 * hold is over, and who forgets never.
 */
export type Course = 'buys' | 'hesitates' | 'comes late' | 'forgets'

export interface Buyer {
  readonly userId: string
  readonly slotId: string
  readonly quantity: number
  readonly course: Course
  /** Joins the waitlist where units are missing. */
  readonly waits: boolean
  /** Sends the same request twice at the same time. */
  readonly impatient: boolean
  /** Cancels right after the 202. */
  readonly cancels: boolean
  readonly key: string
}

const IMPATIENT_SHARE = 0.2
const CANCEL_SHARE = 0.1
const TWO_UNITS_SHARE = 0.1
const WAITS_SHARE = 0.2
/** Cumulative; the rest buys. */
const courses = [
  ['hesitates', 0.3],
  ['comes late', 0.4],
  ['forgets', 0.5],
] as const satisfies readonly (readonly [Course, number])[]
/** Seconds. Who comes late and who forgets need not wait for long to be too late. */
const HOLD_SECONDS = { hesitates: 60, 'comes late': 1, forgets: 1 } as const

/** What of the request says whether it is a hold. */
export function holdOf({ course }: Pick<Buyer, 'course'>): object {
  return course === 'buys' ? { mode: 'confirm' } : { mode: 'hold', hold_ttl_seconds: HOLD_SECONDS[course] }
}

export function drawBuyers(count: number, slotIds: readonly string[], seed: number): readonly Buyer[] {
  const random = mulberry32(seed)
  return Array.from({ length: count }, (_, index) => ({
    userId: `buyer-${index + 1}`,
    slotId: slotIds[Math.floor(random() * slotIds.length)] ?? '',
    quantity: random() < TWO_UNITS_SHARE ? 2 : 1,
    impatient: random() < IMPATIENT_SHARE,
    cancels: random() < CANCEL_SHARE,
    course: drawCourse(random()),
    waits: random() < WAITS_SHARE,
    // Not from the seed: two runs with one seed are two on-sales.
    key: randomUUID(),
  }))
}

function drawCourse(drawn: number): Course {
  return courses.find(([, upTo]) => drawn < upTo)?.[0] ?? 'buys'
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
