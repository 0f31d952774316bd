export { type ConnectionLogger, connectRedis, type RedisConnectionOptions, redisReady } from './connection.ts'
export { createLiveSubscriber, type LiveSubscriber, type LiveSubscriberDeps } from './live-subscriber.ts'
export { readProgress } from './progress.ts'
export {
  createRedisSink,
  type RedisSink,
  type RedisSinkDeps,
  type RedisSinkOptions,
  redisSinkDefaults,
  type SinkKind,
} from './redis-sink.ts'
export * from './snapshot.ts'
export { createSnapshotCache } from './snapshot-cache.ts'
