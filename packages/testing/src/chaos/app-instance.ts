/**
 * One of the APIs or workers over its several lives: killed, frozen, restarted under the same ports.
 *
 * Modes: stopped → running ⇄ frozen; running or frozen → stopped.
 */
import { findFreePorts, tailOf } from '@ironsys/local'
import { type AppLaunch, endApp, type LaunchedApp, launchApp, waitAppReady } from '../app-launch.ts'
import type { Target } from './clients.ts'

/** Others may be down when it starts: it waits for them, and so do we. */
const READY_DEADLINE_MS = 90_000

export interface AppInstance {
  readonly name: string
  /** Of the life that runs, or the last one: a client does not know that nobody is there. */
  target(): Target
  operationsUrl(): string
  /** Resolves when it is ready. */
  start(): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  freeze(): void
  thaw(): void
  /** SIGTERM; resolves when it is gone. Does nothing when it does not run. */
  end(): Promise<void>
}

/** `died` is told when the process ends without having been asked to. */
export function createAppInstance(launch: AppLaunch, died: (what: string) => void): AppInstance {
  let lives = 0
  /** The process of this life, or of the last one. */
  let latest: LaunchedApp | null = null
  let stopped = true
  let ports: Readonly<Record<string, string>> | null = null

  const choosePorts = async (): Promise<Readonly<Record<string, string>>> => {
    const [port, opsPort] = await findFreePorts(2)
    return { PORT: String(port), OPS_PORT: String(opsPort) }
  }
  const required = (): LaunchedApp => {
    if (latest === null) throw new Error(`${launch.name} was never started`)
    return latest
  }
  const watch = async (launched: LaunchedApp): Promise<void> => {
    const how = await launched.running.exited
    if (stopped || latest !== launched) return
    stopped = true
    died(`${launched.running.name} ended by itself (${how}): ${tailOf(launched.running.logPath, 3)}`)
  }
  const lifeName = (): string => `${launch.name}.${lives}`
  return {
    name: launch.name,
    target: () => ({ life: lifeName(), url: required().url }),
    operationsUrl: () => required().operationsUrl,
    start: async () => {
      ports ??= await choosePorts()
      lives++
      const environment = { ...launch.environment, ...ports }
      const launched = await launchApp({ ...launch, name: lifeName(), environment })
      latest = launched
      stopped = false
      void watch(launched)
      await waitAppReady(launched, READY_DEADLINE_MS)
    },
    kill: async () => {
      const { running } = required()
      stopped = true
      process.kill(running.pid, 'SIGKILL')
      await running.exited
    },
    freeze: () => void process.kill(required().running.pid, 'SIGSTOP'),
    thaw: () => void process.kill(required().running.pid, 'SIGCONT'),
    end: async () => {
      if (stopped) return
      stopped = true
      await endApp(required().running)
    },
  }
}
