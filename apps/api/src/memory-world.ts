/** For tests: everything the edge stands on, in memory, with the real decider as its worker. */
import { commandTopics } from '@ironsys/contracts'
import type { PartitionId } from '@ironsys/engine'
import { slotDocument } from '@ironsys/reservations'
import { createLogger, createMetrics, type LoggerOptions, type Tracing } from '@ironsys/telemetry'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { createArrivals } from './arrivals.ts'
import { createCursorCipher } from './cursor.ts'
import type { ApiDeps, DependencyName, DependencyState } from './deps.ts'
import { undocumentedIn } from './documented.fixture.ts'
import { createIdentity } from './identity.ts'
import { createMemoryCache, type MemoryCache } from './memory-cache.ts'
import type { MemoryRecord } from './memory-domain.ts'
import { createMemoryStore, type MemoryStore, memoryReads } from './memory-store.ts'
import { problemContentType } from './problem.ts'
import { createProgressView } from './progress.ts'
import { problemsOf, routeList } from './routes.ts'
import { createSlotStreams } from './slot-streams.ts'
import type { StreamHubOptions } from './stream-hub.ts'
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
  /** The worker decides as soon as a command is appended. */
  eager: boolean
  /** How often the store was asked. */
  reads: number
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
const START_MS = Date.parse('2026-03-01T12:00:00.000Z')

export interface MemoryOptions {
  readonly clusterId?: string
  readonly log?: Partial<LoggerOptions>
  readonly tracing?: Tracing
  readonly streams?: Partial<StreamHubOptions>
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
  const app = buildApp(deps, { partitions: PARTITIONS, instanceId: 'test', slowRequestMs: 1000, logOneOf: 0 })
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
    if (is404) return
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
    eager: false,
    reads: 0,
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
  const { closing, health } = controls
  const reads = memoryReads(store, async (read) => {
    controls.reads++
    if (controls.outage !== null) throw controls.outage
    return read()
  })
  return {
    log: createLog(controls, decideAll),
    slots: cache,
    slotStreams: createSlotStreams(cache, metrics, { streams: 8, streamsPerCaller: 4, ...options.streams }),
    arrivals,
    reads,
    progress: createProgressView({
      topics: commandTopics,
      partitions: PARTITIONS,
      read: reads.progress,
      nowMs,
    }),
    waiting: createWaiting('test', () => undefined),
    cursors: createCursorCipher(
      options.cursorKeys ?? [{ kid: 'a', key: Buffer.alloc(32, 1) }],
      options.clusterId ?? 'cluster-1',
    ),
    identity: createIdentity(ID_KEY),
    health: { dependencies: () => health.states, draining: () => health.draining },
    closing: closing.signal,
    metrics,
    logger: createLogger({ name: 'api', level: 'silent', ...options.log }),
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
