/** L2: snapshots in Redis, shared by all instances. Never throws; while Redis fails it is left alone for a while. */
import { decodeSnapshot, encodeSnapshot, type SnapshotRedis, type StoredSnapshot } from './stored-snapshot.ts'

export interface SharedTier {
  /** Null when it is not there or Redis does not answer. */
  read(key: string): Promise<StoredSnapshot | null>
  /** Best effort, guarded by version; returns at once. */
  write(key: string, snapshot: StoredSnapshot): void
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
        const text = await redis.get(redisKey(key))
        return text === null ? null : decodeSnapshot(text)
      } catch {
        coolDown()
        return null
      }
    },
    write(key, snapshot) {
      if (!usable()) return
      const ttlMs = Math.round(jittered(options.ttlMs, 0.1))
      redis
        .putSnapshot(redisKey(key), snapshot.epoch, snapshot.version, encodeSnapshot(snapshot), ttlMs)
        .catch(coolDown)
    },
  }
}

/** `value` ± `share`, so that what was written together does not expire together. */
export function jittered(value: number, share: number): number {
  return value * (1 - share + 2 * share * Math.random())
}
