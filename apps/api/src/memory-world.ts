/** For tests: everything the edge stands on, in memory, with the real decider as its worker. */
import type { Authenticator } from '@ironsys/access'
import { commandTopics } from '@ironsys/contracts'
import type { PartitionId } from '@ironsys/engine'
import { createMemoryTokens, createRateLimiter, type TokenSource } from '@ironsys/rate-limiter'
import { slotDocument } from '@ironsys/reservations'
import {
  createLogger,
  createMetrics,
  type Logger,
  type LoggerOptions,
  type Tracing,
} from '@ironsys/telemetry'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { createArrivals } from './arrivals.ts'
import { createAddressOf } from './client-address.ts'
import { createCursorCipher } from './cursor.ts'
import type { ApiDeps, DependencyName, DependencyState } from './deps.ts'
import { undocumentedIn } from './documented.fixture.ts'
import { createIdentity } from './identity.ts'
import type { ApiLimits } from './limit-config.ts'
import { createMemoryCache, type MemoryCache } from './memory-cache.ts'
import type { MemoryRecord } from './memory-domain.ts'
import { createMemoryStore, type MemoryStore, memoryReads } from './memory-store.ts'
import { limiterObserver } from './metric-observers.ts'
import { problemContentType } from './problem.ts'
import { createProgressView } from './progress.ts'
import { createReplayRecords, noReplayRecords, type ReplayRedis } from './replay-records.ts'
import { createReplays } from './replays.ts'
import { problemsOf, routeList } from './routes.ts'
import { createShedder, type LoadSignals, type Shedder, shedDefaults } from './shedder.ts'
import { createSlotStreams } from './slot-streams.ts'
import type { StreamHubOptions } from './stream-hub.ts'
import { createWaitPlaces } from './wait-places.ts'
import { createWaiting } from './waiting.ts'

/** What a test may turn. */
interface Controls {
  readonly records: MemoryRecord[]
  /** By how much the log's clock is ahead of one millisecond per record. */
  skippedMs: number
  readonly closing: AbortController
  readonly health: { states: Record<DependencyName, DependencyState>; draining: boolean }
  /** What the next appends throw; after the append has happened when `afterwards`. */
  fault: { readonly error: Error; readonly afterwards: boolean } | null
  /** What reads of the store throw. */
  outage: Error | null
  /** What the shedder looks at. */
  load: LoadSignals
  /** The worker decides as soon as a command is appended. */
  eager: boolean
  /** How often the store was asked. */
  reads: number
  /** The setting of that name. */
  staleWhileRevalidateMs: number
  /** What was answered that neither the route's table nor OpenAPI says: the app's close fails when there is anything. */
  readonly undocumented: Set<string>
}

export interface MemoryWorld extends Controls {
  readonly app: FastifyInstance
  readonly deps: ApiDeps
  readonly cache: MemoryCache
  /** Whether Redis carries replies, progress and snapshots. */
  setLive(live: boolean): void
  /** The worker decides what was appended and what follows from it, at most `limit` records. */
  decideAll(limit?: number): void
  /** The worker finds the command unreadable. */
  bury(commandId: string): void
}

export const PARTITIONS = 4
export const ID_KEY = Buffer.alloc(32, 7)
const unlimited: ApiLimits = { ip: null, user: null, reading: null, writing: null, finishing: null }
const START_MS = Date.parse('2026-03-01T12:00:00.000Z')

export interface MemoryOptions {
  readonly clusterId?: string
  readonly log?: Partial<LoggerOptions>
  readonly tracing?: Tracing
  readonly streams?: Partial<StreamHubOptions>
  /** Absent: nobody is asked who they are. */
  readonly authenticator?: Authenticator
  readonly corsOrigins?: readonly string[]
  readonly waitsPerCaller?: number
  readonly auditLog?: Logger
  /** Limits that there are; by default none. */
  readonly limits?: Partial<ApiLimits>
  readonly tokens?: TokenSource
  readonly trustedProxies?: readonly string[]
  readonly shedder?: Shedder
  /** Absent: nothing is remembered of keyed requests. */
  readonly records?: ReplayRedis
  readonly cursorKeys?: readonly [
    { readonly kid: string; readonly key: Buffer },
    ...{ readonly kid: string; readonly key: Buffer }[],
  ]
}

export function createMemoryWorld(options: MemoryOptions = {}): MemoryWorld {
  const store = createMemoryStore(PARTITIONS)
  const cache = createMemoryCache(store)
  const arrivals = createArrivals()
  const controls = createControls()
  const deps = createDeps(controls, store, cache, arrivals, options, () => world.decideAll())
  const app = buildApp(deps, {
    partitions: PARTITIONS,
    instanceId: 'test',
    slowRequestMs: () => 1000,
    logOneOf: () => 0,
    staleWhileRevalidateMs: () => controls.staleWhileRevalidateMs,
    corsOrigins: new Set(options.corsOrigins),
  })
  watchAnswers(app, controls.undocumented)
  const { progress, waiting } = deps
  let live = false
  const world: MemoryWorld = Object.assign(controls, {
    app,
    deps,
    cache,
    setLive(now: boolean) {
      live = now
      progress.setLive(now)
      waiting.setLive(now)
    },
    decideAll(limit = Number.POSITIVE_INFINITY) {
      let decided = 0
      // What follows from a decision is in the log before the next one is looked at.
      for (const record of controls.records) {
        if (store.isDecided(record)) continue
        if (decided++ === limit) return
        const { slots, replies, commands } = store.decide(record)
        for (const { topic, partition, key, value } of commands)
          append(controls, { topic, partition }, key, value)
        if (!live) continue
        for (const slot of slots) {
          cache.apply([{ key: slot.id, epoch: 1, version: slot.version, document: slotDocument(slot) }])
          arrivals.announced([slot.id])
        }
        progress.apply({ ...record, nextOffset: record.offset + 1, perSecond: 500 })
        for (const { to, outcome } of replies) waiting.deliver(to, outcome)
      }
    },
    bury: (commandId: string) => void store.buried.add(commandId),
  })
  world.setLive(true)
  return world
}

