/**
 * Buyers at a steady pace, in a thread of their own, so that they keep nobody waiting whose answers are timed: each looks
 * at a slot and reserves a unit of it, the sooner slots more often, by Zipf's law. Counts in the shared memory; any
 * message ends it, and it answers with what went wrong.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { createHttpClient } from '../http-client.ts'
import type { BuyersData } from './traffic.ts'

const CONNECTIONS = 32
/** A system that falls behind is asked for no more, and that is told as a fault. */
const UNDER_WAY_MAX = 500

const data: BuyersData = workerData
const { slotIds, tag, pace } = data
const accepted = new Int32Array(data.accepted)
const client = createHttpClient(data.apiUrl, CONNECTIONS)
const wanted = createChoice(slotIds)
const faults = new Map<string, number>()
const underWay = new Set<Promise<void>>()
let isStopped = false

parentPort?.once('message', () => {
  isStopped = true
})
await send()
client.close()
parentPort?.postMessage([...faults].map(([fault, times]) => `${fault}, ${times} times`))

async function send(): Promise<void> {
  const beganMs = performance.now()
  for (let n = 0; !isStopped; n++) {
    const aheadMs = beganMs + (n * 1000) / pace - performance.now()
    if (aheadMs > 0) await delay(aheadMs)
    if (underWay.size >= UNDER_WAY_MAX) {
      note('a buyer did not come, so many were waiting')
      // The answers of those must be let in.
      await delay(1)
      continue
    }
    const bought = buy(wanted(), `${tag}-${n}`)
      .catch((error: unknown) => note(String(error)))
      .finally(() => underWay.delete(bought))
    underWay.add(bought)
  }
  await Promise.all(underWay)
}

async function buy(slotId: string, userId: string): Promise<void> {
  const slot = await client.send({ method: 'GET', path: `/slots/${slotId}` })
  if (slot.status !== 200) note(`GET /slots/:id answered ${slot.status}`)
  const body = { slot_id: slotId, user_id: userId }
  const { status } = await client.send({ method: 'POST', path: '/reservations', body })
  if (status === 202) Atomics.add(accepted, 0, 1)
  else note(`POST /reservations answered ${status}`)
}

function note(fault: string): void {
  faults.set(fault, (faults.get(fault) ?? 0) + 1)
}

/** The k-th one is chosen k times less often than the first. */
function createChoice(ids: readonly string[]): () => string {
  const reach = new Float64Array(ids.length)
  let sum = 0
  for (let k = 0; k < ids.length; k++) {
    sum += 1 / (k + 1)
    reach[k] = sum
  }
  return () => {
    const point = Math.random() * sum
    let [low, high] = [0, ids.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((reach[middle] ?? 0) < point) low = middle + 1
      else high = middle
    }
    return ids[low] ?? ''
  }
}
