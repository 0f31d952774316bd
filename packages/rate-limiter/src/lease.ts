/**
 * What one process knows of one bucket: the tokens that it has taken out of the shared one and not used yet, and how many
 * may be left there. Without the shared one it is a bucket of its own, at a share of the limit.
 *
 *  L1  While shared, what is let through was taken out of the shared bucket before.
 *  L2  It never holds more than `leaseMax` tokens for longer than somebody waits for them.
 *  L3  Tokens that were not used within {@link LEASE_MS} are given up: they are lost, and nobody has them.
 *  L4  Who is refused while shared costs no question: nobody is asked before there can be enough.
 */
import { type Bucket, refilled, tokensNeeded, waitMs } from './bucket.ts'
import type { Grant } from './token-source.ts'

/** How long tokens are kept for requests to come. */
export const LEASE_MS = 1000
/** For how long a lease should last at the rate of late. */
const LEASE_AHEAD_MS = 200
/** Over how long that rate is taken. */
const RATE_WINDOW_MS = 100
/** Whoever got less than he wanted does not ask again so soon: what comes back is gathered meanwhile. */
export const SCARCE_PAUSE_MS = 10

export type Answer = 'yes' | 'no' | 'ask'

/** What all buckets of one limit have in common. */
export interface Terms {
  readonly bucket: Bucket
  /** Without the shared one. */
  readonly local: Bucket
  /** Tokens of a lease, at most and at first. */
  readonly leaseMax: number
  readonly leaseFirst: number
}

export class Lease {
  readonly #terms: Terms
  #isLocal: boolean
  #leased = 0
  #leasedUntilMs = Number.NEGATIVE_INFINITY
  /** At most this many were in the bucket at that moment. */
  #left: number
  #leftAtMs: number
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  /** More is fetched ahead below this. */
  #lowWater = 0
  #used = 0
  #usedSinceMs: number
  #usedPerMs = 0
  #asked = 0
  #leastAsked = Number.POSITIVE_INFINITY
  #waiting = 0
  /** Set and cleared by whoever fetches. */
  fetching: Promise<void> | null = null
  /** When it was last moved in its table. */
  touchedMs: number

  constructor(terms: Terms, isLocal: boolean, nowMs: number) {
    this.#terms = terms
    this.#isLocal = isLocal
    this.#left = this.#bucket.burst
    this.#leftAtMs = nowMs
    this.#usedSinceMs = nowMs
    this.touchedMs = nowMs
  }

  /** Whether `cost` may pass now; `ask`: only the shared bucket knows. */
  check(cost: number, nowMs: number): Answer {
    const held = this.#held(nowMs)
    if (!this.#isLocal && held >= cost) return 'yes'
    if (this.#leftNow(nowMs) < tokensNeeded(this.#bucket, cost - held)) return 'no'
    if (this.#isLocal) return 'yes'
    return nowMs < this.#pausedUntilMs ? 'no' : 'ask'
  }

  /** Lets `cost` pass, to which {@link check} has just said yes. */
  spend(cost: number, nowMs: number): void {
    if (this.#isLocal) {
      this.#left = this.#leftNow(nowMs) - cost
      this.#leftAtMs = nowMs
      return
    }
    this.#leased -= cost
    this.#used += cost
  }

  isLow(nowMs: number): boolean {
    return (
      this.#leased < this.#lowWater &&
      this.fetching === null &&
      nowMs >= this.#pausedUntilMs &&
      this.#leftNow(nowMs) >= 1
    )
  }

  /** Somebody waits for tokens, and says with {@link ask} for how many, until he leaves. */
  enter(): void {
    this.#waiting++
  }

  leave(): void {
    this.#waiting--
    if (this.#waiting === 0) this.#leased = Math.min(this.#leased, this.#terms.leaseMax)
  }

  ask(cost: number, nowMs: number): void {
    const missing = cost - this.#held(nowMs)
    this.#asked += cost
    this.#leastAsked = Math.min(this.#leastAsked, Math.max(1, missing))
  }

  /** What to fetch for all who have asked since the last time, and for those to come. */
  nextWant(nowMs: number): { readonly want: number; readonly least: number } {
    const size = this.#size(nowMs)
    this.#lowWater = size > 1 ? size / 2 : 0
    const want = Math.max(1, this.#asked + size - this.#held(nowMs))
    const least = Math.min(want, this.#leastAsked === Number.POSITIVE_INFINITY ? 1 : this.#leastAsked)
    this.#forgetAsked()
    return { want, least }
  }

  granted({ granted, left }: Grant, want: number, nowMs: number): void {
    this.#forgetAsked()
    this.#leased = this.#held(nowMs) + granted
    this.#leasedUntilMs = nowMs + LEASE_MS
    if (this.#waiting === 0) this.#leased = Math.min(this.#leased, this.#terms.leaseMax)
    this.#left = left
    this.#leftAtMs = nowMs
    if (granted < want) this.#pausedUntilMs = nowMs + SCARCE_PAUSE_MS
  }

  /** From the shared bucket to one of its own, which is as empty, or back, where nothing is known of it. */
  switchTo(isLocal: boolean, nowMs: number): void {
    if (isLocal === this.#isLocal) return
    const fullness = this.#leftNow(nowMs) / this.#bucket.burst
    this.#isLocal = isLocal
    this.#left = this.#bucket.burst * (isLocal ? fullness : 1)
    this.#leftAtMs = nowMs
    this.#leased = 0
    this.#pausedUntilMs = Number.NEGATIVE_INFINITY
    this.#forgetAsked()
  }

  /** Whether nothing is lost with it: the shared bucket goes on without it, one of its own is full. */
  isDispensable(nowMs: number): boolean {
    if (this.#waiting > 0 || this.fetching !== null) return false
    return !this.#isLocal || this.#leftNow(nowMs) >= this.#bucket.burst
  }

  /** What may still pass, as far as it is known here. */
  remaining(nowMs: number): number {
    return Math.max(0, Math.floor(this.#held(nowMs) + this.#leftNow(nowMs)))
  }

  /** How long until `cost` may pass, unless others are faster; 0: now. */
  waitMs(cost: number, nowMs: number): number {
    const held = this.#held(nowMs)
    if (held >= cost && !this.#isLocal) return 0
    const needed = tokensNeeded(this.#bucket, cost - held)
    const untilThere = waitMs(this.#bucket, this.#leftNow(nowMs), needed)
    return Math.max(untilThere, this.#pausedUntilMs - nowMs)
  }

  get #bucket(): Bucket {
    return this.#isLocal ? this.#terms.local : this.#terms.bucket
  }

  #held(nowMs: number): number {
    return nowMs < this.#leasedUntilMs ? this.#leased : 0
  }

  #leftNow(nowMs: number): number {
    return refilled(this.#bucket, this.#left, nowMs - this.#leftAtMs)
  }

  #size(nowMs: number): number {
    const elapsedMs = nowMs - this.#usedSinceMs
    if (elapsedMs >= RATE_WINDOW_MS) {
      this.#usedPerMs = this.#used / elapsedMs
      this.#used = 0
      this.#usedSinceMs = nowMs
    }
    const perMs = Math.max(this.#usedPerMs, this.#used / RATE_WINDOW_MS)
    const { leaseFirst, leaseMax } = this.#terms
    return Math.min(leaseMax, Math.max(leaseFirst, Math.floor(perMs * LEASE_AHEAD_MS)))
  }

  #forgetAsked(): void {
    this.#asked = 0
    this.#leastAsked = Number.POSITIVE_INFINITY
  }
}
