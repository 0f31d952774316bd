/** What is done to the system, and in which order: follows from the seed alone. */
import { createRandom, type Random } from '../sim/random.ts'

export const faultTargets = ['worker', 'api', 'kafka', 'redis', 'postgres'] as const
export type FaultTarget = (typeof faultTargets)[number]

/** Each kind's target, and how long it lasts, milliseconds; 0 where its end is not the plan's to choose. */
const kinds = {
  'kill-worker': { target: 'worker', leastMs: 0, mostMs: 0 },
  // Past the session timeout of 6 s: its partitions have moved when it thaws, and it does not know.
  'freeze-worker': { target: 'worker', leastMs: 7000, mostMs: 10_000 },
  // A worker of another group: for so long every partition has two writers, and only the fence between them.
  'rival-worker': { target: 'worker', leastMs: 4000, mostMs: 6000 },
  'kill-api': { target: 'api', leastMs: 0, mostMs: 0 },
  'freeze-api': { target: 'api', leastMs: 1000, mostMs: 5000 },
  'kill-kafka': { target: 'kafka', leastMs: 0, mostMs: 0 },
  'cut-kafka': { target: 'kafka', leastMs: 0, mostMs: 0 },
  'stall-kafka': { target: 'kafka', leastMs: 1000, mostMs: 7000 },
  'lose-kafka-answers': { target: 'kafka', leastMs: 3000, mostMs: 3000 },
  'kill-redis': { target: 'redis', leastMs: 0, mostMs: 0 },
  'freeze-redis': { target: 'redis', leastMs: 1000, mostMs: 6000 },
  'cut-redis': { target: 'redis', leastMs: 0, mostMs: 0 },
  'stall-redis': { target: 'redis', leastMs: 1000, mostMs: 6000 },
  'flush-redis': { target: 'redis', leastMs: 0, mostMs: 0 },
  'kill-postgres': { target: 'postgres', leastMs: 0, mostMs: 0 },
  'cut-postgres': { target: 'postgres', leastMs: 0, mostMs: 0 },
  // Postgres ends a transaction that idles for 5 s: shorter and longer stalls meet different rules.
  'stall-postgres': { target: 'postgres', leastMs: 1000, mostMs: 7000 },
  'lose-postgres-answers': { target: 'postgres', leastMs: 3000, mostMs: 3000 },
} as const satisfies Readonly<Record<string, { target: FaultTarget; leastMs: number; mostMs: number }>>

export type FaultKind = keyof typeof kinds

export const faultKinds: readonly FaultKind[] = Object.keys(kinds).filter(isFaultKind)

export function isFaultKind(name: string): name is FaultKind {
  return Object.hasOwn(kinds, name)
}

export function targetOf(kind: FaultKind): FaultTarget {
  return kinds[kind].target
}

export interface PlannedFault {
  readonly kind: FaultKind
  /** Which of the two instances, where the target has two. */
  readonly instance: 0 | 1
  readonly durationMs: number
  /** After the step's first fault; 0 for the first itself. */
  readonly delayMs: number
}

/** One fault, or two that overlap. */
export interface FaultStep {
  /** Of quiet before it, once the step before has been recovered from. */
  readonly quietMs: number
  readonly faults: readonly PlannedFault[]
}

const QUIET_MS = { least: 3000, most: 6000 } as const
const OVERLAP_SHARE = 0.25
/** Fewer kinds are somebody's choice of what to look at: each then comes alone. */
const OVERLAP_KINDS_MIN = 5
const OVERLAP_DELAY_MAX_MS = 3000

/**
 * Endless. Kinds are dealt like cards, so that each comes once before any comes again. Faults that overlap have
 * different targets. Throws RangeError without kinds.
 */
export function* planFaults(seed: number, chosen: readonly FaultKind[]): Generator<FaultStep, never> {
  if (chosen.length === 0) throw new RangeError('no kind of fault is chosen')
  const random = createRandom(seed)
  let deck: readonly FaultKind[] = []
  const deal = (except: FaultTarget | null): FaultKind | null => {
    const kind = deck.find((each) => targetOf(each) !== except) ?? null
    deck = deck.filter((each) => each !== kind)
    return kind
  }
  for (;;) {
    const quietMs = random.integer(QUIET_MS.least, QUIET_MS.most)
    if (deck.length === 0) deck = shuffled(chosen, random)
    const first = deal(null)
    if (first === null) throw new RangeError('the deck is empty')
    const faults = [plannedFault(first, 0, random)]
    const overlaps = chosen.length >= OVERLAP_KINDS_MIN && random.chance(OVERLAP_SHARE)
    const second = overlaps ? deal(targetOf(first)) : null
    if (second !== null) faults.push(plannedFault(second, random.integer(0, OVERLAP_DELAY_MAX_MS), random))
    yield { quietMs, faults }
  }
}

function shuffled<T>(from: readonly T[], random: Random): readonly T[] {
  return from
    .map((value) => ({ value, place: random.fraction() }))
    .sort((a, b) => a.place - b.place)
    .map(({ value }) => value)
}

function plannedFault(kind: FaultKind, delayMs: number, random: Random): PlannedFault {
  const { leastMs, mostMs } = kinds[kind]
  return {
    kind,
    instance: random.integer(0, 1) === 0 ? 0 : 1,
    durationMs: random.integer(leastMs, mostMs),
    delayMs,
  }
}
