/** The whole system for one test file: a Kafka, a Redis and a database of its own, and the apps as real processes. */
import {
  findFreePorts,
  pidPath,
  type RunningProcess,
  removeStack,
  type ServerName,
  serversOfTests,
  startStack,
  stopStack,
  tailOf,
  testFolder,
  writePidFile,
} from '@ironsys/local'
import { migrate } from '@ironsys/postgres'
import { type AppName, appEnvironment, createTopics, endApp, launchApp, waitAppReady } from './app-launch.ts'
import { killServer, signalServer } from './server-signals.ts'
import { createTestDatabase } from './test-database.ts'

const PARTITIONS = 4

export interface TestSystem {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly kafkaBrokers: readonly string[]
  readonly partitions: number
  /** Starts one more API process; resolves when it is ready. */
  startApi(environment?: Readonly<Record<string, string>>): Promise<TestApp>
  startWorker(environment?: Readonly<Record<string, string>>): Promise<TestApp>
  /** SIGKILL to all processes of one of the system's own servers. */
  killServer(name: ServerName): Promise<void>
  /** Starts it again, with its data; resolves when it answers. */
  startServer(name: ServerName): Promise<void>
  signalServer(name: ServerName, signal: 'SIGSTOP' | 'SIGCONT'): void
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

/**
 * `ownPostgres`: not only a database but a server of its own, to be killed and frozen as the others. Servers that this is done
 * to must be processes of this machine (`native`).
 */
export async function startSystem({ ownPostgres = false } = {}): Promise<TestSystem> {
  // One per process: what a killed run leaves is found and cleared by the next one's global set-up.
  const path = testFolder(process.pid)
  const [postgres = 0, redis = 0, kafka = 0, kafkaController = 0] = await findFreePorts(4)
  const ports = { postgres, redis, kafka, kafkaController }
  writePidFile(pidPath(path, 'test-run'), process.pid)
  const nobody = { databaseUrl: null, redisUrl: null, kafkaBrokers: null }
  const folder = { path, ports, disposable: true, report: () => {}, signal: new AbortController().signal }
  const [copied, stack] = await Promise.all([
    ownPostgres ? null : createTestDatabase(),
    startStack(folder, { given: nobody, servers: ownPostgres ? 'native' : serversOfTests() }, [
      'redis',
      'kafka',
      ...(ownPostgres ? (['postgres'] as const) : []),
    ]),
  ])
  const { redisUrl, kafkaBrokers } = stack.addresses
  const database = copied ?? { url: stack.addresses.databaseUrl, drop: async () => undefined }
  if (ownPostgres) await migrate(database.url)
  await createTopics(kafkaBrokers, PARTITIONS)
  const addresses = { databaseUrl: database.url, redisUrl, kafkaBrokers }
  const apps = createLauncher(path, appEnvironment(addresses, PARTITIONS))
  return {
    databaseUrl: database.url,
    redisUrl,
    kafkaBrokers,
    partitions: PARTITIONS,
    startApi: (environment) => apps.start('api', environment),
    startWorker: (environment) => apps.start('worker', environment),
    killServer: (name) => killServer(path, name),
    startServer: async (name) => {
      const server = stack.processes.find(({ running }) => running.name === name)
      if (server === undefined) throw new Error(`${name} is none of this system's own processes`)
      await server.startAgain(folder.signal)
    },
    signalServer: (name, signal) => signalServer(path, name, signal),
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
  const run = async (app: AppName, environment: Readonly<Record<string, string>>) => {
    const name = `${app}-${started.size}`
    const launched = await launchApp({ app, name, folder, environment: { ...shared, ...environment } })
    started.add(launched.running)
    return launched
  }
  const start = async (
    app: AppName,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<TestApp> => {
    const launched = await run(app, environment)
    await waitAppReady(launched)
    const { running, url, operationsUrl } = launched
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
    for (const running of started) if (!running.hasExited()) await endApp(running)
  }
  return { run, start, endAll }
}
