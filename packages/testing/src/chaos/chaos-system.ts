/**
 * The system under fire: servers and apps of its own, with everything durable as `make up` has it, two APIs, two workers,
 * and a proxy before each server.
 *
 * Invariants:
 * 1. Apps reach every server through its proxy only; whoever judges reaches them directly (Kafka tells its clients the
 *    proxy's address, so there the judges wait until all is healed).
 * 2. A server keeps its data over a kill; its ports never change, so that clients find it again.
 */
import { renameSync } from 'node:fs'
import {
  type Addresses,
  addressesOf,
  chaosFolder,
  chaosFolders,
  findFreePorts,
  isPortFree,
  LOOPBACK,
  logPath,
  pidPath,
  readPidFile,
  removeStack,
  runningNames,
  type ServerName,
  type StackFolder,
  serverNames,
  startStack,
  stopByPidFile,
  stopStack,
  waitUntil,
  writePidFile,
} from '@ironsys/local'
import { migrate } from '@ironsys/postgres'
import { type AppName, appEnvironment, createTopics } from '../app-launch.ts'
import { killServer, signalServer } from '../server-signals.ts'
import { createTcpProxy, type TcpProxy } from '../tcp-proxy.ts'
import { type AppInstance, createAppInstance } from './app-instance.ts'

/** Few enough that each gets load all the time, enough that both workers have several. */
export const PARTITIONS = 8
/** Who the folder belongs to: the run itself. */
const RUN = 'test-run'
const KILL = { signal: 'SIGKILL', deadlineMs: 10_000 } as const
/** So long an API goes on serving after SIGTERM; the balancer looks more often. */
const DRAIN_MS = 3000
const PORT_FREE_DEADLINE_MS = 10_000

export interface ChaosSystem {
  readonly folder: string
  /** Past the proxies. */
  readonly direct: Addresses
  readonly proxies: Readonly<Record<ServerName, TcpProxy>>
  readonly apis: readonly [AppInstance, AppInstance]
  readonly workers: readonly [AppInstance, AppInstance]
  /** Of another group, so that it gets every partition too. Does not run at first. */
  readonly rival: AppInstance
  /** SIGKILL to all of the server's processes; resolves when they are gone. */
  killServer(name: ServerName): Promise<void>
  /** Resolves when it answers. */
  startServer(name: ServerName): Promise<void>
  signalServer(name: ServerName, signal: 'SIGSTOP' | 'SIGCONT'): void
  /** Ends everything and removes the folder, unless it is to be kept. */
  close(keep: boolean): Promise<void>
}

/** `died` is told of an app that ends without being asked to. Throws LocalFault. */
export async function startChaosSystem(
  signal: AbortSignal,
  report: (line: string) => void,
  died: (what: string) => void,
): Promise<ChaosSystem> {
  await endDeadRuns()
  const path = chaosFolder(process.pid)
  writePidFile(pidPath(path, RUN), process.pid)
  const [postgres = 0, redis = 0, kafka = 0, kafkaController = 0] = await findFreePorts(4)
  const ports = { postgres, redis, kafka, kafkaController }
  const proxies = await openProxies(ports)
  const kafkaAdvertisedPort = proxies.kafka.port
  const stack: StackFolder = { path, ports, disposable: false, kafkaAdvertisedPort, report, signal }
  const apps: AppInstance[] = []
  const close = async (keep: boolean): Promise<void> => {
    for (const proxy of Object.values(proxies)) proxy.resume()
    await Promise.all(apps.map((app) => app.end()))
    await stopStack(path, true)
    await Promise.all(Object.values(proxies).map((proxy) => proxy.close()))
    if (!keep) removeStack(path)
  }
  try {
    const direct = await startServers(stack, serverNames)
    await Promise.all([migrate(direct.databaseUrl), createTopics(direct.kafkaBrokers, PARTITIONS)])
    const environment = { ...appEnvironment(throughProxies(proxies), PARTITIONS), DRAIN_MS: String(DRAIN_MS) }
    const instance = (app: AppName, name: string, more: Readonly<Record<string, string>> = {}) => {
      const launch = { app, name, folder: path, environment: { ...environment, ...more } }
      const made = createAppInstance(launch, died)
      apps.push(made)
      return made
    }
    const apis = [instance('api', 'api-1'), instance('api', 'api-2')] as const
    const workers = [instance('worker', 'worker-1'), instance('worker', 'worker-2')] as const
    await Promise.all(apps.map((app) => app.start()))
    const rival = instance('worker', 'rival', { WORKER_GROUP: 'rivals' })
    return {
      folder: path,
      direct,
      proxies,
      apis,
      workers,
      rival,
      killServer: (name) => killServer(path, name),
      startServer: async (name) => {
        keepLog(path, name)
        // A killed process counts as gone when its first thread is: the others may hold its port a moment longer.
        await waitUntil(() => isPortFree(ports[name]), PORT_FREE_DEADLINE_MS)
        await startServers({ ...stack, report: () => undefined }, [name])
      },
      signalServer: (name, kind) => signalServer(path, name, kind),
      close,
    }
  } catch (error) {
    await close(false)
    throw error
  }
}

/** Of runs that were killed: whatever still runs is ended. Their folders stay until `make clean`. */
async function endDeadRuns(): Promise<void> {
  for (const folder of chaosFolders()) {
    if (readPidFile(pidPath(folder, RUN)) !== null) continue
    for (const name of runningNames(folder)) await stopByPidFile(folder, name, KILL)
  }
}

async function openProxies(ports: Readonly<Record<ServerName, number>>) {
  const [postgres, redis, kafka] = await Promise.all(
    serverNames.map((name) => createTcpProxy({ targetHost: LOOPBACK, targetPort: ports[name] })),
  )
  if (postgres === undefined || redis === undefined || kafka === undefined)
    throw new Error('a proxy is missing')
  return { postgres, redis, kafka }
}

function throughProxies(proxies: Readonly<Record<ServerName, TcpProxy>>): Addresses {
  const given = { databaseUrl: null, redisUrl: null, kafkaBrokers: null }
  const { postgres, redis, kafka } = proxies
  const ports = { postgres: postgres.port, redis: redis.port, kafka: kafka.port, kafkaController: 0 }
  return addressesOf(ports, { given })
}

/** As processes of this machine, whatever the environment says: what runs in a container cannot be killed from here. */
async function startServers(stack: StackFolder, names: readonly ServerName[]): Promise<Addresses> {
  const given = { databaseUrl: null, redisUrl: null, kafkaBrokers: null }
  return (await startStack(stack, { given, servers: 'native' }, names)).addresses
}

let logsKept = 0

/** A start begins a new log: what the one before said is kept beside it. */
function keepLog(folder: string, name: string): void {
  renameSync(logPath(folder, name), logPath(folder, `${name}.${++logsKept}`))
}
