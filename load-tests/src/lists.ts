/**
 * `./ironsys bench --lists`: how long a page of GET /slots takes at 100,000 slots, by filter, also by those that nearly
 * nothing fits, while buyers reserve. On private stacks of its own. A missed target is exit code 1. Flags: --slots
 * --seconds --pace --writes --rounds --only.
 */
import { LocalFault } from '@ironsys/local'
import { Client } from 'pg'
import { cpuOf, differences } from './bench/processes.ts'
import { caveatText, keepResults } from './bench/report.ts'
import { type BenchStack, startBenchStack } from './bench/stack.ts'
import { type ListsConfig, readListsConfig } from './config.ts'
import { FlagFault, LoadTestFault, runMain } from './faults.ts'
import { createHttpClient } from './http-client.ts'
import { findCursors, type Listing, listings } from './lists/listings.ts'
import { type CpuShares, caveats, cpuTable, listTable, listTargets } from './lists/report.ts'
import { type ListRun, measureListing } from './lists/runs.ts'
import { insertSlots, type Sale, sell } from './lists/slots.ts'
import { findOpenSlots, startTraffic, type Traffic } from './lists/traffic.ts'
import { allReached, targetSummary } from './targets.ts'

/** More are never under way: a system that falls behind shows as late answers. */
const CONNECTIONS = 64

await runMain(async () => {
  const config = readListsConfig(process.argv.slice(2))
  const interrupted = new AbortController()
  // Also the second time, which comes when both the group and the command line pass it on: the stack must be stopped.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  try {
    return await lists(config, interrupted.signal)
  } catch (error) {
    if (error instanceof LocalFault) throw new LoadTestFault(error.message)
    throw error
  }
})

async function lists(config: ListsConfig, signal: AbortSignal): Promise<boolean> {
  const wanted = listings.filter(({ name }) => name.includes(config.only))
  if (wanted.length === 0) {
    throw new FlagFault(`--only: no page is named so: ${listings.map(({ name }) => name).join('; ')}`)
  }
  const parts: SalePart[] = []
  for (const sale of ['none sold', '99 % sold out'] satisfies Sale[])
    parts.push(await measureSale({ config, wanted, signal }, sale))
  const runs = parts.flatMap((part) => part.runs)
  say(`\n${listTable(runs)}\n`)
  const cpu = parts.map((part) => part.cpu)
  say(`${cpuTable(cpu)}\n`)
  say(caveatText(caveats))
  const kept = runs.map(({ latenciesMs, ...run }) => run)
  say(`kept in ${await keepResults('lists', { config, runs: kept, cpu }, caveats)}`)
  const faults = parts.flatMap((part) => part.faults)
  for (const fault of faults) say(`BROKEN: ${fault}`)
  const targets = listTargets(runs)
  say(`\n${targetSummary(targets)}`)
  return faults.length === 0 && allReached(targets)
}

interface Asked {
  readonly config: ListsConfig
  readonly wanted: readonly Listing[]
  readonly signal: AbortSignal
}

interface SalePart {
  readonly runs: readonly ListRun[]
  readonly cpu: CpuShares
  readonly faults: readonly string[]
}

/** On a stack of its own: what is sold in the database behind the back of everybody must be sold before they look. */
async function measureSale({ config, wanted, signal }: Asked, sale: Sale): Promise<SalePart> {
  say(`${sale}: starting a private stack`)
  const stack = await startBenchStack('bench-lists', signal, (line) => say(`  ${line}`))
  const database = new Client({ connectionString: stack.databaseUrl })
  const client = createHttpClient(stack.real.apiUrl, CONNECTIONS)
  let traffic: Traffic | null = null
  const runs: ListRun[] = []
  try {
    await database.connect()
    say(`${sale}: making ${config.slots} slots`)
    await insertSlots(database, config.slots)
    await sell(database, sale)
    const cursors = await findCursors(client)
    const plan = { apiUrl: stack.real.apiUrl, database, pace: config.writes }
    traffic = startTraffic({ ...plan, slotIds: await findOpenSlots(database) })
    const bench = { client, metricsUrl: stack.real.apiMetricsUrl ?? '', traffic, config, signal }
    let cpu = startCpu(stack)
    for (let round = 0; round <= config.rounds; round++) {
      if (round === 1) cpu = startCpu(stack)
      say(round === 0 ? `${sale}: warming up` : `${sale}: round ${round}`)
      for (const listing of wanted) {
        const run = await measureListing(bench, listing, { sale, cursors })
        if (round > 0) runs.push(run)
      }
    }
    const shares = cpu()
    const faults = runs.flatMap((run) => run.faults.map((fault) => `${run.listing}, ${sale}: ${fault}`))
    return {
      runs,
      cpu: { sale, shares },
      faults: [...faults, ...(await traffic.stop()).map((fault) => `buyers, ${sale}: ${fault}`)],
    }
  } finally {
    await traffic?.close()
    client.close()
    await database.end()
    await stack.stop()
  }
}

/** What each process takes of one core, from now until it is asked. */
function startCpu(stack: BenchStack): () => CpuShares['shares'] {
  // Our own without that of the children, which are the system.
  const own = () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
  const now = () => ({ ...cpuOf(stack, stack.real), 'load generator': own() })
  const [before, beganMs] = [now(), performance.now()]
  return () => {
    const seconds = (performance.now() - beganMs) / 1000
    const used = Object.entries(differences(before, now()))
    return Object.fromEntries(used.map(([name, each]) => [name, each === null ? null : each / seconds]))
  }
}

function say(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
