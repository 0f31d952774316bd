/** One way to connect to Redis, with every wait bounded: Redis holds copies, so nobody may hang on it. */
import { Cluster, type ClusterOptions, Redis, type RedisOptions, type Result } from 'ioredis'
import {
  getSnapshotLua,
  lockLua,
  putSnapshotLua,
  removeSnapshotLua,
  type SnapshotRedis,
  unlockLua,
} from './stored-snapshot.ts'

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
    /** Key, epoch, version: 1 when one was removed, 0 when there is none or a newer one. */
    removeSnapshot(key: string, epoch: number, version: number): Result<number, Context>
    /** Key, token, milliseconds: 1 when it was free. */
    lock(key: string, token: string, ttlMs: number): Result<number, Context>
    /** Key, token: 1 when it was still held with this token. */
    unlock(key: string, token: string): Result<number, Context>
  }
}

/** The part of a logger that is needed here; pino's is one. */
export interface ConnectionLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** Where Redis is: one server, or a cluster that some of its nodes are named of. */
export interface RedisAddress {
  readonly urls: readonly [string, ...string[]]
  readonly cluster: boolean
  /** PEM: whom to trust instead of whom Node trusts, where the URLs are `rediss://`. */
  readonly ca?: string
}

/** What processes need of a connection, to one server or to a cluster. */
export interface RedisConnection extends SnapshotRedis {
  readonly status: string
  ping(): Promise<unknown>
  disconnect(): void
  once(event: 'ready', listener: () => void): unknown
  off(event: 'ready', listener: () => void): unknown
}

export interface RedisConnectionOptions {
  /** Shown by `CLIENT LIST` and in logs: `api`, `api-live`, `worker`. */
  readonly name: string
  readonly logger: ConnectionLogger
  /** After this a command fails, default 300 ms. The connection's own handshake is held to it too. */
  readonly commandTimeoutMs?: number
  /** Of the caller's own, beside those of snapshots; he tells ioredis' `RedisCommander` of them. */
  readonly scripts?: Readonly<Record<string, { readonly lua: string; readonly numberOfKeys: number }>>
}

/** Each of one key: in a cluster a script runs at one node. */
const scripts = {
  getSnapshot: { lua: getSnapshotLua, numberOfKeys: 1 },
  putSnapshot: { lua: putSnapshotLua, numberOfKeys: 1 },
  removeSnapshot: { lua: removeSnapshotLua, numberOfKeys: 1 },
  lock: { lua: lockLua, numberOfKeys: 1 },
  unlock: { lua: unlockLua, numberOfKeys: 1 },
}

const DEFAULT_PORT = 6379
const CONNECT_TIMEOUT_MS = 2000
/** A socket that owes an answer for this long is taken for dead and replaced. */
const SILENT_SOCKET_MS = 3000
const RECONNECT_FIRST_MS = 50
const RECONNECT_MAX_MS = 2000
/** A cluster's command is sent to another node after MOVED or ASK so many times. */
const REDIRECTIONS_MAX = 3
/** How often a cluster is asked who has which keys, besides whenever a node answers MOVED. */
const SLOTS_REFRESH_MS = 5000

/** Whether it is `redis://host:port` or `rediss://…`, or several of them, separated by commas. */
export function isRedisUrlList(urls: string): boolean {
  return urls
    .split(',')
    .every((url) => URL.canParse(url) && ['redis:', 'rediss:'].includes(new URL(url).protocol))
}

/** The address in a configured list; of what is no cluster only the first counts. `ca`: see {@link RedisAddress}. */
export function redisAddress(urls: string, cluster: boolean, ca: string | null = null): RedisAddress {
  const [first = urls, ...others] = urls.split(',')
  return { urls: [first, ...(cluster ? others : [])], cluster, ...(ca !== null && { ca }) }
}

