/** The servers as processes of this machine, started together and stopped in order. */
import { kafkaServer } from './kafka.ts'
import { pidPath, readPidFile } from './pid-files.ts'
import { postgresServer } from './postgres.ts'
import { type StopHow, stopByPidFile } from './processes.ts'
import { redisServer } from './redis.ts'
import type { NativeServer, ServerName, StackFolder } from './server.ts'

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

/** Starts all of `names` at the same time; the first failure stops the others and is thrown. */
export async function startNative(
  stack: StackFolder,
  jarCache: string,
  names: readonly ServerName[],
): Promise<void> {
  const failed = new AbortController()
  const own: StackFolder = { ...stack, signal: AbortSignal.any([stack.signal, failed.signal]) }
  const all: readonly NativeServer[] = [postgresServer(own), redisServer(own), kafkaServer(own, jarCache)]
  const faults: unknown[] = []
  const starts = all
    .filter((server) => names.includes(server.name))
    .map(async (server) => {
      try {
        const began = performance.now()
        await server.prepare()
        await server.start()
        stack.report(`${server.name} is ready (${((performance.now() - began) / 1000).toFixed(1)} s)`)
      } catch (error) {
        faults.push(error)
        failed.abort()
      }
    })
  await Promise.all(starts)
  if (faults.length === 0) return
  await stopNative(stack.path, stack.disposable, () => undefined)
  throw faults[0]
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
