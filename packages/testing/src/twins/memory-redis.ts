/** Redis in memory: the part that snapshots, progress and replies use. The contract suite keeps it like the real one. */
import type { SnapshotRedis } from '@ironsys/cache'
import { directWire, type Wire } from './wire.ts'

export interface MemoryRedis {
  /**
   * The connection of one process. Requests: `get`, `set`, `get-snapshot`, `put-snapshot`, `remove-snapshot`, `lock`,
   * `unlock`, `publish`.
   */
  connect(wire?: Wire): SnapshotRedis
  /**
   * Hears every message at the moment it is published, or only those of `channels`; the answer takes it off again.
   * `listener` must not throw.
   */
  subscribe(listener: RedisListener, channels?: readonly string[]): () => void
  /** What is stored under the key now; null when nothing is, or it has expired. */
  peek(key: string): { readonly text: string; readonly expiresAtMs: number } | null
  /** Everything is gone, as after FLUSHALL or a restart. Subscribers stay. */
  flush(): void
}

export type RedisListener = (channel: string, message: string) => void

interface Value {
  readonly text: string
  /** Unix milliseconds; infinite when it stays. */
  readonly expiresAtMs: number
}

interface Subscriber {
  readonly listener: RedisListener
  /** Null: all of them. */
  readonly channels: readonly string[] | null
}

export function createMemoryRedis(deps: { readonly nowMs: () => number }): MemoryRedis {
  const values = new Map<string, Value>()
  const subscribers = new Set<Subscriber>()

  const peek = (key: string): Value | null => {
    const value = values.get(key)
    return value === undefined || deps.nowMs() >= value.expiresAtMs ? null : value
  }
  const set = (key: string, text: string, expiresAtMs: number): void => {
    values.set(key, { text, expiresAtMs })
  }
  const getSnapshot = (key: string): readonly [text: string, remainingMs: number] | null => {
    const value = peek(key)
    if (value === null) return null
    const { text, expiresAtMs } = value
    return [text, expiresAtMs === Number.POSITIVE_INFINITY ? -1 : expiresAtMs - deps.nowMs()]
  }
  const putSnapshot = (key: string, epoch: number, version: number, stored: string, ttlMs: number) => {
    if (isNewer(peek(key)?.text ?? '', epoch, version)) return 0
    set(key, stored, deps.nowMs() + ttlMs)
    return 1
  }
  const removeSnapshot = (key: string, epoch: number, version: number) => {
    const value = peek(key)
    if (value === null || isNewer(value.text, epoch, version)) return 0
    values.delete(key)
    return 1
  }
  const lock = (key: string, token: string, ttlMs: number) => {
    if (peek(key) !== null) return 0
    set(key, token, deps.nowMs() + ttlMs)
    return 1
  }
  const unlock = (key: string, token: string) => {
    if (peek(key)?.text !== token) return 0
    values.delete(key)
    return 1
  }
  const publish = (channel: string, message: string): number => {
    const hearing = [...subscribers].filter(({ channels }) => channels === null || channels.includes(channel))
    for (const { listener } of hearing) listener(channel, message)
    return hearing.length
  }
  return {
    connect: (wire = directWire) => ({
      get: (key) => wire('get', () => peek(key)?.text ?? null),
      set: (key, text) =>
        wire('set', () => {
          set(key, text, Number.POSITIVE_INFINITY)
          return 'OK'
        }),
      getSnapshot: (key) => wire('get-snapshot', () => getSnapshot(key)),
      putSnapshot: (...args) => wire('put-snapshot', () => putSnapshot(...args)),
      removeSnapshot: (...args) => wire('remove-snapshot', () => removeSnapshot(...args)),
      lock: (...args) => wire('lock', () => lock(...args)),
      unlock: (...args) => wire('unlock', () => unlock(...args)),
      publish: (channel, message) => wire('publish', () => publish(channel, message)),
    }),
    subscribe: (listener, channels) => {
      const subscriber = { listener, channels: channels ?? null }
      subscribers.add(subscriber)
      return () => void subscribers.delete(subscriber)
    },
    peek,
    flush: () => values.clear(),
  }
}

/** Whether what is stored stands after (epoch, version). What is no snapshot never does. */
function isNewer(stored: string, epoch: number, version: number): boolean {
  const [, storedEpoch, storedVersion] = /^(\d+):(\d+):/.exec(stored.slice(0, 64)) ?? []
  if (storedEpoch === undefined) return false
  return Number(storedEpoch) > epoch || (Number(storedEpoch) === epoch && Number(storedVersion) > version)
}
