export {
  type ConnectionLogger,
  connectRedis,
  connectRedisAt,
  connectSubscription,
  isRedisUrlList,
  type RedisAddress,
  type RedisConnection,
  type RedisConnectionOptions,
  redisAddress,
  redisReady,
} from './connection.ts'
export { readAnnouncements, readPublishedProgress, readReplies } from './live-messages.ts'
export { createLiveSubscriber, type LiveSubscriber, type LiveSubscriberDeps } from './live-subscriber.ts'
export { readProgress } from './progress.ts'
export {
  createRedisSink,
  type RedisSink,
  type RedisSinkDeps,
  type RedisSinkOptions,
  redisSinkDefaults,
  type SinkKind,
  type SnapshotForm,
} from './redis-sink.ts'
export { judgeRedis } from './shared-tier.ts'
export * from './snapshot.ts'
export { createSnapshotCache } from './snapshot-cache.ts'
export {
  type AgedSnapshot,
  decodeSnapshot,
  encodeSnapshot,
  isOlder,
  readSnapshot,
  type SnapshotRedis,
  type StoredSnapshot,
  storeSnapshot,
  type Version,
} from './stored-snapshot.ts'
