/** The real Redis under the contract that its twin keeps. */
import { snapshotContract } from '@ironsys/testing/contract-suites'
import { redisReady } from './connection.ts'
import { startOwnRedis } from './own-redis.fixture.ts'

const READY_TIMEOUT_MS = 5000

snapshotContract(async () => {
  const server = await startOwnRedis()
  const connect = async () => {
    const redis = server.connect(2000)
    if (!(await redisReady(redis, READY_TIMEOUT_MS))) throw new Error('Redis is not ready')
    return redis
  }
  const own = await connect()
  return {
    connect,
    subscribe: async (channels, listener) => {
      const redis = await connect()
      redis.on('message', listener)
      await redis.subscribe(...channels)
    },
    ttlMs: async (key) => {
      const ttlMs = await own.pttl(key)
      if (ttlMs === -2) return null
      return ttlMs === -1 ? Number.POSITIVE_INFINITY : ttlMs
    },
    flush: async () => void (await own.flushall()),
    close: () => server.close(),
  }
})
