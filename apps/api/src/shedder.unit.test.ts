import { expect, test } from 'vitest'
import { createShedder, type LoadSignals, shedDefaults, shedLimits, type WorkKind } from './shedder.ts'

const calm: LoadSignals = { queueMessages: 0, loopDelayMs: 0, lagMs: 0 }
const thresholds = { queueMessages: 1000, loopDelayMs: 50, lagMs: 10_000, finishingFactor: 2 }
const OFFERED_PER_SECOND = 1000

function setUp() {
  let nowMs = 0
  let load = calm
  const shedder = createShedder({ signals: () => load, nowMs: () => nowMs }, thresholds)
  /** Evenly offered; what is taken a second, over all of the time. */
  const offer = (signals: Partial<LoadSignals>, forMs: number, kind: WorkKind = 'new') => {
    load = { ...calm, ...signals }
    let taken = 0
    const seconds = new Set<number>()
    for (const untilMs = nowMs + forMs; nowMs < untilMs; ) {
      const refusal = shedder.refusal(kind)
      if (refusal === null) taken++
      else seconds.add(refusal.retryAfterSeconds)
      nowMs += 1000 / OFFERED_PER_SECOND
      if (nowMs % shedLimits.lookMs === 0) shedder.look()
    }
    return { perSecond: (taken * 1000) / forMs, retryAfter: seconds }
  }
  return { shedder, offer }
}

test.each([
  [{ queueMessages: 1000 }, 'produce-queue', 0],
  [{ loopDelayMs: 50 }, 'event-loop', OFFERED_PER_SECOND * shedLimits.loopFloor],
  [{ lagMs: 10_000 }, 'worker-lag', 0],
] as const)('what stays at its threshold is shed: %o', (signals, reason, least) => {
  const { shedder, offer } = setUp()
  offer({}, 2000)
  expect(offer(signals, shedLimits.sustainMs).perSecond).toBe(OFFERED_PER_SECOND)
  offer(signals, 10_000)
  expect(shedder.standing().reasons).toEqual({ new: reason, finishing: null })
  const { perSecond } = offer(signals, 1000)
  expect(Math.abs(perSecond - least)).toBeLessThan(10)
  expect(offer(signals, 1000, 'finishing').perSecond).toBe(OFFERED_PER_SECOND)
})

test('what comes and goes is not, however high', () => {
  const { offer } = setUp()
  for (let n = 0; n < 20; n++) {
    const { perSecond } = offer({ queueMessages: 1_000_000 }, shedLimits.sustainMs - shedLimits.lookMs)
    expect(perSecond).toBe(OFFERED_PER_SECOND)
    offer({}, shedLimits.lookMs)
  }
})

test('what finishes is shed only at its own, higher thresholds', () => {
  const { shedder, offer } = setUp()
  expect(offer({ queueMessages: 1999 }, 10_000, 'finishing').perSecond).toBe(OFFERED_PER_SECOND)
  expect(shedder.standing().reasons).toEqual({ new: 'produce-queue', finishing: null })
  offer({ queueMessages: 2000 }, 10_000, 'finishing')
  expect(shedder.standing().reasons.finishing).toBe('produce-queue')
  expect(offer({ queueMessages: 2000 }, 1000, 'finishing').perSecond).toBeLessThan(10)
})

test('between resuming and shedding the rate stays; below it grows until all is taken', () => {
  const { shedder, offer } = setUp()
  offer({}, 2000)
  offer({ lagMs: 10_000 }, 1500)
  const kept = offer({ lagMs: 9000 }, 5000).perSecond
  expect(kept).toBeLessThan(0.7 * OFFERED_PER_SECOND)
  expect(Math.abs(offer({ lagMs: 7001 }, 60_000).perSecond - kept)).toBeLessThan(5)
  expect(shedder.standing().refusedShares.new).toBeCloseTo(1 - kept / OFFERED_PER_SECOND, 1)
  expect(offer({ lagMs: 6000 }, 500).perSecond).toBeGreaterThan(kept)
  offer({}, 10_000)
  expect(shedder.standing()).toMatchObject({ reasons: { new: null }, refusedShares: { new: 0 } })
})

test('who was refused everything is taken again when there is room', () => {
  const { offer } = setUp()
  offer({ lagMs: 20_000 }, 60_000)
  expect(offer({ lagMs: 20_000 }, 1000).perSecond).toBe(0)
  offer({}, 30_000)
  expect(offer({}, 1000).perSecond).toBe(OFFERED_PER_SECOND)
})

test('those who are refused are told to come back at different times', () => {
  const { offer } = setUp()
  const { retryAfter } = offer({ lagMs: 10_000 }, 10_000)
  expect([...retryAfter].sort()).toEqual([1, 2, 3, 4, shedLimits.retryAfterMaxSeconds])
})

test('thresholds can be changed while it runs, and 0 leaves a signal out', () => {
  const { shedder, offer } = setUp()
  offer({ lagMs: 20_000 }, 5000)
  shedder.configure({ ...thresholds, lagMs: 0 })
  offer({ lagMs: 20_000 }, 30_000)
  expect(offer({ lagMs: 20_000 }, 1000).perSecond).toBe(OFFERED_PER_SECOND)
})

test('what is kept for finishing work lies below where the queue itself is full', () => {
  expect(shedDefaults.queueMessages * shedDefaults.finishingFactor).toBeLessThan(10_000)
})
