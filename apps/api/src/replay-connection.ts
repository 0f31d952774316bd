/** The records of keyed requests, in Redis, and the part of the environment that is about them. */
import { connectRedisAt } from '@ironsys/cache'
import type { Closers } from '@ironsys/lifecycle'
import type { ApiMetrics, Logger } from '@ironsys/telemetry'
import { z } from 'zod'
import type { Config } from './config.ts'
import type { ApiDeps } from './deps.ts'
import {
  createReplayRecords,
  noReplayRecords,
  type RecordResult,
  type ReplayRecords,
} from './replay-records.ts'
import { createReplays, type Replays } from './replays.ts'
import { steadyNowMs } from './times.ts'

export const replayEnvironment = {
  /** How long it is remembered in Redis what a keyed request was accepted as; 0: never. */
  REPLAY_RECORD_SECONDS: z.coerce.number().int().min(0).max(604_800).default(3600),
}

export interface ReplayDeps extends Pick<ApiDeps, 'identity' | 'cursors' | 'progress'> {
  readonly metrics: ApiMetrics
  readonly logger: Logger
  readonly closers: Closers
}

/** On a connection of its own: a request must not wait for what the cache has asked for. Not there yet: no records. */
export function connectReplays(config: Config, deps: ReplayDeps): Replays {
  return createReplays({ ...deps, records: connectRecords(config, deps), nowMs: steadyNowMs })
}

function connectRecords(
  { redis: address, REPLAY_RECORD_SECONDS: seconds }: Config,
  { metrics, logger, closers }: ReplayDeps,
): ReplayRecords {
  if (seconds === 0) return noReplayRecords
  const redis = connectRedisAt(address, { name: 'api-replays', logger })
  closers.add(() => redis.disconnect())
  const observe = recordObserver(metrics)
  return createReplayRecords({ redis, nowMs: steadyNowMs, observe }, { ttlMs: seconds * 1000 })
}

function recordObserver({ replayRecords }: ApiMetrics): (result: RecordResult) => void {
  const cells = {
    found: replayRecords.with({ result: 'found' }),
    none: replayRecords.with({ result: 'none' }),
    failed: replayRecords.with({ result: 'failed' }),
    skipped: replayRecords.with({ result: 'skipped' }),
  } satisfies Record<RecordResult, unknown>
  return (result) => cells[result].inc()
}
