/** When a breaker opens, and how it comes back. */
export interface BreakerThresholds {
  /** Opens when more than this share of the window's calls failed, percent; 1 to 99. */
  readonly errorPercent: number
  /** With fewer calls in the window the share says nothing. */
  readonly volume: number
  /** Milliseconds, at least 1000; counted in tenths. */
  readonly windowMs: number
  /** Opens also when the dependency has answered nothing for so long, milliseconds… */
  readonly silentMs: number
  /** …while so many calls in a row failed. */
  readonly silentCalls: number
  /** How long it stays open before a call may probe, milliseconds. */
  readonly openMs: number
  /** The bulkhead: calls under way at once; more are refused. */
  readonly capacity: number
}

export const defaultThresholds: BreakerThresholds = {
  errorPercent: 50,
  volume: 20,
  windowMs: 10_000,
  silentMs: 500,
  silentCalls: 3,
  openMs: 1_000,
  capacity: 10_000,
}

type Bounds = { readonly [Name in keyof BreakerThresholds]: readonly [min: number, max: number] }

/** opossum opens above the share of errors, not at it: at 100 it never would. */
export const thresholdBounds: Bounds = {
  errorPercent: [1, 99],
  volume: [1, 1_000_000],
  windowMs: [1_000, 600_000],
  silentMs: [0, 600_000],
  silentCalls: [1, 1_000_000],
  openMs: [10, 600_000],
  capacity: [1, 1_000_000],
}

const names = [
  'errorPercent',
  'volume',
  'windowMs',
  'silentMs',
  'silentCalls',
  'openMs',
  'capacity',
] as const satisfies readonly (keyof BreakerThresholds)[]

/** Throws a RangeError that names the threshold which is out of its bounds, or not whole. */
export function checkThresholds(thresholds: BreakerThresholds): void {
  for (const name of names) {
    const [min, max] = thresholdBounds[name]
    const value = thresholds[name]
    if (!Number.isInteger(value) || value < min || value > max)
      throw new RangeError(`${name} must be a whole number from ${min} to ${max}, not ${value}`)
  }
}

export function isSame(one: BreakerThresholds, other: BreakerThresholds): boolean {
  return names.every((name) => one[name] === other[name])
}
