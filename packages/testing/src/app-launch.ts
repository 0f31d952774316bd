/** Runs the API and the worker as processes of this machine, as `make up` does, under ports of their own. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { topicSettings, topics } from '@ironsys/contracts'
import { createLogAdmin, silentLogger } from '@ironsys/kafka'
import {
  type Addresses,
  appNodeOptions,
  checkout,
  findFreePorts,
  LOOPBACK,
  launch,
  probeReady,
  type RunningProcess,
  tailOf,
  waitReady,
  waitUntil,
} from '@ironsys/local'

export type AppName = 'api' | 'worker'

export interface AppLaunch {
  readonly app: AppName
  /** Of its log and pid file. */
  readonly name: string
  readonly folder: string
  /** All of it: nothing is inherited. `PORT` and `OPS_PORT` are found where they are not given. */
  readonly environment: Readonly<Record<string, string>>
}

export interface LaunchedApp {
  readonly running: RunningProcess
  /** Of the public port; the API's only. */
  readonly url: string
  readonly operationsUrl: string
}

const START_DEADLINE_MS = 30_000
const STOP_DEADLINE_MS = 30_000

/** What both apps are told, with keys of their own: all of one system must get the same. */
export function appEnvironment(
  { databaseUrl, redisUrl, kafkaBrokers }: Addresses,
  partitions: number,
): Readonly<Record<string, string>> {
  return {
    NODE_ENV: 'test',
    LOG_LEVEL: 'info',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    KAFKA_BROKERS: kafkaBrokers.join(','),
    PARTITIONS: String(partitions),
    ID_KEY: randomBytes(32).toString('hex'),
    CURSOR_KEYS: `a:${randomBytes(32).toString('hex')}`,
    // All clients have one address.
    RATE_IP_PER_SECOND: '1000000',
    RATE_IP_BURST: '1000000',
    // A machine that runs tests is often short of time, which is no overload of what is tested.
    SHED_LOOP_DELAY_MS: '5000',
  }
}

/** All topics, with the settings that the system needs. */
export async function createTopics(brokers: readonly string[], partitions: number): Promise<void> {
  const admin = createLogAdmin({ brokers, clientId: 'test-topics', logger: silentLogger })
  const names = Object.values(topics)
  await admin.ensureTopics(names.map((topic) => ({ topic, partitions, settings: topicSettings })))
  await admin.close()
}

/** Starts the process and does not wait until it is ready. */
export async function launchApp({ app, name, folder, environment }: AppLaunch): Promise<LaunchedApp> {
  const [freePort = 0, freeOpsPort = 0] = await findFreePorts(2)
  const env = { PATH: '/usr/bin:/bin', PORT: `${freePort}`, OPS_PORT: `${freeOpsPort}`, ...environment }
  const running = await launch({
    name,
    command: process.execPath,
    args: [...appNodeOptions, join(checkout, 'apps', app, 'src', 'main.ts')],
    folder,
    cwd: checkout,
    env,
    signal: new AbortController().signal,
  })
  return {
    running,
    url: `http://${LOOPBACK}:${env.PORT}`,
    operationsUrl: `http://${LOOPBACK}:${env.OPS_PORT}`,
  }
}

/** Throws a LocalFault with the end of its log when it ends, or is not ready in time, milliseconds. */
export function waitAppReady(
  { running, operationsUrl }: LaunchedApp,
  deadlineMs = START_DEADLINE_MS,
): Promise<void> {
  const never = new AbortController().signal
  return waitReady(running, () => probeReady(operationsUrl), deadlineMs, never)
}

/** Ends it in good order, also when it is frozen. Throws when it has to be killed. */
export async function endApp(running: RunningProcess): Promise<void> {
  process.kill(running.pid, 'SIGCONT')
  process.kill(running.pid, 'SIGTERM')
  if (await waitUntil(() => running.hasExited(), STOP_DEADLINE_MS)) return
  process.kill(running.pid, 'SIGKILL')
  throw new Error(`${running.name} did not stop: ${tailOf(running.logPath)}`)
}
