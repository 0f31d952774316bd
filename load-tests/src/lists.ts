/**
 * `./ironsys bench --lists`: how long a page of GET /slots takes at 100,000 slots, by filter, also by those that nearly
 * nothing fits. On a private stack of its own. Flags: --slots --seconds --pace --rounds --only.
 */
import { LocalFault } from '@ironsys/local'
import { Client } from 'pg'
import { caveatText, keepResults } from './bench/report.ts'
import { startBenchStack } from './bench/stack.ts'
import { type ListsConfig, readListsConfig } from './config.ts'
import { LoadTestFault, runMain } from './faults.ts'
import { createHttpClient } from './http-client.ts'
import { findCursors, listings } from './lists/listings.ts'
import { caveats, listTable } from './lists/report.ts'
import { type ListRun, measureListing } from './lists/runs.ts'
import { insertSlots, type Sale, sell } from './lists/slots.ts'

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
  say('starting a private stack')
  const stack = await startBenchStack('bench-lists', signal, (line) => say(`  ${line}`))
  const database = new Client({ connectionString: stack.databaseUrl })
  const client = createHttpClient(stack.real.apiUrl, CONNECTIONS)
  const runs: ListRun[] = []
  try {
    await database.connect()
    say(`making ${config.slots} slots`)
    await insertSlots(database, config.slots)
    for (const sale of ['none sold', '99 % sold out'] satisfies Sale[]) {
      await sell(database, sale)
      const cursors = await findCursors(client)
      for (let round = 0; round <= config.rounds; round++) {
        say(round === 0 ? `${sale}: warming up` : `${sale}: round ${round}`)
        for (const listing of listings.filter(({ name }) => name.includes(config.only))) {
          const run = await measureListing({ client, config, signal }, listing, { sale, cursors })
          if (round > 0) runs.push(run)
        }
      }
    }
  } finally {
    client.close()
    await database.end()
    await stack.stop()
  }
  say(`\n${listTable(runs)}\n`)
  say(caveatText(caveats))
  const kept = runs.map(({ latenciesMs, ...run }) => run)
  say(`kept in ${await keepResults('lists', { config, runs: kept }, caveats)}`)
  const faults = runs.flatMap((run) => run.faults.map((fault) => `${run.listing}, ${run.sale}: ${fault}`))
  for (const fault of faults) say(`BROKEN: ${fault}`)
  return faults.length === 0
}

function say(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
