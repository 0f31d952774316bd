/**
 * Whether the process may take on more work: while a signal stands above its threshold only so much is taken a second, before
 * latency climbs and queues run full. Pure: signals and clock are given, somebody else calls {@link Shedder.look}.
 *
 * Each kind of work is calm (all is taken) or shedding (up to a rate). What finishes something, a confirmation or a cancellation,
 * has thresholds and a rate of its own, the thresholds higher by `finishingFactor`: what is between them is kept for it.
 *
 *  S1  Calm becomes shedding only after a signal stood at or above its threshold for {@link shedLimits}.sustainMs without a break:
 *      a pause of the garbage collector, or a large batch, is no overload (the idea of CoDel: a queue that stays, not one
 *      that comes and goes). The rate begins at what was taken just before.
 *  S2  While a signal is at or above its threshold the rate shrinks, while all are below `resumeShare` of theirs it grows, and in
 *      between it stays. So it settles where the load is as high as it may be, however much is offered.
 *  S3  For a late event loop alone it never shrinks below `loopFloor` of where it began: refusing costs time as well, and
 *      who refuses everything to be on time does nothing any more.
 *  S4  Shedding becomes calm when nothing had to be refused for {@link shedLimits}.calmMs.
 */

export interface LoadSignals {
  /** Commands that stood in the queue to the log throughout the time since the last look. */
  readonly queueMessages: number
  /** By how much the event loop's turns are late, in the middle. */
  readonly loopDelayMs: number
  /** When the writer that is furthest behind will decide what was accepted last. */
  readonly lagMs: number
}

export const shedReasons = ['produce-queue', 'event-loop', 'worker-lag'] as const
export type ShedReason = (typeof shedReasons)[number]
export type WorkKind = 'new' | 'finishing'
export type Pressures = Readonly<Record<ShedReason, number>>

/** Of new work. 0: the signal does not count. */
export interface ShedThresholds extends LoadSignals {
  /** How much higher those of finishing work are. */
  readonly finishingFactor: number
}

export interface Refusal {
  readonly reason: ShedReason
  readonly retryAfterSeconds: number
}

export interface ShedStanding {
  /** Each signal in parts of its threshold for new work, as of the last look. */
  readonly pressures: Pressures
  /** Of each kind: why not all of it is taken; null while it is calm. */
  readonly reasons: Readonly<Record<WorkKind, ShedReason | null>>
  /** What was refused between the last two looks, 0 to 1. */
  readonly refusedShares: Readonly<Record<WorkKind, number>>
}

export interface Shedder {
  /** Looks at the signals: call it every {@link shedLimits}.lookMs, or so. */
  look(): void
  /** Null: it may pass. */
  refusal(kind: WorkKind): Refusal | null
  standing(): ShedStanding
  /** From the next look on. */
  configure(thresholds: ShedThresholds): void
}

export interface ShedderDeps {
  readonly signals: () => LoadSignals
  readonly nowMs: () => number
}

export const shedLimits = {
  lookMs: 100,
  sustainMs: 500,
  calmMs: 2000,
  resumeShare: 0.7,
  /** The rate, in parts of what it was, per look. */
  less: 0.9,
  more: 1.05,
  /** What it grows by besides, in parts of where it began: so that it comes back from nothing, too. */
  moreOfFirst: 0.02,
  loopFloor: 0.5,
  /** What may pass at once after a pause, in milliseconds of the rate. */
  burstMs: 250,
  /** What a client is told to wait, at most. */
  retryAfterMaxSeconds: 5,
} as const

/** Below this nothing is taken, and from this it grows again, per second. */
const RATE_LEAST = 1
/** Over how long what is taken is averaged. */
const RATE_WINDOW_MS = 500
/** Per look: what was taken ten seconds ago counts for an eighth. */
const PEAK_FADES = 0.98

export const shedDefaults: ShedThresholds = {
  queueMessages: 2000,
  loopDelayMs: 100,
  lagMs: 15_000,
  finishingFactor: 2,
}

export function createShedder({ signals, nowMs }: ShedderDeps, initial: ShedThresholds): Shedder {
  let thresholds = initial
  let pressures: Pressures = { 'produce-queue': 0, 'event-loop': 0, 'worker-lag': 0 }
  const gates = { new: new Gate(nowMs()), finishing: new Gate(nowMs()) } satisfies Record<WorkKind, Gate>

  return {
    look() {
      const now = nowMs()
      pressures = pressuresOf(signals(), thresholds)
      const reason = highestOf(pressures)
      gates.new.look(pressures[reason], reason, now)
      gates.finishing.look(pressures[reason] / thresholds.finishingFactor, reason, now)
    },
    refusal: (kind) => gates[kind].refusal(nowMs),
    standing: () => ({
      pressures,
      reasons: { new: gates.new.reason, finishing: gates.finishing.reason },
      refusedShares: { new: gates.new.refusedShare, finishing: gates.finishing.refusedShare },
    }),
    configure(now) {
      thresholds = now
    },
  }
}

