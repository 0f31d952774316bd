/** L2: snapshots in Redis, shared by all instances. Never throws; while Redis fails it is left alone for a while. */
import type { Snapshot } from './snapshot.ts'
import { type AgedSnapshot, readSnapshot, type SnapshotRedis, storeSnapshot } from './stored-snapshot.ts'

export interface SharedTier {
  /** Null when it is not there or Redis does not answer. */
  read(key: string): Promise<AgedSnapshot | null>
  /** Best effort, guarded by version; returns at once. `ageMs`: since it was known to be current. */
  write(key: string, snapshot: Snapshot<unknown>, ageMs: number): void
}

export interface SharedTierOptions {
  /** How long a snapshot stays in Redis without being written again; spread by ±10 %. */
  readonly ttlMs: number
  /** After a failure Redis is not asked for this long. */
  readonly coolDownMs: number
}

export function createSharedTier(
  deps: {
    readonly redis: SnapshotRedis
    readonly redisKey: (key: string) => string
    readonly nowMs: () => number
  },
  options: SharedTierOptions,
): SharedTier {
  const { redis, redisKey, nowMs } = deps
  let avoidUntilMs = 0
  const usable = () => nowMs() >= avoidUntilMs
  const coolDown = () => {
    avoidUntilMs = nowMs() + options.coolDownMs
  }
  return {
    async read(key) {
      if (!usable()) return null
      try {
        return await readSnapshot(redis, redisKey(key))
      } catch {
        coolDown()
        return null
      }
    },
    write(key, snapshot, ageMs) {
      if (!usable()) return
      const ttlMs = jittered(options.ttlMs, 0.1)
      storeSnapshot(redis, redisKey(key), snapshot, { ttlMs, ageMs }).catch(coolDown)
    },
  }
}

/** `value` ± `share`, so that what was written together does not expire together. */
export function jittered(value: number, share: number): number {
  return value * (1 - share + 2 * share * Math.random())
}
