/** The worker's process: reads its configuration, starts, waits for the servers, stops on SIGTERM and SIGINT. */
import { setTimeout as delay } from 'node:timers/promises'
import { LogIdentityError } from '@ironsys/engine'
import { createLogger, createMetrics, type Logger } from '@ironsys/telemetry'
import { readConfig, type WorkerConfig } from './config.ts'
import { MissingTopicError, PartitionCountError, startWorker, type Worker } from './worker.ts'

/** How long the servers may take to come up before the process gives up, milliseconds. */
const START_DEADLINE_MS = 60_000
const START_RETRY_MS = 1000
/** Whatever hangs, the process ends this long after it was asked to. */
const STOP_DEADLINE_MS = 25_000

try {
  const config = readConfig()
  const logger = createLogger({ name: 'worker', level: config.logLevel })
  const stop = stopSignal()
  const worker = await startWhenReachable(config, logger, stop)
  if (worker !== null) await runUntilStopped(worker, logger, stop)
} catch (error) {
  process.stderr.write(`worker: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

function stopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => controller.abort(signal))
  return controller.signal
}

/** Null when asked to stop before it could start. */
async function startWhenReachable(
  config: WorkerConfig,
  logger: Logger,
  stop: AbortSignal,
): Promise<Worker | null> {
  const deadlineMs = Date.now() + START_DEADLINE_MS
  while (!stop.aborted) {
    try {
      return await startWorker(config, createMetrics('worker'), logger)
    } catch (error) {
      if (isHopeless(error) || Date.now() > deadlineMs) throw error
      logger.warn({ reason: reasonOf(error) }, 'waiting for the servers')
      await delay(START_RETRY_MS, undefined, { signal: stop }).catch(() => undefined)
    }
  }
  return null
}

async function runUntilStopped(worker: Worker, logger: Logger, stop: AbortSignal): Promise<void> {
  logger.info({ operationsPort: worker.operationsPort }, 'worker is running')
  const { promise: asked, resolve } = Promise.withResolvers<null>()
  if (stop.aborted) resolve(null)
  stop.addEventListener('abort', () => resolve(null))
  const failure = await Promise.race([asked, worker.failed])
  logger.info({ reason: failure === null ? stop.reason : 'failure' }, 'worker is stopping')
  setTimeout(() => {
    process.stderr.write('worker: did not stop in time\n')
    process.exit(1)
  }, STOP_DEADLINE_MS).unref()
  await worker.close()
  if (failure !== null) throw failure
}

function isHopeless(error: unknown): boolean {
  return (
    error instanceof LogIdentityError ||
    error instanceof MissingTopicError ||
    error instanceof PartitionCountError ||
    codeOf(error) === 'EADDRINUSE'
  )
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
