/** For tests: everything the edge stands on, in memory, with the real decider as its worker. */
import type { PartitionId } from '@ironsys/engine'
import { slotDocument } from '@ironsys/reservations'
import { createLogger, createMetrics } from '@ironsys/telemetry'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { createArrivals } from './arrivals.ts'
import { createCursorCipher } from './cursor.ts'
import type { ApiDeps, DependencyName, DependencyState } from './deps.ts'
import { createIdentity } from './identity.ts'
import { createMemoryCache, type MemoryCache } from './memory-cache.ts'
import { createMemoryStore, type MemoryRecord, type MemoryStore, memoryReads } from './memory-store.ts'
import { createProgressView } from './progress.ts'
import { createWaiting } from './waiting.ts'

/** What a test may turn. */
interface Controls {
  readonly records: MemoryRecord[]
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
}

export interface MemoryWorld extends Controls {
  readonly app: FastifyInstance
  readonly deps: ApiDeps
  readonly cache: MemoryCache
  /** Whether Redis carries replies, progress and snapshots. */
  setLive(live: boolean): void
  /** The worker decides all that was appended. */
  decideAll(): void
  /** The worker finds the command unreadable. */
  bury(commandId: string): void
}

export const PARTITIONS = 4
export const ID_KEY = Buffer.alloc(32, 7)
const START_MS = Date.parse('2026-03-01T12:00:00.000Z')

export interface MemoryOptions {
  readonly clusterId?: string
  readonly cursorKeys?: readonly [
    { readonly kid: string; readonly key: Buffer },
    ...{ readonly kid: string; readonly key: Buffer }[],
  ]
}

export function createMemoryWorld(options: MemoryOptions = {}): MemoryWorld {
  const store = createMemoryStore()
  const cache = createMemoryCache(store)
  const arrivals = createArrivals()
  const controls = createControls()
  const deps = createDeps(controls, store, cache, arrivals, options, () => world.decideAll())
  const app = buildApp(deps, { partitions: PARTITIONS, instanceId: 'test', slowRequestMs: 1000, logOneOf: 0 })
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
    decideAll() {
      for (const { slot, record, replyTo, outcome } of store.decideAll(controls.records)) {
        if (!live) continue
        if (slot !== null) {
          cache.apply([{ key: slot.id, epoch: 1, version: slot.version, document: slotDocument(slot) }])
          arrivals.announced([slot.id])
        }
        const { partition, offset } = record
        progress.apply({ topic: 'reservations.commands', partition, nextOffset: offset + 1, perSecond: 500 })
        if (replyTo !== undefined) waiting.deliver(replyTo, outcome)
      }
    },
    bury: (commandId: string) => void store.buried.add(commandId),
  })
  world.setLive(true)
  return world
}

function createControls(): Controls {
  return {
    records: [],
    closing: new AbortController(),
    health: { states: { postgres: 'up', redis: 'up', kafka: 'up' }, draining: false },
    fault: null,
    outage: null,
    eager: false,
    reads: 0,
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
  const { closing, health } = controls
  const reads = memoryReads(store, async (read) => {
    controls.reads++
    if (controls.outage !== null) throw controls.outage
    return read()
  })
  return {
    log: createLog(controls, decideAll),
    slots: cache,
    arrivals,
    reads,
    progress: createProgressView({ partitions: PARTITIONS, read: reads.progress, nowMs }),
    waiting: createWaiting('test', () => undefined),
    cursors: createCursorCipher(
      options.cursorKeys ?? [{ kid: 'a', key: Buffer.alloc(32, 1) }],
      options.clusterId ?? 'cluster-1',
    ),
    identity: createIdentity(ID_KEY),
    health: { dependencies: () => health.states, draining: () => health.draining },
    closing: closing.signal,
    metrics: createMetrics('api'),
    logger: createLogger({ name: 'api', level: 'silent' }),
    nowMs,
  }
}

function createLog(controls: Controls, decideAll: () => void): ApiDeps['log'] {
  const { records } = controls
  return {
    async append({ partition }: PartitionId, key: string, value: string) {
      const { fault } = controls
      if (fault !== null && !fault.afterwards) throw fault.error
      const offset = records.filter((record) => record.partition === partition).length
      const timeMs = START_MS + records.length
      records.push({ partition, offset, timeMs, key, value })
      if (fault !== null) throw fault.error
      if (controls.eager) decideAll()
      return { offset, timeMs }
    },
  }
}
