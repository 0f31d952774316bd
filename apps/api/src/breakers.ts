/** The circuit breakers of this process: one for each server that it depends on, seen in metrics, logs and readiness. */
import { judgeRedis } from '@ironsys/cache'
import {
  type Breaker,
  type BreakerState,
  checkThresholds,
  createBreaker,
  type Verdict,
} from '@ironsys/circuit-breaker'
import { judgeLog } from '@ironsys/kafka'
import { isPoolBusy } from '@ironsys/postgres'
import type { ApiMetrics, Logger } from '@ironsys/telemetry'
import type { BreakerSettings } from './breaker-config.ts'
import type { DependencyName } from './deps.ts'
import { isOutage } from './store.ts'
import { steadyNowMs } from './times.ts'

export interface Breakers extends Readonly<Record<DependencyName, Breaker>> {
  /** Takes other thresholds at once. Throws a RangeError for some out of bounds, and then changes nothing. */
  configure(settings: BreakerSettings): void
  /** Calls `closed` each time that a dependency has answered after an outage. */
  onClosed(closed: (name: DependencyName) => void): void
  close(): void
}

export interface BreakersDeps {
  readonly metrics: Pick<ApiMetrics, 'breakerState' | 'breakerChanges' | 'breakerRefused'>
  readonly logger: Pick<Logger, 'debug' | 'info' | 'warn'>
}

const gaugeValues: Readonly<Record<BreakerState, number>> = { closed: 0, 'half-open': 1, open: 2 }

export function openBreakers({ metrics, logger }: BreakersDeps, settings: BreakerSettings): Breakers {
  const listeners: ((name: DependencyName) => void)[] = []

  const open = (dependency: DependencyName, judge: (error: unknown) => Verdict): Breaker => {
    const state = metrics.breakerState.with({ dependency })
    const refused = {
      open: metrics.breakerRefused.with({ dependency, why: 'open' }),
      full: metrics.breakerRefused.with({ dependency, why: 'full' }),
    }
    const changes = {
      closed: metrics.breakerChanges.with({ dependency, to: 'closed' }),
      'half-open': metrics.breakerChanges.with({ dependency, to: 'half-open' }),
      open: metrics.breakerChanges.with({ dependency, to: 'open' }),
    }
    const changed = (to: BreakerState, from: BreakerState) => {
      state.set(gaugeValues[to])
      changes[to].inc()
      logChange(logger, dependency, to, from)
      if (to === 'closed') for (const closed of listeners) closed(dependency)
    }
    const deps = {
      dependency,
      judge,
      nowMs: steadyNowMs,
      changed,
      refused: (why: 'open' | 'full') => refused[why].inc(),
    }
    return createBreaker(deps, settings[dependency])
  }

  const breakers = {
    kafka: open('kafka', judgeLog),
    postgres: open('postgres', judgeStore),
    redis: open('redis', judgeRedis),
  }
  const names = ['kafka', 'postgres', 'redis'] as const
  return {
    ...breakers,
    configure(next) {
      for (const name of names) checkThresholds(next[name])
      for (const name of names) breakers[name].configure(next[name])
    },
    onClosed: (closed) => void listeners.push(closed),
    close() {
      for (const name of names) breakers[name].close()
    },
  }
}

/** An outage is one line when it begins and one when it is over; the probes between them are for who looks closely. */
function logChange(
  logger: BreakersDeps['logger'],
  dependency: DependencyName,
  to: BreakerState,
  from: BreakerState,
): void {
  const fields = { dependency, from, to }
  if (to === 'closed') logger.info(fields, 'circuit breaker closed: the dependency answers again')
  else if (from === 'closed') logger.warn(fields, 'circuit breaker opened: the dependency does not answer')
  else logger.debug(fields, 'circuit breaker changed')
}

function judgeStore(error: unknown): Verdict {
  if (isPoolBusy(error)) return 'nothing'
  return isOutage(error) ? 'out' : 'alive'
}
