/** Does to the system what the plan says, one step after the other, and measures how it gets over it. */
import { setTimeout as delay } from 'node:timers/promises'
import { probeReady, waitUntil } from '@ironsys/local'
import type { ChaosSystem } from './chaos-system.ts'
import type { FaultKind, FaultStep, PlannedFault } from './fault-plan.ts'
import { createFaults } from './faults.ts'
import type { ProgressPicture, ProgressWatch } from './progress-watch.ts'
import type { Recovery } from './recovery.ts'

/** How long anything may take to come back before that counts as a violation. Generous: a busy machine is no defect. */
export const RECOVERY_DEADLINE_MS = 90_000

export interface NemesisDeps {
  readonly system: ChaosSystem
  readonly progress: ProgressWatch
  /** Resolves with the time of the first 202 to an attempt sent at `sinceMs` or later; null at the deadline. */
  readonly firstAccepted: (sinceMs: number, deadlineMs: number) => Promise<number | null>
  readonly say: (line: string) => void
}

export interface NemesisResult {
  readonly injected: readonly FaultKind[]
  readonly recoveries: readonly Recovery[]
  /** What did not come back. */
  readonly violations: readonly string[]
}

/** Until `count` faults were injected or `signal` aborts, between two steps. */
export async function runNemesis(
  plan: Iterator<FaultStep, never>,
  count: number,
  deps: NemesisDeps,
  signal: AbortSignal,
): Promise<NemesisResult> {
  const injected: FaultKind[] = []
  const recoveries: Recovery[] = []
  const violations: string[] = []
  const inject = createFaults(deps)
  while (injected.length < count) {
    const { quietMs, faults } = plan.next().value
    await delay(quietMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) break
    injected.push(...faults.map(({ kind }) => kind))
    const measured = await runStep(faults, inject, deps)
    recoveries.push(...measured)
    for (const { kind, fault, tookMs } of measured) {
      if (tookMs === null)
        violations.push(`after ${fault}: ${kind} not within ${RECOVERY_DEADLINE_MS / 1000} s`)
    }
  }
  return { injected, recoveries, violations }
}

async function runStep(
  faults: readonly PlannedFault[],
  inject: ReturnType<typeof createFaults>,
  deps: NemesisDeps,
): Promise<readonly Recovery[]> {
  const results = await Promise.all(
    faults.map(async (fault) => {
      await delay(fault.delayMs)
      return await inject(fault)
    }),
  )
  const took = await untilSettled(deps)
  const kinds = faults.map(({ kind }) => kind)
  deps.say(
    `  ${kinds.join(' + ')} over: ${took === null ? 'NOT everything moves again' : `everything moves again after ${seconds(took)}`}`,
  )
  const measured = results.flat()
  for (const fault of kinds) measured.push({ kind: 'settled', fault, tookMs: took })
  // Of overlapping faults only that the system gets over them is said: whose delay it was nobody can tell.
  return faults.length === 1 ? measured : measured.filter(({ tookMs }) => tookMs === null)
}

/** Each app ready and every partition moving, from now on; how long that took, null at the deadline. */
async function untilSettled({ system, progress }: NemesisDeps): Promise<number | null> {
  const beganMs = Date.now()
  const before = progress.now()
  const moves = progress.until((now) => isAhead(now, before), RECOVERY_DEADLINE_MS)
  // Each for itself: on a busy machine one of four may be late with its own probes at any moment.
  const ready = [...system.apis, ...system.workers].map((app) =>
    waitUntil(() => probeReady(app.operationsUrl()), RECOVERY_DEADLINE_MS),
  )
  const [movedMs, ...areReady] = await Promise.all([moves, ...ready])
  return movedMs !== null && areReady.every(Boolean) ? Date.now() - beganMs : null
}

function isAhead(now: ProgressPicture, before: ProgressPicture): boolean {
  return [...before].every(
    ([partition, { nextOffset }]) => (now.get(partition)?.nextOffset ?? 0) > nextOffset,
  )
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
