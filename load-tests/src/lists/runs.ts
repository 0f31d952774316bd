/** Pages of one kind at a steady pace, whether or not those before were answered. */
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { ListsConfig } from '../config.ts'
import { readCounters } from '../counters.ts'
import { LoadTestFault } from '../faults.ts'
import type { HttpClient } from '../http-client.ts'
import { quantile } from '../quantiles.ts'
import type { Listing } from './listings.ts'
import type { Sale } from './slots.ts'
import type { Traffic } from './traffic.ts'

export interface ListRun {
  readonly listing: string
  readonly sale: Sale
  readonly pages: number
  readonly itemsPerPage: number
  /** Of the database, for these pages. */
  readonly queriesPerSecond: number
  /** Answers that are not as the one before; null where each page is another one. */
  readonly changesPerSecond: number | null
  /** Reservations that were accepted meanwhile. */
  readonly writesPerSecond: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly maxMs: number | null
  /** From when each was due to the last byte of its answer. */
  readonly latenciesMs: readonly number[]
  readonly faults: readonly string[]
}

interface Bench {
  readonly client: HttpClient
  readonly metricsUrl: string
  readonly traffic: Pick<Traffic, 'accepted'>
  readonly config: ListsConfig
  readonly signal: AbortSignal
}

/** No more of it: what reading costs here would delay the answers behind. */
const pageSchema = z.object({ items: z.array(z.unknown()) })

/** Goes on from run to run: no two requests of a bench are the same. */
let number = 0

export async function measureListing(
  { client, metricsUrl, traffic, config, signal }: Bench,
  listing: Listing,
  { sale, cursors }: { readonly sale: Sale; readonly cursors: readonly string[] },
): Promise<ListRun> {
  const pages = config.pace * config.seconds
  const latenciesMs: number[] = []
  const faults = new Map<string, number>()
  let items = 0
  let changes = 0
  let before = ''
  const ask = async (dueMs: number): Promise<void> => {
    const query = listing.query({ number: number++, slots: config.slots, cursors })
    const { status, body } = await client.send({
      method: 'GET',
      path: `/slots?${new URLSearchParams(query)}`,
    })
    latenciesMs.push(performance.now() - dueMs)
    if (status === 200) {
      const page = pageSchema.parse(body)
      items += page.items.length
      if (!listing.repeats) return
      const text = JSON.stringify(page.items)
      if (before !== '' && text !== before) changes += 1
      before = text
    } else faults.set(`answered ${status}`, (faults.get(`answered ${status}`) ?? 0) + 1)
  }
  const [queriesBefore, acceptedBefore] = [await countQueries(metricsUrl), traffic.accepted()]
  const beganMs = performance.now()
  const asked: Promise<void>[] = []
  for (let n = 0; n < pages && !signal.aborted; n++) {
    const dueMs = beganMs + (n * 1000) / config.pace
    const aheadMs = dueMs - performance.now()
    if (aheadMs > 0) await delay(aheadMs)
    asked.push(ask(dueMs))
  }
  await Promise.all(asked)
  if (signal.aborted) throw new LoadTestFault('interrupted')
  const seconds = (performance.now() - beganMs) / 1000
  const writes = traffic.accepted() - acceptedBefore
  const queries = (await countQueries(metricsUrl)) - queriesBefore
  // Whoever reads a page between its queries must see what was sold meanwhile.
  const mustChange = listing.repeats && sale === 'none sold' && config.writes > 0
  if (mustChange && changes <= queries) faults.set('nothing was laid over', 1)
  return {
    listing: listing.name,
    sale,
    pages,
    itemsPerPage: items / pages,
    queriesPerSecond: queries / seconds,
    changesPerSecond: listing.repeats ? changes / seconds : null,
    writesPerSecond: writes / seconds,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    maxMs: quantile(latenciesMs, 1),
    latenciesMs,
    faults: [...faults].map(([fault, times]) => `${fault}, ${times} times`),
  }
}

async function countQueries(metricsUrl: string): Promise<number> {
  const exposition = await (await fetch(metricsUrl)).text()
  const pages = readCounters(exposition, 'ironsys_slot_pages_total')
  return pages.find(({ labels }) => labels.source === 'store')?.value ?? 0
}
