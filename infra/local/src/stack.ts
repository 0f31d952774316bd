/** The three servers together: given, in containers or as processes, with the same addresses for whoever uses them. */
import { mkdirSync } from 'node:fs'
import type { GivenSecurity, LocalConfig } from './config.ts'
import { dockerStarted, hasDocker, startDocker, stopDocker } from './docker.ts'
import { LocalFault } from './faults.ts'
import { folders } from './folders.ts'
import { restartNative, startNative, stopNative } from './native.ts'
import { runningNames } from './pid-files.ts'
import { LOOPBACK } from './ports.ts'
import { postgresUrl } from './postgres.ts'
import { probeKafka, probePostgres, probeRedis } from './probes.ts'
import type { RunningProcess } from './processes.ts'
import { type Ports, type ServerName, type StackFolder, serverNames } from './server.ts'
import { waitUntil } from './waiting.ts'

const GIVEN_DEADLINE_MS = 10_000
const CONTAINER_DEADLINE_MS = 15_000

export interface Addresses {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly kafkaBrokers: readonly string[]
}

export type Source = 'given' | 'docker' | 'native'

export interface Stack {
  readonly addresses: Addresses
  readonly sources: Readonly<Record<ServerName, Source>>
  /** Of the servers that are processes of this machine. */
  readonly processes: readonly ServerProcess[]
}

export interface ServerProcess {
  readonly running: RunningProcess
  /** Once it has ended: starts it again on the same port, with its data. Throws a {@link LocalFault}. */
  readonly startAgain: (signal: AbortSignal) => Promise<RunningProcess>
}

/**
 * Starts the servers that nobody has given, and resolves when each of them answers.
 * `names` limits it to some of the servers. Throws a {@link LocalFault} after stopping again what it had started.
 */
export async function startStack(
  folder: StackFolder,
  config: Pick<LocalConfig, 'given' | 'servers'> & Partial<Pick<LocalConfig, 'security'>>,
  names: readonly ServerName[] = serverNames,
): Promise<Stack> {
  mkdirSync(folder.path, { recursive: true })
  const addresses = addressesOf(folder.ports, config)
  const given = givenServers(config).filter((name) => names.includes(name))
  await Promise.all(given.map((name) => requireGiven(name, addresses, config.security)))
  const own = names.filter((name) => !given.includes(name))
  const how = own.length > 0 ? await chooseHow(config) : 'native'
  if (how === 'docker') await startContainers(folder, own, addresses)
  const processes = how === 'docker' ? [] : await startProcesses(folder, own)
  const sourceOf = (name: ServerName): Source => (given.includes(name) ? 'given' : how)
  return {
    addresses,
    sources: { postgres: sourceOf('postgres'), redis: sourceOf('redis'), kafka: sourceOf('kafka') },
    processes,
  }
}

async function startProcesses(
  folder: StackFolder,
  names: readonly ServerName[],
): Promise<readonly ServerProcess[]> {
  const all = await startNative(folder, folders.jars, names)
  return all.map(({ name, running }) => ({
    running,
    startAgain: (signal) => restartNative({ ...folder, signal }, folders.jars, name),
  }))
}

/** Stops what was started out of this folder and nothing else. A disposable stack ends at once and loses its data. */
export async function stopStack(
  path: string,
  disposable: boolean,
  report: (line: string) => void = () => undefined,
): Promise<void> {
  await stopNative(path, disposable, report)
  if (dockerStarted(path)) await stopDocker(path, disposable, report)
}

/** True when a server or an app runs out of this folder; its supervisor (`up`) does not count. */
export function stackIsRunning(path: string): boolean {
  return dockerStarted(path) || runningNames(path).some((name) => name !== 'up')
}

export function addressesOf(ports: Ports, config: Pick<LocalConfig, 'given'>): Addresses {
  return {
    databaseUrl: config.given.databaseUrl ?? postgresUrl(ports.postgres),
    redisUrl: config.given.redisUrl ?? `redis://${LOOPBACK}:${ports.redis}`,
    kafkaBrokers: config.given.kafkaBrokers ?? [`${LOOPBACK}:${ports.kafka}`],
  }
}

function givenServers(config: Pick<LocalConfig, 'given'>): readonly ServerName[] {
  const { databaseUrl, redisUrl, kafkaBrokers } = config.given
  return serverNames.filter(
    (name) => ({ postgres: databaseUrl, redis: redisUrl, kafka: kafkaBrokers })[name] !== null,
  )
}

async function chooseHow(config: Pick<LocalConfig, 'servers'>): Promise<'docker' | 'native'> {
  if (config.servers === 'native') return 'native'
  if (await hasDocker()) return 'docker'
  if (config.servers === 'docker')
    throw new LocalFault('IRONSYS_SERVERS=docker, but no Docker engine answers')
  if (process.platform !== 'linux') {
    throw new LocalFault(
      `on ${process.platform} the servers run in Docker, and no engine answers: start Docker`,
    )
  }
  return 'native'
}

/** A healthy container is not yet one that answers on this machine's port. */
async function startContainers(
  folder: StackFolder,
  names: readonly ServerName[],
  addresses: Addresses,
): Promise<void> {
  await startDocker(folder, names)
  for (const name of names) {
    const answers = () => probe(name, addresses)
    if (await waitUntil(answers, CONTAINER_DEADLINE_MS, () => folder.signal.aborted)) continue
    await stopDocker(folder.path, folder.disposable, folder.report)
    throw new LocalFault(
      `${name} runs in Docker, but does not answer on port ${folder.ports[name]} of this machine`,
    )
  }
}

async function requireGiven(name: ServerName, addresses: Addresses, security?: GivenSecurity): Promise<void> {
  const variable = { postgres: 'DATABASE_URL', redis: 'REDIS_URL', kafka: 'KAFKA_BROKERS' }[name]
  if (await waitUntil(() => probe(name, addresses, security), GIVEN_DEADLINE_MS)) return
  throw new LocalFault(
    `${name} does not answer at the address that the environment gives (${variable}), or TLS or the password is refused`,
  )
}

/** Asks a server for a real answer. */
export function probe(name: ServerName, addresses: Addresses, security?: GivenSecurity): Promise<boolean> {
  switch (name) {
    case 'postgres':
      return probePostgres(addresses.databaseUrl)
    case 'redis':
      return probeRedis(addresses.redisUrl, security?.redisCa)
    case 'kafka':
      return probeKafka(addresses.kafkaBrokers, security?.kafka)
  }
}
