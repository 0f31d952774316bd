import { snapshotContract } from '../contract-suites/index.ts'
import { createMemoryRedis } from './memory-redis.ts'

snapshotContract(async () => {
  const redis = createMemoryRedis({ nowMs: Date.now })
  return {
    connect: async () => redis.connect(),
    subscribe: async (channels, listener) => void redis.subscribe(listener, channels),
    ttlMs: async (key) => {
      const value = redis.peek(key)
      return value === null ? null : value.expiresAtMs - Date.now()
    },
    flush: async () => redis.flush(),
    close: async () => {},
  }
})
