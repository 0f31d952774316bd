/** Sends requests at a steady rate, whatever becomes of them, as long as not too many are under way. */
import { setTimeout as delay } from 'node:timers/promises'
import { type ClientDeps, perform } from './clients.ts'
import { hotSlots, type Workload } from './workload.ts'

/** More than this under way, and new ones are not sent: an outage must not end in a stampede. */
const IN_FLIGHT_MAX = 200
const TICK_MS = 10
const FIRST_SLOTS = 30
const CLOSED_AT_ONCE = 20

export interface LoadDeps extends ClientDeps {
  readonly workload: Workload
}

export interface Load {
  inFlight(): number
  /** Sends nothing more, and resolves when everything under way has ended. */
  stop(): Promise<void>
}

/** Makes the slots that there are from the beginning, the hot ones first. Throws when that fails. */
export async function makeFirstSlots(deps: LoadDeps): Promise<void> {
  const { world } = deps.recorder
  for (let made = 0; made < FIRST_SLOTS; made++) {
    await perform(deps.workload.firstSlot(), deps)
    if (world.slotIds.length <= made && made < hotSlots) throw new Error('the first slots could not be made')
  }
}

/**
 * Ends the sale of every slot: from then on nobody in line is served, and what is held ends within its time, so that
 * everything comes to rest.
 */
export async function closeSlots(deps: LoadDeps): Promise<void> {
  const { slotIds } = deps.recorder.world
  for (let at = 0; at < slotIds.length; at += CLOSED_AT_ONCE) {
    const some = slotIds.slice(at, at + CLOSED_AT_ONCE)
    await Promise.all(some.map((slotId) => perform(deps.workload.close(slotId), deps)))
  }
}

/** `perSecond`: requests of all kinds. */
export function startLoad(deps: LoadDeps, perSecond: number): Load {
  const stopped = new AbortController()
  const underWay = new Set<Promise<void>>()
  const startOne = (): void => {
    const one = perform(deps.workload.next(deps.recorder.world), deps).finally(() => underWay.delete(one))
    underWay.add(one)
  }
  const loop = async (): Promise<void> => {
    let due = 0
    for (let lastMs = performance.now(); !stopped.signal.aborted; ) {
      const nowMs = performance.now()
      // What could not be sent while too many were under way is not made up for.
      due = Math.min(due + ((nowMs - lastMs) / 1000) * perSecond, perSecond)
      lastMs = nowMs
      for (; due >= 1 && underWay.size < IN_FLIGHT_MAX && !deps.recorder.isFull(); due--) startOne()
      await delay(TICK_MS, undefined, { signal: stopped.signal }).catch(() => undefined)
    }
  }
  const running = loop()
  return {
    inFlight: () => underWay.size,
    stop: async () => {
      stopped.abort()
      await running
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}
