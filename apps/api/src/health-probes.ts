/**
 * Looks at each dependency every few seconds, so that asking for health costs nothing and hangs on nothing. What the
 * circuit breakers know is newer: open is down, half-open is degraded, and only while closed a look decides.
 */
import type { Breaker } from '@ironsys/circuit-breaker'
import type { Breakers } from './breakers.ts'
import type { DependencyName, DependencyState } from './deps.ts'

export interface HealthProbes {
  states(): Readonly<Record<DependencyName, DependencyState>>
  close(): void
}

type ProbedBreakers = Readonly<Record<DependencyName, Pick<Breaker, 'state'>>> & Pick<Breakers, 'onClosed'>

export type Probe = () => Promise<unknown>

export const probeLimits = { everyMs: 2000, timeoutMs: 1500 } as const

/**
 * All are taken for up: whoever starts this has just reached them. `changed` is told of every change that no breaker
 * tells of. A probe that goes through its breaker closes it again when nobody else asks.
 */
export function startHealthProbes(
  probes: Readonly<Record<DependencyName, Probe>>,
  breakers: ProbedBreakers,
  changed: (name: DependencyName, state: DependencyState) => void,
): HealthProbes {
  const states: Record<DependencyName, DependencyState> = { postgres: 'up', redis: 'up', kafka: 'up' }
  const busy = new Set<DependencyName>()

  async function look(name: DependencyName): Promise<void> {
    if (busy.has(name)) return
    busy.add(name)
    const state = (await answers(probes[name])) ? 'up' : 'down'
    busy.delete(name)
    if (states[name] === state || breakers[name].state() !== 'closed') return
    states[name] = state
    changed(name, state)
  }
  function stateOf(name: DependencyName): DependencyState {
    switch (breakers[name].state()) {
      case 'open':
        return 'down'
      case 'half-open':
        return 'degraded'
      case 'closed':
        return states[name]
    }
  }

  // Somebody was answered: the last look may be older than the outage.
  breakers.onClosed((name) => {
    states[name] = 'up'
  })
  const names = ['postgres', 'redis', 'kafka'] as const
  const timer = setInterval(() => {
    for (const name of names) void look(name)
  }, probeLimits.everyMs)
  return {
    states: () => ({ postgres: stateOf('postgres'), redis: stateOf('redis'), kafka: stateOf('kafka') }),
    close: () => clearInterval(timer),
  }
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
