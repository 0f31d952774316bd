/** A scheduler on the global timers, which a test may replace by fake ones. */
import type { Scheduler } from './ports.ts'

export const fakeableScheduler: Scheduler = {
  nowMs: () => Date.now(),
  delay: (ms, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve(), ms)
      signal.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    }),
}
