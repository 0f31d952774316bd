/**
 * L2: snapshots in Redis, shared by all instances, and the short locks around their loading. Never throws; while Redis
 * fails its breaker leaves it alone, and then nobody has a lock: each process loads for itself.
 */
import { randomUUID } from 'node:crypto'
import type { Breaker, Verdict } from '@ironsys/circuit-breaker'
import type { Snapshot } from './snapshot.ts'
import {
  type AgedSnapshot,
  readSnapshot,
  type SnapshotRedis,
  storeSnapshot,
  type Version,
} from './stored-snapshot.ts'

export interface SharedTier {
  /** Null when it is not there or Redis does not answer. */
  read(key: string): Promise<AgedSnapshot | null>
  /** Best effort, guarded by version. `ageMs`: since it was known to be current. */
  write(key: string, snapshot: Snapshot<unknown>, ageMs: number): Promise<void>
  /** Best effort: removes what is there, unless it is newer than `version`. */
  remove(key: string, version: Version): Promise<void>
  /** Asks for the right to load the key. A read that is asked for behind it sees what the holder before has written. */
  lock(key: string): Promise<LoadLock>
}

export interface LoadLock {
  /** Another one is loading. False also when Redis does not answer. */
  readonly isTaken: boolean
  /** Best effort; at once, where there is nothing to release. */
  release(): Promise<void>
}

export interface SharedTierOptions {
  /** How long a snapshot stays in Redis without being written again; spread by ±10 %. */
  readonly ttlMs: number
  /** A lock whose holder has died ends by itself after this. */
  readonly lockMs: number
}

export interface SharedTierDeps {
  readonly redis: SnapshotRedis
  /** Around each command; without one Redis is asked whatever came of the last. See {@link judgeRedis}. */
  readonly redisBreaker?: Pick<Breaker, 'call'> | undefined
  /** With a hash tag: in a cluster an item's snapshot and its lock are at the same node. */
  readonly redisKey: (key: string) => string
}

export const noLock: LoadLock = { isTaken: false, release: async () => {} }
const takenLock: LoadLock = { isTaken: true, release: async () => {} }

export function createSharedTier(
  { redis, redisBreaker, redisKey }: SharedTierDeps,
  { ttlMs, lockMs }: SharedTierOptions,
): SharedTier {
  const owner = randomUUID()
  let locks = 0
  const ask = async <T>(request: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await (redisBreaker === undefined ? request() : redisBreaker.call(request))
    } catch {
      return otherwise
    }
  }
  return {
    read: (key) => ask(() => readSnapshot(redis, redisKey(key)), null),
    write: async (key, snapshot, ageMs) => {
      const lifetime = { ttlMs: jittered(ttlMs, 0.1), ageMs }
      await ask(() => storeSnapshot(redis, redisKey(key), snapshot, lifetime), 0)
    },
    remove: async (key, { epoch, version }) => {
      await ask(() => redis.removeSnapshot(redisKey(key), epoch, version), 0)
    },
    lock: async (key) => {
      const name = loadLockKey(redisKey(key))
      const token = `${owner}:${locks++}`
      const answer = await ask<number | null>(() => redis.lock(name, token, lockMs), null)
      if (answer === null) return noLock
      if (answer === 0) return takenLock
      return { isTaken: false, release: async () => void (await ask(() => redis.unlock(name, token), 0)) }
    },
  }
}

/** For the breaker. A server that refuses (it is full, or a cluster's slot has no node) is there, and answers others. */
export function judgeRedis(error: unknown): Verdict {
  return error instanceof Error && error.name === 'ReplyError' ? 'alive' : 'out'
}

/** Where the lock of a snapshot's key lies. */
export function loadLockKey(redisKey: string): string {
  return `${redisKey}:load`
}

/** `value` ± `share`, so that what was written together does not expire together. */
export function jittered(value: number, share: number): number {
  return value * (1 - share + 2 * share * Math.random())
}
