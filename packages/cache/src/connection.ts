/** One way to connect to Redis, with every wait bounded: Redis holds copies, so nobody may hang on it. */
import { Redis, type Result } from 'ioredis'
import { getSnapshotLua, putSnapshotLua } from './stored-snapshot.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    /** Text and milliseconds left to live, -1 without end; null when it is not there. */
    getSnapshot(key: string): Result<[text: string, remainingMs: number] | null, Context>
    /** Key, epoch, version, stored text, milliseconds to live: 1 when stored, 0 when a newer one is there. */
    putSnapshot(
      key: string,
      epoch: number,
      version: number,
      stored: string,
      ttlMs: number,
    ): Result<number, Context>
  }
}

/** The part of a logger that is needed here; pino's is one. */
export interface ConnectionLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface RedisConnectionOptions {
  /** Shown by `CLIENT LIST` and in logs: `api`, `api-live`, `worker`. */
  readonly name: string
  readonly logger: ConnectionLogger
  /** After this a command fails, default 300 ms. The connection's own handshake is held to it too. */
  readonly commandTimeoutMs?: number
}

const CONNECT_TIMEOUT_MS = 2000
/** A socket that owes an answer for this long is taken for dead and replaced. */
const SILENT_SOCKET_MS = 3000
const RECONNECT_FIRST_MS = 50
const RECONNECT_MAX_MS = 2000

/**
 * Connects in the background and goes on trying, at most every two seconds, until `disconnect()`. Commands given
 * while there is no connection fail at once; commands on a connection that breaks fail at once and are never sent
 * again. Commands of one tick travel together. It never emits an unhandled error: an outage is logged once.
 *
 * ioredis 6, against 5: RESP3 by default (replies keep their old shapes, subscribed connections may send any command),
 * TCP keep-alive after 30 s, exponential reconnects. `autoResubscribe` is off because its promise is nobody's: a
 * failure would be an unhandled rejection; the live subscriber subscribes by itself.
 */
export function connectRedis(url: string, options: RedisConnectionOptions): Redis {
  const redis = new Redis(url, {
    connectionName: `ironsys-${options.name}`,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: options.commandTimeoutMs ?? 300,
    socketTimeout: SILENT_SOCKET_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableAutoPipelining: true,
    retryStrategy: (attempt) =>
      Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(attempt - 1, 10), RECONNECT_MAX_MS) *
      (0.8 + 0.4 * Math.random()),
    scripts: {
      getSnapshot: { lua: getSnapshotLua, numberOfKeys: 1 },
      putSnapshot: { lua: putSnapshotLua, numberOfKeys: 1 },
    },
  })
  logOutages(redis, options)
  return redis
}

/** True as soon as the connection is usable, false when it is not within `timeoutMs`. */
export async function redisReady(redis: Redis, timeoutMs: number): Promise<boolean> {
  if (redis.status === 'ready') return true
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const onReady = () => resolve(true)
  redis.once('ready', onReady)
  const timer = setTimeout(() => resolve(false), timeoutMs)
  const ready = await promise
  clearTimeout(timer)
  redis.off('ready', onReady)
  return ready
}

function logOutages(redis: Redis, { name, logger }: RedisConnectionOptions): void {
  let down = false
  let reason: Error | null = null
  redis.on('error', (error: Error) => {
    reason = error
  })
  // Comes with every loss, also with those that are no error: a server that closes in good order.
  redis.on('reconnecting', () => {
    if (!down) {
      logger.warn(
        { connection: name, err: reason },
        'Redis connection lost; going on without it and reconnecting',
      )
    }
    down = true
  })
  redis.on('ready', () => {
    if (down) logger.info({ connection: name }, 'Redis connection is back')
    down = false
    reason = null
  })
}
