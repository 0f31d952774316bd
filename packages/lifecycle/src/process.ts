/** The life of an app's process: start, wait for the servers, run, stop on SIGTERM or SIGINT. */
import { setTimeout as delay } from 'node:timers/promises'
import { LogIdentityError } from '@ironsys/engine'

export interface Service {
  /** Resolves with the reason when the service cannot go on by itself; never rejects. */
  readonly failed?: Promise<Error>
  close(): Promise<void>
}

export interface ProcessLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** A start that no waiting repairs: an operator must act. Its message is for him, on one line. */
export class StartFault extends Error {
  override readonly name = 'StartFault'
}

/** How long the servers may take to come up before the process gives up, milliseconds. */
const START_DEADLINE_MS = 60_000
const START_RETRY_MS = 1000
/** Whatever hangs, the process ends this long after it was asked to. */
const STOP_DEADLINE_MS = 25_000

/**
 * Runs a service until it is asked to stop. `prepare` reads the configuration and answers the logger and the start.
 * A start that throws StartFault or LogIdentityError ends the process with one line on stderr and exit code 1;
 * anything else is tried again, with its reason in the log, for {@link START_DEADLINE_MS}.
 */
export async function runProcess(
  name: string,
  prepare: () => { readonly logger: ProcessLogger; readonly start: () => Promise<Service> },
): Promise<void> {
  try {
    const { logger, start } = prepare()
    const stop = stopSignal()
    const service = await startWhenReachable(start, logger, stop)
    if (service !== null) await runUntilStopped(name, service, logger, stop)
  } catch (error) {
    process.stderr.write(`${name}: ${reasonOf(error)}\n`)
    process.exitCode = 1
  }
}

function stopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => controller.abort(signal))
  return controller.signal
}

/** Null when asked to stop before it could start. */
async function startWhenReachable(
  start: () => Promise<Service>,
  logger: ProcessLogger,
  stop: AbortSignal,
): Promise<Service | null> {
  const deadlineMs = Date.now() + START_DEADLINE_MS
  while (!stop.aborted) {
    try {
      return await start()
    } catch (error) {
      const hopeless = error instanceof StartFault || error instanceof LogIdentityError
      if (hopeless || Date.now() > deadlineMs) throw error
      logger.warn({ reason: reasonOf(error) }, 'waiting for the servers')
      await delay(START_RETRY_MS, undefined, { signal: stop }).catch(() => undefined)
    }
  }
  return null
}

async function runUntilStopped(
  name: string,
  service: Service,
  logger: ProcessLogger,
  stop: AbortSignal,
): Promise<void> {
  logger.info({}, `${name} is running`)
  const { promise: asked, resolve } = Promise.withResolvers<null>()
  stop.addEventListener('abort', () => resolve(null))
  if (stop.aborted) resolve(null)
  const failure = await Promise.race([asked, service.failed ?? asked])
  logger.info({ reason: failure === null ? stop.reason : 'failure' }, `${name} is stopping`)
  setTimeout(() => {
    process.stderr.write(`${name}: did not stop in time\n`)
    process.exit(1)
  }, STOP_DEADLINE_MS).unref()
  await service.close()
  logger.info({}, `${name} has stopped`)
  if (failure !== null) throw failure
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

/** Turns what `listen` throws into a {@link StartFault} that names the port, where it is the operator's to repair. */
export function listenFault(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  if (code === 'EADDRINUSE') return new StartFault(`port ${port} on ${host} is in use`)
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    return new StartFault(`cannot listen on ${host}:${port} (${code})`)
  }
  return error
}
