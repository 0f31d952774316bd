/** Thousands of open streams of one slot: what they cost, and how soon a change has reached them all. */
import { setTimeout as delay } from 'node:timers/promises'
import { cpuSeconds, type Memory, memory } from '../bench/processes.ts'
import type { BenchStack } from '../bench/stack.ts'
import type { StreamsConfig } from '../config.ts'
import { createHttpClient } from '../http-client.ts'
import { change, createSlot } from './changes.ts'
import { type Clients, openClients, type StreamForm } from './clients.ts'

export interface Bench {
  readonly config: StreamsConfig
  readonly stack: BenchStack
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

export interface FanoutResult {
  readonly streams: number
  readonly changes: number
  /** Of the API's process: before, with all streams open, and after the changes. */
  readonly memory: Readonly<Record<'before' | 'open' | 'after', Memory | null>>
  readonly openedPerSecond: number
  /** Of each change, milliseconds, over all streams of both forms: from when it was asked for to the stream in the middle and to the last. */
  readonly askedToMiddleMs: readonly number[]
  readonly askedToLastMs: readonly number[]
  /** From the answer 201 to the last one; below 0 where everybody knew before who had asked. */
  readonly answeredToLastMs: readonly number[]
  /** From the first one to the last. */
  readonly spreadMs: readonly number[]
  /** Microseconds of the API's CPU per message, all that it did meanwhile included; null when that is not known. */
  readonly cpuMicrosPerMessage: number | null
}

const forms: readonly StreamForm[] = ['sse', 'websocket']
/** Above the time in which changes are put together. */
const APART_MS = 400
/** A new process has to compile first. */
const WARM_UP_CHANGES = 10

export async function measureFanout({ config, stack, signal, say }: Bench): Promise<FanoutResult> {
  const { apiUrl, api } = stack.real
  const client = createHttpClient(apiUrl, 1)
  const clients: Clients[] = []
  try {
    const slotId = await createSlot(client)
    for (let n = 0; n < WARM_UP_CHANGES; n++) await change(client, slotId)
    const before = memory(api.pid)
    say(`fan-out: opening ${config.streams} streams, half of each form`)
    const startedMs = performance.now()
    for (const form of forms) {
      const streams = config.streams / forms.length
      const patienceMs = config.patience * 1000
      clients.push(await openClients(`${apiUrl}/slots/${slotId}`, { form, streams, patienceMs }))
    }
    const openedPerSecond = (config.streams * 1000) / (performance.now() - startedMs)
    const open = memory(api.pid)
    say(`fan-out: ${config.changes} changes`)
    for (let n = 0; n < WARM_UP_CHANGES; n++) await measureChange(client, slotId, clients)
    const cpuBefore = cpuSeconds(api.pid)
    const all = []
    for (let n = 0; n < config.changes && !signal.aborted; n++) {
      all.push(await measureChange(client, slotId, clients))
      await delay(APART_MS)
    }
    const cpuAfter = cpuSeconds(api.pid)
    const messages = all.length * config.streams
    return {
      streams: config.streams,
      changes: all.length,
      memory: { before, open, after: memory(api.pid) },
      openedPerSecond,
      askedToMiddleMs: all.map(({ askedMs, arrivals }) => (arrivals[arrivals.length >> 1] ?? 0) - askedMs),
      askedToLastMs: all.map(({ askedMs, arrivals }) => (arrivals.at(-1) ?? 0) - askedMs),
      answeredToLastMs: all.map(({ answeredMs, arrivals }) => (arrivals.at(-1) ?? 0) - answeredMs),
      spreadMs: all.map(({ arrivals }) => (arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)),
      cpuMicrosPerMessage:
        cpuBefore === null || cpuAfter === null ? null : ((cpuAfter - cpuBefore) * 1e6) / messages,
    }
  } finally {
    client.close()
    await Promise.all(clients.map((each) => each.close()))
  }
}

async function measureChange(
  client: Parameters<typeof change>[0],
  slotId: string,
  clients: readonly Clients[],
) {
  const made = await change(client, slotId)
  const arrivals = await Promise.all(clients.map((each) => each.arrived(made.version)))
  return { ...made, arrivals: arrivals.flat().sort((a, b) => a - b) }
}