class Gate {
  /** Null while calm. */
  reason: ShedReason | null = null
  refusedShare = 0
  #perSecond = 0
  /** Where the rate began. */
  #firstPerSecond = 0
  #tokens = 0
  #filledMs: number
  #lookedMs: number
  /** Since when a signal has stood above its threshold; null when none does. */
  #aboveSinceMs: number | null = null
  #refusedMs = 0
  /** Since the last look. */
  #taken = 0
  #refused = 0
  #takenPerSecond = 0
  /** The most of late: an overload that has begun may keep the process from taking anything. */
  #peakPerSecond = 0
  #refusals = 0

  constructor(nowMs: number) {
    this.#filledMs = nowMs
    this.#lookedMs = nowMs
  }

  refusal(nowMs: () => number): Refusal | null {
    if (this.reason === null || this.#takeToken(nowMs())) {
      this.#taken++
      return null
    }
    this.#refused++
    // Spread, so that those who were refused together do not come back together.
    return {
      reason: this.reason,
      retryAfterSeconds: 1 + (this.#refusals++ % shedLimits.retryAfterMaxSeconds),
    }
  }

  look(pressure: number, reason: ShedReason, nowMs: number): void {
    this.#count(nowMs)
    if (pressure < 1) this.#aboveSinceMs = null
    else this.#aboveSinceMs ??= nowMs
    const stands = this.#aboveSinceMs !== null && nowMs - this.#aboveSinceMs >= shedLimits.sustainMs
    if (this.reason === null) {
      if (stands) this.#begin(reason, nowMs)
    } else if (pressure >= 1) this.#takeLess(reason)
    else if (pressure < shedLimits.resumeShare) this.#takeMore(nowMs)
  }

  #begin(reason: ShedReason, nowMs: number): void {
    this.reason = reason
    this.#firstPerSecond = Math.max(RATE_LEAST, this.#peakPerSecond)
    this.#perSecond = this.#firstPerSecond
    this.#tokens = 0
    this.#filledMs = nowMs
    this.#refusedMs = nowMs
  }

  #takeLess(reason: ShedReason): void {
    this.reason = reason
    const floor = reason === 'event-loop' ? this.#firstPerSecond * shedLimits.loopFloor : 0
    const less = Math.max(this.#perSecond * shedLimits.less, Math.min(floor, this.#perSecond))
    this.#perSecond = less < RATE_LEAST ? 0 : less
  }

  #takeMore(nowMs: number): void {
    if (nowMs - this.#refusedMs >= shedLimits.calmMs) this.reason = null
    const { more, moreOfFirst } = shedLimits
    this.#perSecond = Math.max(RATE_LEAST, this.#perSecond * more + this.#firstPerSecond * moreOfFirst)
  }

  #takeToken(nowMs: number): boolean {
    const full = Math.max(1, (this.#perSecond * shedLimits.burstMs) / 1000)
    this.#tokens = Math.min(full, this.#tokens + (this.#perSecond * (nowMs - this.#filledMs)) / 1000)
    this.#filledMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  #count(nowMs: number): void {
    const elapsedMs = nowMs - this.#lookedMs
    if (elapsedMs <= 0) return
    const weight = Math.min(1, elapsedMs / RATE_WINDOW_MS)
    const perSecond = (this.#taken * 1000) / elapsedMs
    this.#takenPerSecond += (perSecond - this.#takenPerSecond) * weight
    this.#peakPerSecond = Math.max(this.#takenPerSecond, this.#peakPerSecond * PEAK_FADES)
    this.refusedShare = this.#refused === 0 ? 0 : this.#refused / (this.#refused + this.#taken)
    if (this.#refused > 0) this.#refusedMs = nowMs
    this.#taken = 0
    this.#refused = 0
    this.#lookedMs = nowMs
  }
}

function pressuresOf(
  { queueMessages, loopDelayMs, lagMs }: LoadSignals,
  thresholds: ShedThresholds,
): Pressures {
  const part = (value: number, threshold: number) => (threshold === 0 ? 0 : value / threshold)
  return {
    'produce-queue': part(queueMessages, thresholds.queueMessages),
    'event-loop': part(loopDelayMs, thresholds.loopDelayMs),
    'worker-lag': part(lagMs, thresholds.lagMs),
  }
}

function highestOf(pressures: Pressures): ShedReason {
  return shedReasons.reduce((most, each) => (pressures[each] > pressures[most] ? each : most))
}
