/** The whole system for one test file: a Kafka, a Redis and a database of its own, and the apps as real processes. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { topicSettings, topics } from '@ironsys/contracts'
import { createLogAdmin } from '@ironsys/kafka'
import {
  appNodeOptions,
  checkout,
  findFreePorts,
  LOOPBACK,
  launch,
  pidPath,
  probeReady,
  type RunningProcess,
  removeStack,
  serversOfTests,
  startStack,
  stopStack,
  tailOf,
  testFolder,
  waitReady,
  waitUntil,
  writePidFile,
} from '@ironsys/local'
import { createTestDatabase } from './test-database.ts'

const START_DEADLINE_MS = 30_000
const STOP_DEADLINE_MS = 30_000
const PARTITIONS = 4

export interface TestSystem {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly kafkaBrokers: readonly string[]
  readonly partitions: number
  /** Starts one more API process; resolves when it is ready. */
  startApi(environment?: Readonly<Record<string, string>>): Promise<TestApp>
  startWorker(environment?: Readonly<Record<string, string>>): Promise<TestApp>
  /** Starts an app that is expected to end by itself: its exit and what it said. */
  runToEnd(
    app: 'api' | 'worker',
    environment: Readonly<Record<string, string>>,
  ): Promise<{ how: string; log: string }>
  /** Ends everything that was started, the apps in good order. */
  close(): Promise<void>
}

export interface TestApp {
  /** Of the public port; the API's only. */
  readonly url: string
  readonly operationsUrl: string
  /** Sends the signal and resolves when the process has ended, with how. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<string>
  /** Sends a signal that it survives: SIGSTOP, SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
  log(): string
}

export async function startSystem(): Promise<TestSystem> {
  // One per process: what a killed run leaves is found and cleared by the next one's global set-up.
  const path = testFolder(process.pid)
  const [redis = 0, kafka = 0, kafkaController = 0] = await findFreePorts(3)
  const ports = { postgres: 0, redis, kafka, kafkaController }
  writePidFile(pidPath(path, 'test-run'), process.pid)
  const nobody = { databaseUrl: null, redisUrl: null, kafkaBrokers: null }
  const folder = { path, ports, disposable: true, report: () => {}, signal: new AbortController().signal }
  const [database, stack] = await Promise.all([
    createTestDatabase(),
    startStack(folder, { given: nobody, servers: serversOfTests() }, ['redis', 'kafka']),
  ])
  const { redisUrl, kafkaBrokers } = stack.addresses
  await createTopics(kafkaBrokers)
  const shared = {
    NODE_ENV: 'test',
    LOG_LEVEL: 'info',
    DATABASE_URL: database.url,
    REDIS_URL: redisUrl,
    KAFKA_BROKERS: kafkaBrokers.join(','),
    PARTITIONS: String(PARTITIONS),
    ID_KEY: randomBytes(32).toString('hex'),
    CURSOR_KEYS: `a:${randomBytes(32).toString('hex')}`,
  }
  const apps = createLauncher(path, shared)
  return {
    databaseUrl: database.url,
    redisUrl,
    kafkaBrokers,
    partitions: PARTITIONS,
    startApi: (environment) => apps.start('api', environment),
    startWorker: (environment) => apps.start('worker', environment),
    runToEnd: async (app, environment) => {
      const { running } = await apps.run(app, environment)
      return { how: await running.exited, log: tailOf(running.logPath) }
    },
    close: async () => {
      await apps.endAll()
      await stopStack(path, true)
      await database.drop()
      removeStack(path)
    },
  }
}

/** Starts apps as processes of their own, each on free ports. */
function createLauncher(folder: string, shared: Readonly<Record<string, string>>) {
  const started = new Set<RunningProcess>()
  const run = async (app: 'api' | 'worker', environment: Readonly<Record<string, string>>) => {
    const [port = 0, opsPort = 0] = await findFreePorts(2)
    const running = await launch({
      name: `${app}-${started.size}`,
      command: process.execPath,
      args: [...appNodeOptions, join(checkout, 'apps', app, 'src', 'main.ts')],
      folder,
      cwd: checkout,
      env: {
        PATH: '/usr/bin:/bin',
        ...shared,
        PORT: String(port),
        OPS_PORT: String(opsPort),
        ...environment,
      },
      signal: new AbortController().signal,
    })
    started.add(running)
    return { running, url: `http://${LOOPBACK}:${port}`, operationsUrl: `http://${LOOPBACK}:${opsPort}` }
  }
  const start = async (
    app: 'api' | 'worker',
    environment: Readonly<Record<string, string>> = {},
  ): Promise<TestApp> => {
    const { running, url, operationsUrl } = await run(app, environment)
    const ready = () => probeReady(operationsUrl)
    await waitReady(running, ready, START_DEADLINE_MS, new AbortController().signal)
    return {
      url,
      operationsUrl,
      signal: (signal) => void process.kill(running.pid, signal),
      log: () => tailOf(running.logPath),
      end: async (signal) => {
        process.kill(running.pid, signal)
        return await running.exited
      },
    }
  }
  const endAll = async (): Promise<void> => {
    for (const running of started) if (!running.hasExited()) await endProcess(running)
  }
  return { run, start, endAll }
}

async function endProcess(running: RunningProcess): Promise<void> {
  process.kill(running.pid, 'SIGCONT')
  process.kill(running.pid, 'SIGTERM')
  if (await waitUntil(() => running.hasExited(), STOP_DEADLINE_MS)) return
  process.kill(running.pid, 'SIGKILL')
  throw new Error(`${running.name} did not stop: ${tailOf(running.logPath)}`)
}

async function createTopics(brokers: readonly string[]): Promise<void> {
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const admin = createLogAdmin({ brokers, clientId: 'test-topics', logger: silent })
  const names = Object.values(topics)
  await admin.ensureTopics(names.map((topic) => ({ topic, partitions: PARTITIONS, settings: topicSettings })))
  await admin.close()
}
