/** A cache on a Redis of its own, a store in memory and a clock that tests move; made anew for each test. */
import { type Breaker, createBreaker, defaultThresholds } from '@ironsys/circuit-breaker'
import { afterEach, beforeEach, expect } from 'vitest'
import {
  type CacheTier,
  createSnapshotCache,
  judgeRedis,
  type Snapshot,
  type SnapshotCache,
  type SnapshotRedis,
} from './index.ts'
import { type OwnRedis, startOwnRedis } from './own-redis.fixture.ts'

export interface Seat {
  readonly left: number
}

/** A store in memory that counts, fails and waits as told. */
export class Store {
  readonly rows = new Map<string, Snapshot<Seat>>()
  loads = 0
  down = false
  gate: Promise<void> = Promise.resolve()

  load = async (key: string): Promise<Snapshot<Seat> | null> => {
    this.loads++
    await this.gate
    if (this.down) throw new Error('the store is down')
    return this.rows.get(key) ?? null
  }

  put(key: string, version: number, left = 100 - version, epoch = 1): Snapshot<Seat> {
    const snapshot = { epoch, version, document: { left } }
    this.rows.set(key, snapshot)
    return snapshot
  }
}

export let server: OwnRedis
export let store: Store
export const clock = { ms: 0 }
export const tiers: CacheTier[] = []
let breaker: Breaker

export function setUpEachTest(): void {
  beforeEach(async () => {
    server = await startOwnRedis()
    store = new Store()
    clock.ms = 1_000_000
    tiers.length = 0
    breaker = createRedisBreaker()
  })
  afterEach(() => {
    breaker.close()
    return server.close()
  })
}

export async function makeCache(options = {}, commandTimeoutMs?: number): Promise<SnapshotCache<Seat>> {
  const redis = await server.connected(commandTimeoutMs)
  return createCacheOn(redis, store, () => clock.ms, options, breaker)
}

function createRedisBreaker(): Breaker {
  const silent = () => undefined
  const deps = { judge: judgeRedis, nowMs: () => performance.now(), changed: silent, refused: silent }
  return createBreaker(
    { dependency: 'redis', ...deps },
    { ...defaultThresholds, silentMs: 250, silentCalls: 1 },
  )
}

export function createCacheOn(
  redis: SnapshotRedis,
  { load }: Store,
  nowMs: () => number,
  options = {},
  redisBreaker?: Breaker,
): SnapshotCache<Seat> {
  return createSnapshotCache<Seat>({
    redis,
    ...(redisBreaker !== undefined && { redisBreaker }),
    redisKey,
    load,
    parse: readSeat,
    toBody,
    nowMs,
    observe: (tier) => void tiers.push(tier),
    options,
  })
}

export function readSeat(value: unknown): Seat | null {
  return typeof value === 'object' && value !== null && 'left' in value && typeof value.left === 'number'
    ? { left: value.left }
    : null
}

export function toBody(document: Seat): string {
  return JSON.stringify({ ...document, from_cache: true, stale: false })
}

export function redisKey(key: string): string {
  return `test:{${key}}`
}

/** What was written to Redis in the background is there. */
export async function stored(key: string): Promise<string | null> {
  const redis = await server.connected()
  await expect.poll(() => redis.get(redisKey(key))).not.toBeNull()
  return redis.get(redisKey(key))
}

/** Lets the clock of the tests run, and Redis's own for what is stored there under this key. */
export async function passTime(key: string, ms: number): Promise<void> {
  clock.ms += ms
  await stored(key)
  const redis = await server.connected()
  await redis.pexpire(redisKey(key), (await redis.pttl(redisKey(key))) - ms)
}
