/** The servers as processes of this machine, started together and stopped in order. */
import { kafkaServer } from './kafka.ts'
import { pidPath, readPidFile } from './pid-files.ts'
import { isPortFree } from './ports.ts'
import { postgresServer } from './postgres.ts'
import { type RunningProcess, type StopHow, stopByPidFile } from './processes.ts'
import { redisServer } from './redis.ts'
import type { NativeServer, ServerName, StackFolder } from './server.ts'
import { waitUntil } from './waiting.ts'

/** Kafka first: it is the one that the others' clients write to; Postgres last. */
export const stopOrder: readonly ServerName[] = ['kafka', 'redis', 'postgres']

/** SIGINT is Postgres' fast shutdown: clients are cut off, nothing that was committed needs recovery. */
const stopHow: Readonly<Record<ServerName, StopHow>> = {
  kafka: { signal: 'SIGTERM', deadlineMs: 20_000 },
  redis: { signal: 'SIGTERM', deadlineMs: 10_000 },
  postgres: { signal: 'SIGINT', deadlineMs: 30_000 },
}

/** A disposable stack has nothing to keep, so it ends at once. SIGQUIT still has Postgres clean up its shared memory. */
const stopAtOnce: Readonly<Record<ServerName, StopHow>> = {
  kafka: { signal: 'SIGKILL', deadlineMs: 5000 },
  redis: { signal: 'SIGKILL', deadlineMs: 5000 },
  postgres: { signal: 'SIGQUIT', deadlineMs: 5000 },
}

/** What a dead process may still hold its port for: the rest of it ends a moment later than the first thread. */
const PORT_FREE_DEADLINE_MS = 5000

interface StartedServer {
  readonly name: ServerName
  readonly running: RunningProcess
}

/** Starts all of `names` at the same time; the first failure stops the others and is thrown. */
export async function startNative(
  stack: StackFolder,
  jarCache: string,
  names: readonly ServerName[],
): Promise<readonly StartedServer[]> {
  const failed = new AbortController()
  const own: StackFolder = { ...stack, signal: AbortSignal.any([stack.signal, failed.signal]) }
  const started: StartedServer[] = []
  const faults: unknown[] = []
  const starts = names.map(async (name) => {
    try {
      started.push({ name, running: await startServer(serverOf(name, own, jarCache), stack.report) })
    } catch (error) {
      faults.push(error)
      failed.abort()
    }
  })
  await Promise.all(starts)
  if (faults.length === 0) return started
  await stopNative(stack.path, stack.disposable, () => undefined)
  throw faults[0]
}

/** Starts a server whose process has ended again, with its data. Throws as its start does, and stops none of the others. */
export async function restartNative(
  stack: StackFolder,
  jarCache: string,
  name: ServerName,
): Promise<RunningProcess> {
  await waitUntil(
    () => isPortFree(stack.ports[name]),
    PORT_FREE_DEADLINE_MS,
    () => stack.signal.aborted,
  )
  return startServer(serverOf(name, stack, jarCache), stack.report)
}

function serverOf(name: ServerName, stack: StackFolder, jarCache: string): NativeServer {
  switch (name) {
    case 'postgres':
      return postgresServer(stack)
    case 'redis':
      return redisServer(stack)
    case 'kafka':
      return kafkaServer(stack, jarCache)
  }
}

async function startServer(server: NativeServer, report: (line: string) => void): Promise<RunningProcess> {
  const began = performance.now()
  await server.prepare()
  const running = await server.start()
  report(`${server.name} is ready (${((performance.now() - began) / 1000).toFixed(1)} s)`)
  return running
}

/** Stops what runs out of the folder, and nothing else. */
export async function stopNative(
  folder: string,
  disposable: boolean,
  report: (line: string) => void,
): Promise<void> {
  const how = disposable ? stopAtOnce : stopHow
  if (disposable) {
    await Promise.all(stopOrder.map((name) => stopByPidFile(folder, name, how[name])))
    return
  }
  for (const name of stopOrder) {
    if (await stopByPidFile(folder, name, how[name])) report(`${name} is stopped`)
  }
}

/** Kills a disposable stack without waiting: for the last moment of a process that ends unexpectedly. */
export function killNative(folder: string): void {
  for (const name of stopOrder) {
    const mark = readPidFile(pidPath(folder, name))
    if (mark !== null) process.kill(mark.pid, stopAtOnce[name].signal)
  }
}
