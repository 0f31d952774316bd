/** Requests that wait for a slot to reach a version are woken when a snapshot of it is announced. */
import type { SlotArrivals } from './deps.ts'
import { ProblemError } from './problem.ts'

export const arrivalLimits = { waiters: 20_000 } as const

export interface Arrivals extends SlotArrivals {
  /** Snapshots of these slots were announced and are in the cache. */
  announced(slotIds: readonly string[]): void
}

export function createArrivals(): Arrivals {
  const waiters = new Map<string, Set<() => void>>()
  let size = 0
  return {
    announced(slotIds) {
      if (size === 0) return
      for (const slotId of slotIds) for (const wake of waiters.get(slotId) ?? []) wake()
    },
    async next(slotId, timeoutMs, signal) {
      if (signal.aborted) return
      if (size >= arrivalLimits.waiters) throw new ProblemError({ code: 'overloaded', retryAfterSeconds: 1 })
      const { promise, resolve: wake } = Promise.withResolvers<void>()
      const onAbort = () => wake()
      const timer = setTimeout(wake, timeoutMs)
      const ofSlot = waiters.get(slotId) ?? new Set()
      waiters.set(slotId, ofSlot.add(wake))
      signal.addEventListener('abort', onAbort, { once: true })
      size++
      await promise
      size--
      signal.removeEventListener('abort', onAbort)
      clearTimeout(timer)
      ofSlot.delete(wake)
      if (ofSlot.size === 0) waiters.delete(slotId)
    },
  }
}
