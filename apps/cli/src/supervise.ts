/**
 * The life of `./ironsys up`, in this order: claim the checkout, servers, migrations, topics, apps, example slots,
 * wait, and everything backwards. One of these runs per checkout.
 *
 * Whatever happens on the way (a fault, Ctrl-C, a crash of an app), what was started is stopped again.
 */
import {
  claimPidFile,
  folders,
  LocalFault,
  markOf,
  type RunningProcess,
  removePidFile,
  runningNames,
  type Stack,
  stackIsRunning,
  startStack,
  stopStack,
  tailOf,
} from '@ironsys/local'
import { requireAppPorts, startApp, stopApps } from './apps.ts'
import { banner } from './banner.ts'
import type { Context } from './command.ts'
import { stopLeftovers } from './commands/down.ts'
import { migrateDatabase } from './commands/migrate.ts'
import { ensureTopics } from './commands/topics.ts'
import { apiUrl, removeRunningState, supervisorPidPath, writeRunningState } from './running.ts'
import { seed } from './seed.ts'

const WATCH_EVERY_MS = 1000

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
  await ensureTopics(addresses.kafkaBrokers, config.partitionCount, say)
  const apps = await Promise.all([
    startApp('worker', context, addresses, signal),
    startApp('api', context, addresses, signal),
  ])
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
  await watch(apps, stack, signal)
}

/** Resolves when asked to stop; throws when an app or a server ends by itself. */
async function watch(apps: readonly RunningProcess[], stack: Stack, signal: AbortSignal): Promise<void> {
  const servers = Object.entries(stack.sources).flatMap(([name, how]) => (how === 'native' ? [name] : []))
  const dead = await new Promise<string | null>((resolve) => {
    const timer = setInterval(() => {
      const running = runningNames(folders.stack)
      const missing = [...apps.map((app) => app.name), ...servers].find((name) => !running.includes(name))
      if (missing !== undefined) finish(missing)
    }, WATCH_EVERY_MS)
    const finish = (name: string | null) => {
      clearInterval(timer)
      resolve(name)
    }
    signal.addEventListener('abort', () => finish(null))
    if (signal.aborted) finish(null)
    for (const app of apps) app.exited.then(() => finish(app.name))
  })
  if (dead === null) return
  const log = `${folders.stack}/logs/${dead}.log`
  const how = await apps.find((app) => app.name === dead)?.exited
  throw new LocalFault(`${dead} ended by itself${how ? ` (${how})` : ''}; its log: ${log}`, tailOf(log))
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
