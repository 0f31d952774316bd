/**
 * Time and chance as the simulated code sees them. Timers, clocks and Math.random of this process are replaced for
 * good, so that the adapters' own code (queues, caches, retries) runs in a simulation exactly as it is written.
 *
 * Only for a process that does nothing else. While no simulation runs, the real ones answer.
 */
import type { Ticket, Timeline } from './timeline.ts'

let timeline: Timeline | null = null

/** From now on `simulated` has the time; null gives it back. */
export function useTimeline(simulated: Timeline | null): void {
  timeline = simulated
}

const EPOCH_OF_PERFORMANCE_MS = 1_800_000_000_000

class VirtualTimer {
  ticket: Ticket
  constructor(ticket: Ticket) {
    this.ticket = ticket
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

/** Replaces the globals; call it once, before a simulation. */
export function installVirtualGlobals(): void {
  const real = {
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    setImmediate,
    random: Math.random,
    now: Date.now,
  }
  const realPerformanceNow = performance.now.bind(performance)
  type Work = (...args: unknown[]) => void

  const later = (work: Work, delayMs: number, args: unknown[]): Ticket | null => {
    if (timeline === null) return null
    return timeline.schedule(timeline.current, delayMs, () => work(...args))
  }
  const repeat = (of: Timeline, timer: VirtualTimer, work: () => void, everyMs: number): void => {
    timer.ticket = of.schedule(of.current, everyMs, () => {
      repeat(of, timer, work, everyMs)
      work()
    })
  }
  const cancel = (timer: unknown, orReal: () => void): void => {
    if (timer instanceof VirtualTimer) timer.ticket.cancelled = true
    else orReal()
  }
  Object.assign(globalThis, {
    setTimeout: (work: Work, delayMs = 0, ...args: unknown[]) => {
      const ticket = later(work, Math.max(1, delayMs), args)
      return ticket === null ? real.setTimeout(work, delayMs, ...args) : new VirtualTimer(ticket)
    },
    setImmediate: (work: Work, ...args: unknown[]) => {
      const ticket = later(work, 0, args)
      return ticket === null ? real.setImmediate(work, ...args) : new VirtualTimer(ticket)
    },
    setInterval: (work: Work, everyMs = 1, ...args: unknown[]) => {
      if (timeline === null) return real.setInterval(work, everyMs, ...args)
      const timer = new VirtualTimer({ cancelled: false })
      repeat(timeline, timer, () => work(...args), Math.max(1, everyMs))
      return timer
    },
    clearTimeout: (timer: NodeJS.Timeout) => cancel(timer, () => real.clearTimeout(timer)),
    clearInterval: (timer: NodeJS.Timeout) => cancel(timer, () => real.clearInterval(timer)),
  })
  Date.now = () => (timeline === null ? real.now() : timeline.nowMs + timeline.current.clockSkewMs)
  Math.random = () => (timeline === null ? real.random() : timeline.random.fraction())
  performance.now = () =>
    timeline === null ? realPerformanceNow() : timeline.nowMs - EPOCH_OF_PERFORMANCE_MS
}
