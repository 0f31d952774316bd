/**
 * A rolling restart under load, as an orchestrator does it: one instance after the other gets SIGTERM, ends in its own
 * time and is replaced, and the next one's turn comes when the replacement gets requests. A balancer asks each API
 * whether it is ready and sends requests to those that are; its clients never try twice.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { waitUntil } from '@ironsys/local'
import type { AppInstance } from './app-instance.ts'
import type { ChaosSystem } from './chaos-system.ts'
import type { Route } from './clients.ts'

/** Well below the time for which a draining API goes on serving. */
const PROBE_MS = 200
const PROBE_TIMEOUT_MS = 1000
/** An instance that says no is out at once, one that is silent after so many probes (Kubernetes' default). */
const SILENT_PROBES_MAX = 3
/** Load between two restarts. */
const PAUSE_MS = 1500
const ROUTED_DEADLINE_MS = 30_000

export interface Balancer {
  /** Requests go to the ready ones in turn; when there is none, to the one that was ready last. */
  readonly route: Route
  routesTo(api: AppInstance): boolean
  close(): Promise<void>
}

/** Nobody gets requests before the first probes are answered. */
export function startBalancer(apis: readonly AppInstance[]): Balancer {
  const closed = new AbortController()
  const ready = new Set<AppInstance>()
  let lastReady: AppInstance | null = null
  let turn = 0
  const watch = async (api: AppInstance): Promise<void> => {
    let silent = 0
    while (!closed.signal.aborted) {
      const isReady = await askReady(api)
      silent = isReady === null ? silent + 1 : 0
      if (isReady) ready.add(api)
      else if (isReady === false || silent >= SILENT_PROBES_MAX) {
        if (ready.delete(api)) lastReady = api
      }
      await delay(PROBE_MS, undefined, { signal: closed.signal }).catch(() => undefined)
    }
  }
  const running = Promise.all(apis.map(watch))
  return {
    route: () => ([...ready][turn++ % ready.size] ?? lastReady)?.target() ?? null,
    routesTo: (api) => ready.has(api),
    close: async () => {
      closed.abort()
      await running
    },
  }
}

/** Null when it does not answer. */
async function askReady(api: AppInstance): Promise<boolean | null> {
  try {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS)
    const answer = await fetch(`${api.operationsUrl()}/health/ready`, { signal })
    await answer.arrayBuffer()
    return answer.status === 200
  } catch {
    return null
  }
}

/** Resolves when all of them get requests. Throws when that takes longer than half a minute. */
export async function untilRouted(balancer: Balancer, apis: readonly AppInstance[]): Promise<void> {
  const routed = await waitUntil(() => apis.every((api) => balancer.routesTo(api)), ROUTED_DEADLINE_MS)
  if (!routed) throw new Error('not every API is ready for the rolling restart')
}

/** Each API and each worker once. */
export async function restartAll(
  { apis, workers }: Pick<ChaosSystem, 'apis' | 'workers'>,
  balancer: Balancer,
  say: (line: string) => void,
): Promise<void> {
  for (const instance of [...apis, ...workers]) {
    await delay(PAUSE_MS)
    const began = Date.now()
    await instance.end()
    const endedMs = Date.now() - began
    await instance.start()
    if (apis.includes(instance)) await untilRouted(balancer, [instance])
    say(`${instance.name}: ended in ${endedMs} ms, replaced ${Date.now() - began} ms after its SIGTERM`)
  }
  await delay(PAUSE_MS)
}
