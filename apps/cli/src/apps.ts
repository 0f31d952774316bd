/** Starts the API and the worker as processes of this machine and stops them in good order. */
import { join } from 'node:path'
import {
  type Addresses,
  appNodeOptions,
  checkout,
  folders,
  LOOPBACK,
  launch,
  probeReady,
  type RunningProcess,
  requireFreePort,
  stopByPidFile,
  waitReady,
} from '@ironsys/local'
import type { Context } from './command.ts'
import type { CliConfig } from './config.ts'
import { stackEnvironment } from './running.ts'

const READY_DEADLINE_MS = 60_000
const STOP_DEADLINE_MS = 30_000

/** The API first, so that nothing new is accepted while the worker finishes. */
export const appNames = ['api', 'worker'] as const
export type AppName = (typeof appNames)[number]

/** Throws a `LocalFault` that names the port when somebody listens where an app would. */
export async function requireAppPorts(config: CliConfig): Promise<void> {
  await requireFreePort(config.apiPort, 'the API (PORT gives it another)')
  await requireFreePort(config.apiOpsPort, "the API's operations port (API_OPS_PORT gives it another)")
  await requireFreePort(
    config.workerOpsPort,
    "the worker's operations port (WORKER_OPS_PORT gives it another)",
  )
}

/** Starts an app; resolves when it says that it is ready. */
export async function startApp(
  name: AppName,
  context: Context,
  addresses: Addresses,
  signal: AbortSignal,
): Promise<RunningProcess> {
  const opsPort = name === 'api' ? context.config.apiOpsPort : context.config.workerOpsPort
  const began = performance.now()
  const running = await launch({
    name,
    command: process.execPath,
    args: [...appNodeOptions, join(checkout, 'apps', name, 'src', 'main.ts')],
    folder: folders.stack,
    cwd: checkout,
    env: {
      ...stackEnvironment(context, addresses),
      HOST: LOOPBACK,
      PORT: String(context.config.apiPort),
      OPS_HOST: LOOPBACK,
      OPS_PORT: String(opsPort),
      WORKER_GROUP: context.config.workerGroup,
    },
    signal,
  })
  await waitReady(running, () => probeReady(`http://${LOOPBACK}:${opsPort}`), READY_DEADLINE_MS, signal)
  context.say(`${name} is ready (${((performance.now() - began) / 1000).toFixed(1)} s)`)
  return running
}

/** Stops what runs of the two; says what it stopped. */
export async function stopApps(say: (line: string) => void): Promise<void> {
  for (const name of appNames) {
    const how = { signal: 'SIGTERM', deadlineMs: STOP_DEADLINE_MS } as const
    if (await stopByPidFile(folders.stack, name, how)) say(`${name} is stopped`)
  }
}
