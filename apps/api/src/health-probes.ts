/** Looks at each dependency every few seconds, so that asking for health costs nothing and hangs on nothing. */
import type { DependencyName, DependencyState } from './deps.ts'

export interface HealthProbes {
  states(): Readonly<Record<DependencyName, DependencyState>>
  close(): void
}

export type Probe = () => Promise<unknown>

export const probeLimits = { everyMs: 2000, timeoutMs: 1500 } as const

/** All are taken for up: whoever starts this has just reached them. `changed` is told of every change. */
export function startHealthProbes(
  probes: Readonly<Record<DependencyName, Probe>>,
  changed: (name: DependencyName, state: DependencyState) => void,
): HealthProbes {
  const states: Record<DependencyName, DependencyState> = { postgres: 'up', redis: 'up', kafka: 'up' }
  const busy = new Set<DependencyName>()

  async function look(name: DependencyName): Promise<void> {
    if (busy.has(name)) return
    busy.add(name)
    const state = (await answers(probes[name])) ? 'up' : 'down'
    busy.delete(name)
    if (states[name] === state) return
    states[name] = state
    changed(name, state)
  }
  const names = ['postgres', 'redis', 'kafka'] as const
  const timer = setInterval(() => {
    for (const name of names) void look(name)
  }, probeLimits.everyMs)
  return { states: () => states, close: () => clearInterval(timer) }
}

async function answers(probe: Probe): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), probeLimits.timeoutMs)
  probe().then(
    () => resolve(true),
    () => resolve(false),
  )
  const answered = await promise
  clearTimeout(timer)
  return answered
}
