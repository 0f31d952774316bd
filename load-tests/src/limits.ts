/**
 * `./ironsys bench --limits`: what it costs to ask a rate limit, microseconds, in this process and with no server: the
 * shared buckets are in memory. A missed target is exit code 1. Flags: --requests --rounds --addresses.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { addressKey, createMemoryTokens, createRateLimiter, type RateLimiter } from '@ironsys/rate-limiter'
import { caveatText, keepResults } from './bench/report.ts'
import { type LimitsConfig, readLimitsConfig } from './config.ts'
import { runMain } from './faults.ts'
import { quantile } from './quantiles.ts'
import { table } from './table.ts'
import { allReached, type Target, targetSummary, verdictOf } from './targets.ts'

type Name = 'ip' | 'user' | 'reading'

/** Requests between two looks at the shared buckets: as if each block came in one turn of the event loop. */
const BLOCK = 100
const AIM_US = 1
const UNREACHED = { ratePerSecond: 100_000_000, burst: 100_000_000 }
const REACHED = { ratePerSecond: 0.001, burst: 1 }

interface Scenario {
  readonly name: string
  readonly ip: typeof UNREACHED
  readonly addressOf: (request: number, addresses: readonly string[]) => string
  readonly isAway?: true
}

const scenarios: readonly Scenario[] = [
  { name: 'one IPv4 address', ip: UNREACHED, addressOf: () => '192.0.2.1' },
  { name: 'one IPv4 address, as IPv6 sockets say it', ip: UNREACHED, addressOf: () => '::ffff:192.0.2.1' },
  { name: 'one IPv6 address', ip: UNREACHED, addressOf: () => '2001:db8:12:34:56:78:9a:bc' },
  {
    name: 'many addresses in turns',
    ip: UNREACHED,
    addressOf: (request, addresses) => addresses[request % addresses.length] ?? '',
  },
  { name: 'one address, refused', ip: REACHED, addressOf: () => '192.0.2.1' },
  { name: 'one address, without Redis', ip: UNREACHED, addressOf: () => '192.0.2.1', isAway: true },
]

interface Measured {
  readonly scenario: string
  readonly microseconds: number
  /** Of a hundred requests, those that the shared buckets would have had to be asked for before the answer. */
  readonly askedPercent: number
  /** Batches of tokens, of a hundred requests. */
  readonly fetchesPercent: number
}

const caveats = [
  'One process, no sockets: the time is that of two limits (address, endpoint) and of making the key of the address.',
  'Not in it: the look at the header `X-Forwarded-For` where proxies are trusted, Redis, and what a 429 costs.',
]

await runMain(async () => {
  const config = readLimitsConfig(process.argv.slice(2))
  const runs: Measured[] = []
  for (let round = 0; round <= config.rounds; round++) {
    for (const scenario of scenarios) {
      const run = await measure(scenario, config)
      if (round > 0) runs.push(run)
    }
    say(round === 0 ? 'warmed up' : `round ${round} of ${config.rounds}`)
  }
  const medians = scenarios.map(({ name }) => medianOf(runs.filter(({ scenario }) => scenario === name)))
  say(`\n${resultTable(medians)}\n`)
  say(caveatText(caveats))
  say(`kept in ${await keepResults('limits', { config, runs, medians }, caveats)}`)
  const targets = medians.map(targetOf)
  say(`\n${targetSummary(targets)}`)
  return allReached(targets)
})

async function measure(scenario: Scenario, { requests, addresses }: LimitsConfig): Promise<Measured> {
  const counted = { fetches: 0 }
  const limiter = createLimiter(scenario, counted)
  const names = Array.from({ length: addresses }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`)
  const endpoint = { limit: 'reading', id: 'getSlot' } as const
  const keysOf = (request: number) =>
    [{ limit: 'ip', id: addressKey(scenario.addressOf(request, names)) }, endpoint] as const
  for (const id of new Set(names.map((_, n) => keysOf(n)[0].id))) await limiter.take([{ limit: 'ip', id }], 1)
  counted.fetches = 0
  let asked = 0
  let spentMs = 0
  for (let done = 0; done < requests; done += BLOCK) {
    const late: number[] = []
    const startMs = performance.now()
    for (let n = done; n < done + BLOCK; n++) if (limiter.tryTake(keysOf(n), 1) === 'ask') late.push(n)
    spentMs += performance.now() - startMs
    asked += late.length
    await Promise.all(late.map((n) => limiter.take(keysOf(n), 1)))
    await nextTurn()
  }
  limiter.close()
  const percent = (count: number) => (100 * count) / requests
  return {
    scenario: scenario.name,
    microseconds: (spentMs * 1000) / requests,
    askedPercent: percent(asked),
    fetchesPercent: percent(counted.fetches),
  }
}

function createLimiter({ ip, isAway }: Scenario, counted: { fetches: number }): RateLimiter<Name> {
  const nowMs = () => performance.now()
  const away = { take: () => Promise.reject(new Error('away')) }
  return createRateLimiter<Name>(
    {
      source: isAway ? away : createMemoryTokens(nowMs),
      nowMs,
      observer: { fetched: () => void counted.fetches++, changed() {} },
    },
    { limits: { ip, user: null, reading: UNREACHED }, localShare: 0.25, entriesMax: 100_000 },
  )
}

function medianOf(runs: readonly Measured[]): Measured {
  const median = (of: (run: Measured) => number) => quantile(runs.map(of), 0.5) ?? Number.NaN
  return {
    scenario: runs[0]?.scenario ?? '',
    microseconds: median((run) => run.microseconds),
    askedPercent: median((run) => run.askedPercent),
    fetchesPercent: median((run) => run.fetchesPercent),
  }
}

function resultTable(runs: readonly Measured[]): string {
  const rows = runs.map(({ scenario, microseconds, askedPercent, fetchesPercent }) => [
    scenario,
    `${microseconds.toFixed(2)} µs`,
    `${askedPercent.toFixed(3)} %`,
    `${fetchesPercent.toFixed(3)} %`,
  ])
  return table([['rate limits of one request', 'takes', 'waited for Redis', 'batches fetched'], ...rows])
}

function targetOf({ scenario, microseconds }: Measured): Target {
  return {
    name: `rate limits: ${scenario}`,
    measured: `${microseconds.toFixed(2)} µs`,
    wanted: `< ${AIM_US} µs`,
    verdict: verdictOf(microseconds < AIM_US),
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