function watchAnswers(app: FastifyInstance, undocumented: Set<string>): void {
  app.addHook('onSend', async ({ is404, method: asked, routeOptions }, reply, payload) => {
    const { url = '' } = routeOptions
    // Of methods that a path does not have, OpenAPI says nothing; with 405 the route is that of another path.
    if (is404 || reply.statusCode === 405) return
    const note = (what: string) => undocumented.add(`${asked} ${url}: ${what}`)
    const headers = reply.getHeaders()
    undocumentedIn({ method: asked, url, status: reply.statusCode, headers }).forEach(note)
    const method = asked === 'HEAD' ? 'GET' : asked
    const route = routeList.find((each) => each.url === url && each.method === method)
    const isProblem = headers['content-type'] === problemContentType
    if (route === undefined || !isProblem || typeof payload !== 'string') return
    const { code } = JSON.parse(payload)
    if (!problemsOf(route).includes(code)) note(code)
  })
  app.addHook('onClose', async () => {
    if (undocumented.size > 0) throw new Error(`undocumented answers: ${[...undocumented].join(', ')}`)
  })
}

function createControls(): Controls {
  return {
    records: [],
    skippedMs: 0,
    closing: new AbortController(),
    health: { states: { postgres: 'up', redis: 'up', kafka: 'up' }, draining: false },
    fault: null,
    outage: null,
    load: { queueMessages: 0, loopDelayMs: 0, lagMs: 0 },
    eager: false,
    reads: 0,
    staleWhileRevalidateMs: 60_000,
    undocumented: new Set(),
  }
}

function createDeps(
  controls: Controls,
  store: MemoryStore,
  cache: MemoryCache,
  arrivals: ApiDeps['arrivals'],
  options: MemoryOptions,
  decideAll: () => void,
): ApiDeps {
  const nowMs = () => Date.now()
  const metrics = createMetrics('api')
  const logger = createLogger({ name: 'api', level: 'silent', ...options.log })
  const identity = createIdentity(ID_KEY)
  const cursors = createCursorCipher(
    options.cursorKeys ?? [{ kid: 'a', key: Buffer.alloc(32, 1) }],
    options.clusterId ?? 'cluster-1',
  )
  const records =
    options.records === undefined
      ? noReplayRecords
      : createReplayRecords({ redis: options.records, nowMs, observe: () => undefined }, { ttlMs: 1000 })
  const { closing, health } = controls
  const reads = memoryReads(store, async (read) => {
    controls.reads++
    if (controls.outage !== null) throw controls.outage
    return read()
  })
  const progress = createProgressView({
    topics: commandTopics,
    partitions: PARTITIONS,
    read: reads.progress,
    nowMs,
  })
  return {
    log: createLog(controls, decideAll),
    slots: cache,
    slotStreams: createSlotStreams(cache, metrics, { streams: 8, streamsPerCaller: 4, ...options.streams }),
    arrivals,
    reads,
    progress,
    waiting: createWaiting('test', () => undefined),
    waitPlaces: createWaitPlaces(options.waitsPerCaller ?? 0),
    authenticator: options.authenticator ?? null,
    auditLog: options.auditLog ?? createLogger({ name: 'admin-audit', level: 'silent' }),
    cursors,
    identity,
    replays: createReplays({ records, identity, cursors, progress, nowMs }),
    shedder: options.shedder ?? createShedder({ signals: () => controls.load, nowMs }, shedDefaults),
    limiter: createRateLimiter(
      {
        source: options.tokens ?? createMemoryTokens(nowMs),
        nowMs,
        observer: limiterObserver(metrics, logger),
      },
      { limits: { ...unlimited, ...options.limits }, localShare: 1, entriesMax: 1000 },
    ),
    addressOf: createAddressOf(options.trustedProxies ?? []),
    health: { dependencies: () => health.states, draining: () => health.draining },
    closing: closing.signal,
    metrics,
    logger,
    tracing: options.tracing ?? null,
    nowMs,
  }
}

function createLog(controls: Controls, decideAll: () => void): ApiDeps['log'] {
  return {
    async append(id: PartitionId, key: string, value: string) {
      const { fault } = controls
      if (fault !== null && !fault.afterwards) throw fault.error
      const appended = append(controls, id, key, value)
      if (fault !== null) throw fault.error
      if (controls.eager) decideAll()
      return appended
    },
  }
}

function append({ records, skippedMs }: Controls, id: PartitionId, key: string, value: string) {
  const { topic, partition } = id
  const offset = records.filter((record) => record.topic === topic && record.partition === partition).length
  const timeMs = START_MS + skippedMs + records.length
  records.push({ topic, partition, offset, timeMs, key, value })
  return { offset, timeMs }
}
