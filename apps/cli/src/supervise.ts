/**
 * The life of `./ironsys up`, in this order: claim the checkout, servers, migrations, topics, apps, example slots,
 * wait, and everything backwards. One of these runs per checkout.
 *
 * A server or an app that ends by itself is started again. Whatever else happens on the way (a fault, Ctrl-C, one that
 * ends again and again), what was started is stopped again.
 */
import {
  claimPidFile,
  folders,
  LocalFault,
  markOf,
  removePidFile,
  stackIsRunning,
  startStack,
  stopStack,
} from '@ironsys/local'
import { appNames, requireAppPorts, startApp, stopApps } from './apps.ts'
import { banner } from './banner.ts'
import type { Context } from './command.ts'
import { stopLeftovers } from './commands/down.ts'
import { migrateDatabase } from './commands/migrate.ts'
import { ensureTopics } from './commands/topics.ts'
import { keepRunning } from './keep-running.ts'
import { apiUrl, removeRunningState, supervisorPidPath, writeRunningState } from './running.ts'
import { seed } from './seed.ts'

/** Resolves to the exit code: 0 when it was asked to stop. */
export async function supervise(context: Context): Promise<number> {
  const first = claimPidFile(supervisorPidPath, process.pid)
  if (first !== null) {
    throw new LocalFault(
      `already running (process ${first.pid}): ${apiUrl(context.config)}; ./ironsys down stops it`,
    )
  }
  const stop = stopOnSignals(context.say)
  try {
    await runUntilStopped(context, stop.signal)
    return 0
  } catch (error) {
    // What fails because it was called off is not a fault.
    if (stop.signal.aborted) return 0
    if (stackIsRunning(folders.stack)) {
      context.say(`${error instanceof Error ? error.message : error}; stopping what was started`)
    }
    throw error
  } finally {
    removeRunningState()
    await stopApps(context.say)
    await stopStack(folders.stack, false, context.say)
    removePidFile(supervisorPidPath)
    stop.release()
  }
}

async function runUntilStopped(context: Context, signal: AbortSignal): Promise<void> {
  const { config, say } = context
  const began = performance.now()
  // Our own pid file is there already; the servers of a supervisor that was killed may be, too.
  await stopLeftovers(say)
  await requireAppPorts(config)
  const stack = await startStack(
    { path: folders.stack, ports: config.local.ports, disposable: false, report: say, signal },
    config.local,
  )
  const { addresses } = stack
  await migrateDatabase(addresses.databaseUrl, say)
  await ensureTopics(config, say)
  const apps = await Promise.all(
    appNames.map(async (name) => {
      const startAgain = (called: AbortSignal) => startApp(name, context, addresses, called)
      return { running: await startAgain(signal), startAgain }
    }),
  )
  const created = await seed(apiUrl(config))
  if (created > 0) say(`${created} example slots are created`)
  say(`everything is ready (${((performance.now() - began) / 1000).toFixed(1)} s)`)
  say(banner(config, stack))
  const mark = markOf(process.pid)
  if (mark === null) throw new Error('this process does not find itself')
  writeRunningState({
    ...mark,
    ...addresses,
    kafkaBrokers: [...addresses.kafkaBrokers],
    apiUrl: apiUrl(config),
  })
  await keepRunning([...stack.processes, ...apps], say, signal)
}

interface StopRequest {
  readonly signal: AbortSignal
  release(): void
}

/** Ctrl-C, `down` and a closed terminal all mean: stop in order. Asking twice does not make it faster. */
function stopOnSignals(say: (line: string) => void): StopRequest {
  const asked = new AbortController()
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const onSignal = () => {
    say(asked.signal.aborted ? 'still stopping' : 'stopping')
    asked.abort()
  }
  for (const name of names) process.on(name, onSignal)
  return {
    signal: asked.signal,
    release: () => {
      for (const name of names) process.removeListener(name, onSignal)
    },
  }
}
