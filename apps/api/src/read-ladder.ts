/**
 * A program for `make bench`: the public server as far as one rung of the ladder, over what is in memory. Each rung is the
 * code that serves, with one more part of it that does something; the parts above it take their calls and do nothing.
 *
 * Arguments: the rung, a port, a file with the answer's JSON, and the base URL of a collector of spans.
 */
import { readFileSync } from 'node:fs'
import {
  createSnapshotCache,
  type SnapshotCache,
  type SnapshotRedis,
  snapshotCacheDefaults,
} from '@ironsys/cache'
import { type SlotDocument, slotDocumentSchema, slotSnapshotSchema } from '@ironsys/contracts'
import { createMemoryTokens, createRateLimiter } from '@ironsys/rate-limiter'
import { createLogger, createTracing } from '@ironsys/telemetry'
import { buildApp } from './app.ts'
import { createMemoryWorld } from './memory-world.ts'
import { cacheObserver, limiterObserver, spanObserver } from './metric-observers.ts'
import { steadyNowMs } from './times.ts'

/** In this order: each has what the ones before it have. */
const rungs = ['route', 'cache', 'metrics', 'logs', 'tracing', 'limits'] as const
const INSTANCE = 'abcdef123456'
const SLOW_MS = 1000

const [rung = '', port = '', file = '', endpoint = ''] = process.argv.slice(2)
const height = rungs.map(String).indexOf(rung)
if (height === -1) throw new Error(`the rung is none of ${rungs.join(', ')}`)
const has = (part: (typeof rungs)[number]) => rungs.indexOf(part) <= height

const { deps } = createMemoryWorld()
const metrics = has('metrics') ? deps.metrics : uncounted(deps.metrics)
const logger = createLogger({ name: 'api', level: has('logs') ? 'info' : 'silent' })
const document = readDocument(file)
const slots = has('cache') ? realCache() : constantCache()
const tracing = has('tracing')
  ? createTracing(
      { logger, observe: spanObserver(metrics), nowMs: () => Date.now(), random: Math.random },
      { service: 'ironsys-api', instanceId: INSTANCE, endpoint, ratio: () => 0.01 },
    )
  : null
const app = buildApp(
  { ...deps, metrics, logger, slots, tracing, limiter: has('limits') ? realLimits() : deps.limiter },
  {
    partitions: 4,
    instanceId: INSTANCE,
    slowRequestMs: () => SLOW_MS,
    logOneOf: () => (has('logs') ? 1000 : 0),
    staleWhileRevalidateMs: () => snapshotCacheDefaults.staleWhileRevalidateMs,
    corsOrigins: new Set(),
  },
)
await app.listen({ host: '127.0.0.1', port: Number(port) })
process.once('SIGTERM', () => void app.close().then(() => tracing?.close()))

function readDocument(path: string): SlotDocument {
  const { from_cache, stale, ...slot } = slotSnapshotSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  return slotDocumentSchema.parse(slot)
}

/** The same answer every time. */
function constantCache(): SnapshotCache<SlotDocument> {
  const { version } = document
  const hit = { document, epoch: 1, version, body: bodyOf(document), ageMs: 0, fromCache: true, stale: false }
  return { ...deps.slots, getNow: () => hit }
}

/** With everything but its servers: a refresh finds nothing in Redis and the document in the store. */
function realCache(): SnapshotCache<SlotDocument> {
  const empty: SnapshotRedis = {
    get: async () => null,
    set: async () => 'OK',
    getSnapshot: async () => null,
    putSnapshot: async () => 1,
    removeSnapshot: async () => 0,
    lock: async () => 1,
    unlock: async () => 1,
    publish: async () => 0,
  }
  const cache = createSnapshotCache<SlotDocument>({
    redis: empty,
    redisKey: (key) => key,
    load: async () => ({ epoch: 1, version: document.version, document }),
    parse: () => null,
    toBody: bodyOf,
    nowMs: () => Date.now(),
    observe: cacheObserver(metrics),
  })
  cache.setLive(true)
  return cache
}

/** By address and by endpoint, as in production but for how high they are: nothing is refused. Instead of Redis, memory. */
function realLimits(): typeof deps.limiter {
  const unreached = { ratePerSecond: 10_000_000, burst: 10_000_000 }
  return createRateLimiter(
    {
      source: createMemoryTokens(steadyNowMs),
      nowMs: steadyNowMs,
      observer: limiterObserver(metrics, logger),
    },
    {
      limits: { ip: unreached, user: null, reading: unreached, writing: null, finishing: null },
      localShare: 1,
      entriesMax: 100_000,
    },
  )
}

function bodyOf(slot: SlotDocument): string {
  return JSON.stringify({ ...slot, from_cache: true, stale: false })
}

/** The reads' cells are there and count nothing. */
function uncounted(real: typeof deps.metrics): typeof deps.metrics {
  const cell = { inc() {}, observe() {}, observeMany() {} }
  const family = { with: () => cell, remove() {} }
  return { ...real, httpRequests: family, httpSeconds: family, cacheReads: family }
}