/**
 * Connects in the background and goes on trying, at most every two seconds, until `disconnect()`. Commands given
 * while there is no connection fail at once; commands on a connection that breaks fail at once and are never sent
 * again. Commands of one tick travel together. It never emits an unhandled error: an outage is logged once.
 *
 * ioredis 6, against 5: RESP3 by default (replies keep their old shapes, subscribed connections may send any command),
 * TCP keep-alive after 30 s, exponential reconnects. `autoResubscribe` is off because its promise is nobody's: a
 * failure would be an unhandled rejection; the live subscriber subscribes by itself.
 */
export function connectRedis(url: string, options: RedisConnectionOptions, ca: string | null = null): Redis {
  const isSecure = new URL(url).protocol === 'rediss:'
  const tls = isSecure ? { tls: trusting(ca) } : {}
  const redis = new Redis(url, { ...serverOptions(options), ...tls, retryStrategy })
  logOutages(redis, options)
  return redis
}

/** For commands. Like {@link connectRedis}, to one server or to a cluster. */
export function connectRedisAt(address: RedisAddress, options: RedisConnectionOptions): Redis | Cluster {
  return address.cluster
    ? connectCluster(address, options)
    : connectRedis(address.urls[0], options, address.ca)
}

/**
 * For subscriptions: to one server, in a cluster to one of the nodes named, which hears what is published at any of them.
 * Each time it is lost the next node is tried. (The cluster client's own subscriber changes nodes without telling, and
 * what was published meanwhile would be missed unnoticed.)
 */
export function connectSubscription({ urls, ca }: RedisAddress, options: RedisConnectionOptions): Redis {
  const redis = connectRedis(urls[0], options, ca)
  let attempts = 0
  redis.on('reconnecting', () => {
    attempts++
    const { hostname, port } = new URL(urls[attempts % urls.length] ?? urls[0])
    // Read anew at each attempt.
    Object.assign(redis.options, { host: hostname, port: portOf(port) })
  })
  return redis
}

/** True as soon as the connection is usable, false when it is not within `timeoutMs`. */
export async function redisReady(
  redis: Pick<RedisConnection, 'status' | 'once' | 'off'>,
  timeoutMs: number,
): Promise<boolean> {
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

/** Needs one of the nodes named to begin with; the others, and those that come later, it finds by itself. */
function connectCluster({ urls, ca }: RedisAddress, options: RedisConnectionOptions): Cluster {
  const { username, password, protocol } = new URL(urls[0])
  const isSecure = protocol === 'rediss:'
  const settings = {
    redisOptions: {
      ...serverOptions(options),
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
      ...(isSecure && { tls: trusting(ca) }),
    },
    scripts: { ...scripts, ...options.scripts },
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    clusterRetryStrategy: retryStrategy,
    maxRedirections: REDIRECTIONS_MAX,
    // Fail at once, as with one server: who asks has the store, and the next command may find another node.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    // Certificates are for names.
    ...(isSecure && { dnsLookup: (name, found) => found(null, name) }),
  } satisfies ClusterOptions
  const nodes = urls.map((url) => {
    const { hostname, port } = new URL(url)
    return { host: hostname, port: portOf(port) }
  })
  const cluster = new Cluster(nodes, settings)
  logOutages(cluster, options)
  return cluster
}

function trusting(ca: string | null | undefined): { readonly ca?: string } {
  return ca ? { ca } : {}
}

function serverOptions(options: RedisConnectionOptions) {
  return {
    connectionName: `ironsys-${options.name}`,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: options.commandTimeoutMs ?? 300,
    socketTimeout: SILENT_SOCKET_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableAutoPipelining: true,
    scripts: { ...scripts, ...options.scripts },
  } satisfies RedisOptions
}

function retryStrategy(attempt: number): number {
  const delayMs = Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(attempt - 1, 10), RECONNECT_MAX_MS)
  return delayMs * (0.8 + 0.4 * Math.random())
}

function portOf(port: string): number {
  return port === '' ? DEFAULT_PORT : Number(port)
}

function logOutages(redis: Redis | Cluster, { name, logger }: RedisConnectionOptions): void {
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
