/**
 * The life of `./ironsys up`, in this order: claim the checkout, servers, migrations, topics, apps, example slots,
 * wait, and everything backwards. One of these runs per checkout.
 *
 * An app that crashes is started again. Whatever else happens on the way (a fault, Ctrl-C, the end of a server), what
 * was started is stopped again.
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
import { appNames, requireAppPorts, startApp, stopApps } from './apps.ts'
import { banner } from './banner.ts'
import type { Context } from './command.ts'
import { stopLeftovers } from './commands/down.ts'
import { migrateDatabase } from './commands/migrate.ts'
import { ensureTopics } from './commands/topics.ts'
import { apiUrl, removeRunningState, supervisorPidPath, writeRunningState } from './running.ts'
import { seed } from './seed.ts'

const WATCH_EVERY_MS = 1000
/** An app may be started again this often in that time. */
const RESTARTS_MAX = 5
const RESTART_WINDOW_MS = 60_000

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
  await watch(context, apps, stack, signal)
}

/**
 * Resolves when asked to stop. An app that ends by itself, killed or crashed, is started again; a server that does, or
 * an app that does so again and again, ends it all: then this throws.
 */
async function watch(context: Context, apps: readonly RunningProcess[], stack: Stack, signal: AbortSignal) {
  const running = new Map(apps.map((app) => [app.name, app]))
  const servers = Object.entries(stack.sources).flatMap(([name, how]) => (how === 'native' ? [name] : []))
  let restartsMs: number[] = []
  for (;;) {
    const dead = await nextDeath([...running.values()], servers, signal)
    if (dead === null) return
    const how = await running.get(dead)?.exited
    const what = `${dead} ended by itself${how ? ` (${how})` : ''}`
    const nowMs = Date.now()
    restartsMs = [...restartsMs.filter((atMs) => nowMs - atMs < RESTART_WINDOW_MS), nowMs]
    const app = appNames.find((name) => name === dead)
    if (app === undefined || restartsMs.length > RESTARTS_MAX) {
      const log = `${folders.stack}/logs/${dead}.log`
      throw new LocalFault(`${what}; its log: ${log}`, tailOf(log))
    }
    context.say(`${what}; starting it again`)
    running.set(dead, await startApp(app, context, stack.addresses, signal))
  }
}

/** The name of the next process that is gone; null when asked to stop. */
async function nextDeath(
  apps: readonly RunningProcess[],
  servers: readonly string[],
  signal: AbortSignal,
): Promise<string | null> {
  return await new Promise<string | null>((resolve) => {
    const timer = setInterval(() => {
      const names = runningNames(folders.stack)
      const missing = servers.find((name) => !names.includes(name))
      if (missing !== undefined) finish(missing)
    }, WATCH_EVERY_MS)
    const stop = () => finish(null)
    const finish = (name: string | null) => {
      clearInterval(timer)
      signal.removeEventListener('abort', stop)
      resolve(name)
    }
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    for (const app of apps) app.exited.then(() => finish(app.name))
  })
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
