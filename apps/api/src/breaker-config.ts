/** The part of the environment that is about the circuit breakers. */
import { type BreakerThresholds, defaultThresholds, thresholdBounds } from '@ironsys/circuit-breaker'
import { z } from 'zod'
import type { DependencyName } from './deps.ts'

export type BreakerSettings = Readonly<Record<DependencyName, BreakerThresholds>>

/**
 * Kafka: its queue is its bulkhead; requests under way are three, and one for each partition that failed. Postgres:
 * what waits for one of the few connections. Redis: a command that is not answered in its time, while no other is either,
 * is enough, because everything goes on without it.
 */
export const breakerDefaults: BreakerSettings = {
  kafka: { ...defaultThresholds, capacity: 1_000 },
  postgres: { ...defaultThresholds, capacity: 2_000 },
  redis: { ...defaultThresholds, silentMs: 250, silentCalls: 1, capacity: 10_000 },
}

const threshold = (name: keyof BreakerThresholds, value: number = defaultThresholds[name]) => {
  const [min, max] = thresholdBounds[name]
  return z.coerce.number().int().min(min).max(max).default(value)
}

/** See {@link BreakerThresholds}; without a dependency in its name it is for all of them. */
export const breakerEnvironment = {
  BREAKER_ERROR_PERCENT: threshold('errorPercent'),
  BREAKER_VOLUME: threshold('volume'),
  BREAKER_WINDOW_MS: threshold('windowMs'),
  BREAKER_OPEN_MS: threshold('openMs'),
  BREAKER_KAFKA_SILENT_MS: threshold('silentMs', breakerDefaults.kafka.silentMs),
  BREAKER_POSTGRES_SILENT_MS: threshold('silentMs', breakerDefaults.postgres.silentMs),
  BREAKER_REDIS_SILENT_MS: threshold('silentMs', breakerDefaults.redis.silentMs),
  BREAKER_KAFKA_CAPACITY: threshold('capacity', breakerDefaults.kafka.capacity),
  BREAKER_POSTGRES_CAPACITY: threshold('capacity', breakerDefaults.postgres.capacity),
  BREAKER_REDIS_CAPACITY: threshold('capacity', breakerDefaults.redis.capacity),
}

type BreakerEnvironment = { readonly [Name in keyof typeof breakerEnvironment]: number }

export function breakerSettings(environment: BreakerEnvironment): BreakerSettings {
  const forAll = {
    errorPercent: environment.BREAKER_ERROR_PERCENT,
    volume: environment.BREAKER_VOLUME,
    windowMs: environment.BREAKER_WINDOW_MS,
    openMs: environment.BREAKER_OPEN_MS,
  }
  return {
    kafka: {
      ...breakerDefaults.kafka,
      ...forAll,
      silentMs: environment.BREAKER_KAFKA_SILENT_MS,
      capacity: environment.BREAKER_KAFKA_CAPACITY,
    },
    postgres: {
      ...breakerDefaults.postgres,
      ...forAll,
      silentMs: environment.BREAKER_POSTGRES_SILENT_MS,
      capacity: environment.BREAKER_POSTGRES_CAPACITY,
    },
    redis: {
      ...breakerDefaults.redis,
      ...forAll,
      silentMs: environment.BREAKER_REDIS_SILENT_MS,
      capacity: environment.BREAKER_REDIS_CAPACITY,
    },
  }
}
