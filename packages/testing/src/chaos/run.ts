/** One run: load and faults, a rolling restart under load, then everything healed, drained and judged. */
import { setTimeout as delay } from 'node:timers/promises'
import { createLogSource, runAudit } from '@ironsys/audit'
import { connectRedis } from '@ironsys/cache'
import { silentLogger } from '@ironsys/kafka'
import { createPool } from '@ironsys/postgres'
import { type ChaosSystem, startChaosSystem } from './chaos-system.ts'
import type { Route } from './clients.ts'
import type { ChaosConfig } from './config.ts'
import { planFaults } from './fault-plan.ts'
import { gatherFacts } from './gather-facts.ts'
import type { Answer } from './history.ts'
import { closeSlots, type LoadDeps, makeFirstSlots, startLoad } from './load.ts'
import { type NemesisResult, runNemesis } from './nemesis.ts'
import { createProgressLines } from './progress-lines.ts'
import { watchProgress } from './progress-watch.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { summarise } from './recovery.ts'
import { type ChaosReport, countFaults, countRequests } from './report.ts'
import { restartAll, startBalancer, untilRouted } from './rolling.ts'
import { auditOutcomes, type CheckOutcome, judge, missingOf } from './verdict.ts'
import { createWorkload, type Workload } from './workload.ts'

const PROGRESS_LINE_MS = 5000
/** Load before the first fault, and after the last. */
const CALM_MS = 2000

