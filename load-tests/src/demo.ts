/**
 * `make demo`: an on-sale over HTTP against the running system. Thousands of buyers want the units of a few slots; some
 * are impatient and send the same request twice, some cancel, some hold first and confirm in time, late or never, and
 * some wait in line for a while. At the end every 202 must have its outcome and every
 * slot's audit must agree with what the buyers were told. The worker or the API may be killed and started again
 * meanwhile: the demo waits and says so.
 */
import { readDemoConfig } from './config.ts'
import { type Buyer, drawBuyers } from './demo/buyers.ts'
import { forEachAtMost, type Persistence } from './demo/persistent.ts'
import { accept, type Purchase, pursue, type Surprise } from './demo/purchase.ts'
import { createSlots, readAudit, readSlotAt } from './demo/slots.ts'
import { createTally, showProgress, type Tally } from './demo/tally.ts'
import { faultsOfPurchase, faultsOfSlot } from './demo/verdict.ts'
import { runMain } from './faults.ts'
import { createHttpClient } from './http-client.ts'
import { quantile } from './quantiles.ts'
import { milliseconds, table, whole } from './table.ts'

/** Long polls under way at the same time. They cost nothing but a socket. */
const WATCHERS = 512
const FAULTS_SHOWN = 20

interface OnSale {
  readonly purchases: readonly Purchase[]
  readonly faults: readonly string[]
  readonly acceptSeconds: number
  readonly totalSeconds: number
}

await runMain(async () => {
  const config = readDemoConfig(process.argv.slice(2))
  const seed = config.seed ?? Math.floor(Math.random() * 2 ** 32)
  const { buyers: count, slots, units } = config
  // Apart, so that long polls never keep a request waiting for a socket.
  const client = createHttpClient(config.url, config.concurrency * 2)
  const watcher = createHttpClient(config.url, WATCHERS)
  const tally = createTally(count)
  const how: Persistence = { client, tally, patienceMs: config.patience * 1000 }
  try {
    say(`${whole(count)} buyers for ${slots} slots of ${units} units at ${config.url}, seed ${seed}`)
    const slotIds = await createSlots(how, slots, units)
    tally.lastProgressMs = tally.startedMs = performance.now()
    const buyers = drawBuyers(count, slotIds, seed)
    const onSale = await runOnSale(how, { ...how, client: watcher }, buyers, config.concurrency)
    const faults = [...onSale.faults, ...(await proveSlots(how, slotIds, units, onSale.purchases))]
    report(onSale, tally, faults)
    return verdict(slots, tally, faults)
  } finally {
    client.close()
    watcher.close()
  }
})

async function runOnSale(
  how: Persistence,
  watching: Persistence,
  buyers: readonly Buyer[],
  concurrency: number,
): Promise<OnSale> {
  const stopShowing = showProgress(how.tally)
  const purchases: Purchase[] = []
  const faults: string[] = []
  const watches: Promise<void>[] = []
  const failures: unknown[] = []
  const startedMs = performance.now()
  const keep = (result: Purchase | Surprise) => {
    if ('surprise' in result) faults.push(result.surprise)
    else purchases.push(result)
  }
  try {
    await forEachAtMost(buyers, concurrency, async (buyer) => {
      const accepted = await accept(how, buyer)
      if ('surprise' in accepted) faults.push(accepted.surprise)
      else watches.push(pursue(watching, accepted).then(keep, (error) => void failures.push(error)))
    })
    const acceptSeconds = (performance.now() - startedMs) / 1000
    await Promise.all(watches)
    for (const failure of failures) throw failure
    const totalSeconds = (performance.now() - startedMs) / 1000
    return {
      purchases,
      faults: [...faults, ...purchases.flatMap(faultsOfPurchase)],
      acceptSeconds,
      totalSeconds,
    }
  } finally {
    stopShowing()
  }
}

async function proveSlots(
  how: Persistence,
  slotIds: readonly string[],
  units: number,
  purchases: readonly Purchase[],
): Promise<readonly string[]> {
  const faults: string[] = []
  const bySlot = Map.groupBy(purchases, ({ buyer }) => buyer.slotId)
  await forEachAtMost(slotIds, 8, async (slotId) => {
    const audit = await readAudit(how, slotId)
    const seen = await readSlotAt(how, slotId, audit.version)
    faults.push(
      ...faultsOfSlot({ slotId, capacity: units, audit, seen, purchases: bySlot.get(slotId) ?? [] }),
    )
  })
  return faults
}

function report(
  { purchases, acceptSeconds, totalSeconds }: OnSale,
  tally: Tally,
  faults: readonly string[],
): void {
  const accepts = purchases.map(({ acceptMs }) => acceptMs)
  const decisions = purchases.flatMap(({ decisionMs }) => decisionMs ?? [])
  const tail = (values: readonly number[]) =>
    [0.5, 0.95, 0.99].map((share) => milliseconds(quantile(values, share)))
  say('')
  say(
    table([
      ['accepted (202)', whole(tally.accepted), `${whole(tally.accepted / acceptSeconds)}/s`],
      ['decided', whole(tally.decided), `${whole(tally.decided / totalSeconds)}/s`],
      ['  confirmed', whole(tally.confirmed)],
      ['  rejected (sold out)', whole(tally.rejected)],
      ['  cancelled, or left the line', whole(tally.cancelled)],
      ['  expired', whole(tally.expired)],
      ['repeated by the impatient', whole(tally.repeats)],
      ['requests tried again', whole(tally.retries)],
    ]),
  )
  say(
    table([
      ['', 'p50', 'p95', 'p99'],
      ['accept: request → 202', ...tail(accepts)],
      ['decision: request → outcome known', ...tail(decisions)],
    ]),
  )
  say(
    '  As this one client saw it, retries included, on the machine that runs the servers. A decision is learnt by',
  )
  say(
    `  a long poll after the 202 (at most ${WATCHERS} at a time); buyers who cancel are left out of its times.`,
  )
  say('')
  for (const fault of faults.slice(0, FAULTS_SHOWN)) say(`  BROKEN: ${fault}`)
  if (faults.length > FAULTS_SHOWN) say(`  … and ${faults.length - FAULTS_SHOWN} more`)
}

function verdict(slots: number, tally: Tally, faults: readonly string[]): boolean {
  const missing = tally.buyers - tally.decided
  const sound = faults.length === 0 && missing === 0
  if (sound) say(`  Audit: all ${slots} slots balanced; every 202 has its one outcome; nothing oversold.`)
  else say(`  Audit: ${faults.length} faults, ${missing} buyers without an outcome.`)
  return sound
}

function say(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
