/**
 * A realistic mix on the real pipeline: GETs and reservations of many slots, by Zipf's law. Says how many reads memory
 * answers, and what reads ask of Redis and of the database.
 */
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connectRedis, redisReady } from '@ironsys/cache'
import { folders } from '@ironsys/local'
import { Client } from 'pg'
import type { BenchConfig } from '../config.ts'
import { readCounters } from '../counters.ts'
import { LoadTestFault } from '../faults.ts'
import { createHttpClient } from '../http-client.ts'
import { cpuOf, differences } from './processes.ts'
import { READ_CONNECTIONS } from './read-run.ts'
import type { BenchStack } from './stack.ts'
import { runWrk } from './wrk.ts'

export interface MixRun {
  /** Of the requests, percent. */
  readonly writesPercent: number
  readonly seconds: number
  readonly reads: number
  readonly accepted: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
  /** Reads by the tier that answered them, as the API counts them. */
  readonly tiers: Readonly<Record<string, number>>
  /** Redis's count of commands by name, those within scripts too, less what it does anyway. */
  readonly redisCommands: Readonly<Record<string, number>>
  /** Transactions of the database, the worker's too, less what it does anyway. */
  readonly transactions: number
  /** Seconds of CPU by process. */
  readonly cpuSeconds: Readonly<Record<string, number | null>>
}

/** First reads alone, then with 5 % reservations among them. */
export const WRITES_PERCENT = [0, 5] as const

const IDLE_MS = 3000
const SLOT_UNITS = 1_000_000
const SLOTS_AT_ONCE = 64
const silent = { info() {}, warn() {} }

export async function runMixes(
  stack: BenchStack,
  config: BenchConfig,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<readonly MixRun[]> {
  say(`the mix: making ${config.slots} slots`)
  const file = join(folders.state, 'bench', 'slots.txt')
  writeFileSync(file, `${(await createSlots(stack.real.apiUrl, config.slots)).join('\n')}\n`)
  const counts = await openCounts(stack)
  try {
    const idle = await counts.during(() => delay(IDLE_MS))
    const runs: MixRun[] = []
    for (const writesPercent of WRITES_PERCENT) {
      const send = (seconds: number) =>
        runWrk({
          url: stack.real.apiUrl,
          script: 'mix',
          args: [file, `m${randomUUID().slice(0, 8)}`, String(writesPercent)],
          seconds,
          connections: READ_CONNECTIONS,
          threads: config.threads,
          signal,
        })
      say(`  ${writesPercent} % reservations: ${config.warmup} s of warm-up, ${config.mix} s measured`)
      await send(config.warmup)
      const cpuBefore = cpuOf(stack, stack.real)
      const { result: wrk, seconds, ...counted } = await counts.during(() => send(config.mix))
      const cpuSeconds = { wrk: wrk.cpuSeconds, ...differences(cpuBefore, cpuOf(stack, stack.real)) }
      const less = (name: keyof Counts) => subtract(counted[name], idle[name], seconds / idle.seconds)
      runs.push({
        writesPercent,
        seconds,
        reads: counted.api['GET 200'] ?? 0,
        accepted: counted.api['POST 202'] ?? 0,
        perSecond: (wrk.requests - wrk.status_errors) / (wrk.duration_us / 1e6),
        p50Ms: wrk.p50_us / 1000,
        p99Ms: wrk.p99_us / 1000,
        errors: wrk.status_errors + wrk.socket_errors + wrk.timeouts,
        tiers: counted.tiers,
        redisCommands: less('redis'),
        transactions: less('database').transactions ?? 0,
        cpuSeconds,
      })
    }
    return runs
  } finally {
    await counts.close()
  }
}

type Numbers = Readonly<Record<string, number>>

interface Counts {
  readonly api: Numbers
  readonly tiers: Numbers
  readonly redis: Numbers
  readonly database: Numbers
}

/** What the API, Redis and Postgres counted while something ran. */
async function openCounts({ real, redisUrl, databaseUrl }: BenchStack) {
  const redis = connectRedis(redisUrl, { name: 'bench', logger: silent, commandTimeoutMs: 5000 })
  if (!(await redisReady(redis, 5000))) throw new LoadTestFault('Redis does not answer')
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  const now = async (): Promise<Counts> => {
    const exposition = await (await fetch(real.apiMetricsUrl ?? '')).text()
    // Sessions tell of their transactions once a second, and when they are idle for longer.
    await client.query('SELECT pg_stat_clear_snapshot()')
    const { rows } = await client.query<{ count: string }>(
      'SELECT xact_commit + xact_rollback AS count FROM pg_stat_database WHERE datname = current_database()',
    )
    const requests = readCounters(exposition, 'ironsys_http_requests_total')
    return {
      api: Object.fromEntries(
        requests
          .filter(({ labels }) => ['/slots/:id', '/reservations'].includes(labels.route ?? ''))
          .map(({ labels, value }) => [`${labels.method} ${labels.status}`, value]),
      ),
      tiers: Object.fromEntries(
        readCounters(exposition, 'ironsys_cache_reads_total').map(({ labels, value }) => [
          labels.tier ?? '',
          value,
        ]),
      ),
      redis: commandCounts(await redis.info('commandstats')),
      database: { transactions: Number(rows[0]?.count) },
    }
  }
  return {
    async during<T>(work: () => Promise<T>) {
      const before = await now()
      const startedMs = performance.now()
      const result = await work()
      const seconds = (performance.now() - startedMs) / 1000
      const after = await now()
      const grown = (name: keyof Counts) => subtract(after[name], before[name], 1)
      return {
        result,
        seconds,
        api: grown('api'),
        tiers: grown('tiers'),
        redis: grown('redis'),
        database: grown('database'),
      }
    },
    async close() {
      redis.disconnect()
      await client.end()
    },
  }
}

/** `cmdstat_get:calls=21,usec=…` and so on. */
function commandCounts(info: string): Numbers {
  const lines = info.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)
  return Object.fromEntries([...lines].map(([, name = '', calls]) => [name, Number(calls)]))
}

function subtract(from: Numbers, what: Numbers, times: number): Numbers {
  return Object.fromEntries(
    Object.entries(from).map(([name, value]) => [name, value - Math.round((what[name] ?? 0) * times)]),
  )
}

/** Resolves when all of them can be read. */
async function createSlots(apiUrl: string, count: number): Promise<readonly string[]> {
  const client = createHttpClient(apiUrl, SLOTS_AT_ONCE)
  const ids: string[] = []
  const startMs = Date.now() + 86_400_000
  const body = {
    name: 'bench, mix',
    start_time: new Date(startMs).toISOString(),
    end_time: new Date(startMs + 3_600_000).toISOString(),
    capacity: SLOT_UNITS,
  }
  let left = count
  const create = async () => {
    while (left-- > 0) {
      const answer = await client.send({
        method: 'POST',
        path: '/slots',
        headers: { prefer: 'wait=20' },
        body,
      })
      const id = answer.status === 201 ? idOf(answer.body) : null
      if (id === null)
        throw new LoadTestFault(`POST /slots answered ${answer.status}: ${JSON.stringify(answer.body)}`)
      ids.push(id)
    }
  }
  try {
    await Promise.all(Array.from({ length: SLOTS_AT_ONCE }, create))
    return ids
  } finally {
    client.close()
  }
}

function idOf(body: unknown): string | null {
  const id = typeof body === 'object' && body !== null && 'id' in body ? body.id : null
  return typeof id === 'string' ? id : null
}
