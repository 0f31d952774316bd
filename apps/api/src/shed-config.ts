/** The part of the environment that is about load shedding. */
import { z } from 'zod'
import { shedDefaults as defaults, type ShedThresholds } from './shedder.ts'

const upTo = (max: number) => z.coerce.number().int().min(0).max(max)

/** See {@link ShedThresholds}; 0: the signal does not count. */
export const shedEnvironment = {
  SHED_QUEUE_MESSAGES: upTo(10_000).default(defaults.queueMessages),
  SHED_LOOP_DELAY_MS: upTo(60_000).default(defaults.loopDelayMs),
  SHED_LAG_MS: upTo(86_400_000).default(defaults.lagMs),
  SHED_FINISHING_FACTOR: z.coerce.number().min(1).max(100).default(defaults.finishingFactor),
}

type ShedEnvironment = { readonly [Name in keyof typeof shedEnvironment]: number }

export function shedThresholdsOf(environment: ShedEnvironment): ShedThresholds {
  return {
    queueMessages: environment.SHED_QUEUE_MESSAGES,
    loopDelayMs: environment.SHED_LOOP_DELAY_MS,
    lagMs: environment.SHED_LAG_MS,
    finishingFactor: environment.SHED_FINISHING_FACTOR,
  }
}