interface Run {
  readonly config: ChaosConfig
  readonly system: ChaosSystem
  readonly recorder: Recorder
  readonly workload: Workload
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** `say` gets one line at a time. Throws LocalFault when the system cannot be started. */
export async function runChaos(
  config: ChaosConfig,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<ChaosReport> {
  const beganMs = Date.now()
  const sayAt = (line: string): void =>
    say(`${((Date.now() - beganMs) / 1000).toFixed(1).padStart(6)} s  ${line}`)
  const deaths: string[] = []
  const died = (what: string): void => {
    deaths.push(what)
    sayAt(`UNEXPECTED: ${what}`)
  }
  const system = await startChaosSystem(signal, sayAt, died)
  let keep = true
  try {
    const recorder = createRecorder()
    const run = { config, system, recorder, workload: createWorkload(config.seed), say: sayAt, signal }
    const nemesis = await loadUnderFaults(run)
    if (!signal.aborted) await loadUnderRestarts(run)
    sayAt('closing all slots, waiting until nothing is held and the logs are drained')
    let turn = 0
    const route = () => system.apis[turn++ % 2 === 0 ? 0 : 1].target()
    await closeSlots(loadDeps(run, 'load', route, () => undefined))
    const facts = await gatherFacts(system)
    sayAt('auditing')
    const checks = [
      runtimeCheck(
        'recovers',
        'after each fault everything moves again',
        nemesis.injected.length,
        nemesis.violations,
      ),
      runtimeCheck('processes-live', 'no process ends without being asked to', 4, deaths),
      runtimeCheck(
        'complete',
        'the run came to its end',
        1,
        missingOf(config, nemesis.injected.length, signal.aborted),
      ),
      ...judge(recorder.history, facts),
      ...(await audit(system)),
    ]
    const ok = checks.every(({ violations }) => violations.length === 0)
    keep = !ok && !signal.aborted
    const { seed, minutes, perSecond, command } = config
    const faults = countFaults(nemesis.injected)
    const requests = countRequests(recorder.history)
    return {
      seed,
      minutes,
      perSecond,
      command,
      faults,
      requests,
      recoveries: summarise(nemesis.recoveries),
      checks,
      ok,
    }
  } finally {
    await system.close(keep)
    if (keep) sayAt(`logs and data are kept in ${system.folder}`)
  }
}

function runtimeCheck(
  name: string,
  promise: string,
  checked: number,
  violations: readonly string[],
): CheckOutcome {
  return { name, promise, checked, violations }
}

async function loadUnderFaults(run: Run): Promise<NemesisResult> {
  const { config, system, say, signal } = run
  if (config.rollingOnly) return { injected: [], recoveries: [], violations: [] }
  const { apis } = system
  let turn = 0
  const acceptances = createAcceptances()
  const deps = loadDeps(run, 'load', () => apis[turn++ % 2 === 0 ? 0 : 1].target(), acceptances.answered)
  await makeFirstSlots(deps)
  const progress = watchProgress(system.direct.databaseUrl)
  const load = startLoad(deps, config.perSecond)
  const progressLine = createProgressLines(run.recorder.history.operations, Date.now)
  const lines = setInterval(() => say(progressLine(load.inFlight())), PROGRESS_LINE_MS)
  try {
    await delay(CALM_MS)
    const time = AbortSignal.any([signal, AbortSignal.timeout(config.minutes * 60_000)])
    const { firstAccepted } = acceptances
    return await runNemesis(
      planFaults(config.seed, config.faults),
      config.count,
      { system, progress, firstAccepted, say },
      time,
    )
  } finally {
    await delay(CALM_MS)
    await load.stop()
    clearInterval(lines)
    await progress.close()
  }
}

async function loadUnderRestarts(run: Run): Promise<void> {
  const { system, config, say } = run
  say('rolling restart: requests go to ready instances, and nobody tries twice')
  const balancer = startBalancer(system.apis)
  await untilRouted(balancer, system.apis)
  const deps = loadDeps(run, 'rolling', balancer.route, () => undefined)
  if (run.recorder.world.slotIds.length === 0) await makeFirstSlots(deps)
  const load = startLoad(deps, config.perSecond)
  try {
    await restartAll(system, balancer, (line) => say(`  ${line}`))
  } finally {
    await load.stop()
    await balancer.close()
  }
}

function loadDeps(
  { recorder, workload }: Run,
  phase: 'load' | 'rolling',
  route: Route,
  answered: LoadDeps['answered'],
): LoadDeps {
  return { recorder, workload, phase, route, answered }
}

interface Acceptances {
  readonly answered: LoadDeps['answered']
  firstAccepted(sinceMs: number, deadlineMs: number): Promise<number | null>
}

/** Whoever waits for the log to take something again. */
function createAcceptances(): Acceptances {
  const waiters = new Set<{ sinceMs: number; settle: (atMs: number) => void }>()
  return {
    answered: (answer: Answer, sentMs, answeredMs) => {
      if (waiters.size === 0 || answer.type !== 'accepted') return
      for (const waiter of waiters) if (sentMs >= waiter.sinceMs) waiter.settle(answeredMs)
    },
    firstAccepted: async (sinceMs, deadlineMs) => {
      const { promise, resolve } = Promise.withResolvers<number>()
      const waiter = { sinceMs, settle: resolve }
      waiters.add(waiter)
      const over = new AbortController()
      const timeout = delay(deadlineMs, null, { signal: over.signal }).catch(() => null)
      const atMs = await Promise.race([promise, timeout])
      over.abort()
      waiters.delete(waiter)
      return atMs
    },
  }
}

/** Everything, from the first record of the log on. */
async function audit({ direct }: ChaosSystem): Promise<readonly CheckOutcome[]> {
  const logger = silentLogger
  const pool = createPool(direct.databaseUrl, {
    applicationName: 'ironsys-chaos-audit',
    maxConnections: 1,
    readOnly: true,
  })
  const redis = connectRedis(direct.redisUrl, { name: 'chaos-audit', logger })
  const log = createLogSource({ brokers: direct.kafkaBrokers, clientId: 'chaos-audit', logger })
  try {
    const all = { logRecordsMax: Number.MAX_SAFE_INTEGER, eventsMax: Number.MAX_SAFE_INTEGER }
    return auditOutcomes(await runAudit({ pool, redis, log, nowMs: Date.now }, all))
  } finally {
    redis.disconnect()
    await log.close()
    await pool.end()
  }
}
