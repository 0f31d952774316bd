/** Looks at the load of this process every so often, for its shedder, and tells operators when it sheds. */
import type { Closers } from '@ironsys/lifecycle'
import type { ApiMetrics, Logger } from '@ironsys/telemetry'
import type { Config } from './config.ts'
import type { ProgressView } from './progress.ts'
import { shedThresholdsOf } from './shed-config.ts'
import {
  createShedder,
  type LoadSignals,
  type Shedder,
  type ShedReason,
  shedLimits,
  shedReasons,
} from './shedder.ts'
import { steadyNowMs } from './times.ts'

/** How finely the event loop's turns and the queue are seen. */
const SAMPLE_MS = 20
/** An episode is over when nothing was shed for so long. */
const CALM_MS = 5000

export interface LoadDeps {
  readonly producer: { readonly outstanding: number }
  readonly progress: Pick<ProgressView, 'lagMs'>
  readonly metrics: ApiMetrics
  readonly logger: Logger
  readonly closers: Closers
}

export function watchLoad(config: Config, deps: LoadDeps): Shedder {
  const sampler = createSampler(deps)
  let seen: LoadSignals = { queueMessages: 0, loopDelayMs: 0, lagMs: 0 }
  const shedder = createShedder({ signals: () => seen, nowMs: steadyNowMs }, shedThresholdsOf(config))
  const tell = createTeller(shedder, deps)
  let lookedMs = steadyNowMs()
  const timer = setInterval(() => {
    sampler.sample()
    const nowMs = steadyNowMs()
    if (nowMs - lookedMs < shedLimits.lookMs) return
    lookedMs = nowMs
    seen = sampler.take()
    shedder.look()
    tell(seen, nowMs)
  }, SAMPLE_MS)
  deps.closers.add(() => clearInterval(timer))
  return shedder
}

/**
 * The least of the queue, and the middle of the delays: what stays, not what comes and goes. The delays are those of its own
 * timer: `monitorEventLoopDelay` drops the first one after each `reset()`, and of turns that last as long as the time between
 * two looks there is no other.
 */
function createSampler({ producer, progress }: LoadDeps) {
  let sampledMs = performance.now()
  let delaysMs: number[] = []
  let queueMessages = Number.POSITIVE_INFINITY
  return {
    sample() {
      const nowMs = performance.now()
      delaysMs.push(Math.max(0, nowMs - sampledMs - SAMPLE_MS))
      sampledMs = nowMs
      queueMessages = Math.min(queueMessages, producer.outstanding)
    },
    /** Since the last time, which at least one sample has to lie after. */
    take(): LoadSignals {
      const sorted = delaysMs.sort((a, b) => a - b)
      const seen = { queueMessages, loopDelayMs: sorted[sorted.length >> 1] ?? 0, lagMs: progress.lagMs() }
      delaysMs = []
      queueMessages = Number.POSITIVE_INFINITY
      return seen
    },
  }
}

/** Two lines of the log for an episode, however much is refused meanwhile. */
function createTeller(shedder: Shedder, { metrics, logger }: LoadDeps) {
  const cells = {
    new: metrics.shedShare.with({ class: 'new' }),
    finishing: metrics.shedShare.with({ class: 'finishing' }),
  }
  const pressureOf = (reason: ShedReason) => metrics.shedPressure.with({ reason })
  const pressureCells = {
    'produce-queue': pressureOf('produce-queue'),
    'event-loop': pressureOf('event-loop'),
    'worker-lag': pressureOf('worker-lag'),
  } satisfies Record<ShedReason, unknown>
  let startedMs: number | null = null
  let lastMs = 0
  return (signals: LoadSignals, nowMs: number) => {
    const { reasons, refusedShares, pressures } = shedder.standing()
    for (const each of shedReasons) pressureCells[each].set(pressures[each])
    cells.new.set(refusedShares.new)
    cells.finishing.set(refusedShares.finishing)
    if (reasons.new !== null) {
      lastMs = nowMs
      if (startedMs === null)
        logger.warn({ reason: reasons.new, ...signals }, 'overloaded: new work is refused in part')
      startedMs ??= nowMs
    } else if (startedMs !== null && nowMs - lastMs >= CALM_MS) {
      logger.info({ for_ms: Math.round(lastMs - startedMs) }, 'no longer overloaded: all work is taken')
      startedMs = null
    }
  }
}
