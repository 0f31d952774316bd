/** The API's process: reads its configuration, waits for the servers, starts, stops on SIGTERM and SIGINT. */
import { setTimeout as delay } from 'node:timers/promises'
import { LogIdentityError } from '@ironsys/engine'
import { createLogger, createMetrics, type Logger } from '@ironsys/telemetry'
import { type Config, readConfig } from './config.ts'
import { type Api, StartFault, startApi } from './server.ts'

/** How long the servers may take to come up before the process gives up, milliseconds. */
const START_DEADLINE_MS = 60_000
const START_RETRY_MS = 1000
/** Whatever hangs, the process ends this long after it was asked to. */
const STOP_DEADLINE_MS = 25_000

try {
  const config = readConfig()
  const logger = createLogger({ name: 'api', level: config.LOG_LEVEL })
  const stop = stopSignal()
  const api = await startWhenReachable(config, logger, stop)
  if (api !== null) await runUntilStopped(api, logger, stop)
} catch (error) {
  process.stderr.write(`api: ${reasonOf(error)}\n`)
  process.exitCode = 1
}

function stopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => controller.abort(signal))
  return controller.signal
}

/** Null when asked to stop before it could start. */
async function startWhenReachable(config: Config, logger: Logger, stop: AbortSignal): Promise<Api | null> {
  const deadlineMs = Date.now() + START_DEADLINE_MS
  while (!stop.aborted) {
    try {
      return await startApi(config, createMetrics('api'), logger)
    } catch (error) {
      if (error instanceof StartFault || error instanceof LogIdentityError || Date.now() > deadlineMs)
        throw error
      logger.warn({ reason: reasonOf(error) }, 'waiting for the servers')
      await delay(START_RETRY_MS, undefined, { signal: stop }).catch(() => undefined)
    }
  }
  return null
}

async function runUntilStopped(api: Api, logger: Logger, stop: AbortSignal): Promise<void> {
  logger.info({ port: api.port, operationsPort: api.operationsPort }, 'api is running')
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  stop.addEventListener('abort', () => resolve())
  if (stop.aborted) resolve()
  await asked
  logger.info({ reason: stop.reason }, 'api is stopping')
  setTimeout(() => {
    process.stderr.write('api: did not stop in time\n')
    process.exit(1)
  }, STOP_DEADLINE_MS).unref()
  await api.close()
  logger.info({}, 'api has stopped')
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
