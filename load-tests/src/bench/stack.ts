/** A private stack for the benchmark: fresh servers on free ports, and both pipelines on them. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { topicSettings, topics } from '@ironsys/contracts'
import { createLogAdmin } from '@ironsys/kafka'
import {
  type Addresses,
  appNodeOptions,
  checkout,
  findFreePorts,
  folders,
  launch,
  pidPath,
  probeReady,
  type RunningProcess,
  readPidFile,
  removeStack,
  startStack,
  stopByPidFile,
  stopStack,
  waitReady,
} from '@ironsys/local'
import { migrate } from '@ironsys/postgres'
import { Client } from 'pg'
import { childEnvironment } from '../config.ts'

export type PipelineName = 'bare' | 'real'

export interface Pipeline {
  readonly name: PipelineName
  readonly apiUrl: string
  readonly workerMetricsUrl: string
  readonly api: RunningProcess
  readonly worker: RunningProcess
}

export interface BenchStack {
  readonly databaseUrl: string
  readonly real: Pipeline
  startBare(document: Buffer): Promise<Pipeline>
  /** Of the servers that are processes of this machine. */
  readonly serverPids: Readonly<Record<string, number>>
  readonly brokers: readonly string[]
  /** So that commands pile up in the log. */
  stopWorker(): Promise<void>
  /** A new one; `real.worker` is then the one from before. */
  startWorker(): Promise<RunningProcess>
  stop(): Promise<void>
}

export const PARTITIONS = 12
const BARE_TOPIC = 'bench.bare'
const READY_DEADLINE_MS = 60_000
const STOP = { signal: 'SIGTERM', deadlineMs: 15_000 } as const
const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** `name`: of its folder; two with the same name would stop each other. */
export async function startBenchStack(
  name: string,
  signal: AbortSignal,
  report: (line: string) => void,
): Promise<BenchStack> {
  const path = join(folders.state, name)
  // A run that was killed has left its own behind.
  await stopAll(path)
  const started = new Stack(path, signal)
  try {
    return await started.start(report)
  } catch (error) {
    await started.stop()
    throw error
  }
}

class Stack {
  readonly #path: string
  readonly #signal: AbortSignal

  constructor(path: string, signal: AbortSignal) {
    this.#path = path
    this.#signal = signal
  }

  async start(report: (line: string) => void): Promise<BenchStack> {
    const [
      postgres = 0,
      redis = 0,
      kafka = 0,
      kafkaController = 0,
      api = 0,
      apiOps = 0,
      workerOps = 0,
      bareApi = 0,
      bareWorker = 0,
    ] = await findFreePorts(9)
    const ports = { postgres, redis, kafka, kafkaController }
    const folder = { path: this.#path, ports, disposable: true, report, signal: this.#signal }
    const none = { databaseUrl: null, redisUrl: null, kafkaBrokers: null }
    const { addresses } = await startStack(folder, { given: none, servers: 'auto' })
    await prepare(addresses)
    const real = await this.#startReal(addresses, { api, apiOps, workerOps })
    return {
      databaseUrl: addresses.databaseUrl,
      real,
      startBare: (document) => this.#startBare(addresses, document, bareApi, bareWorker),
      serverPids: this.#serverPids(),
      brokers: addresses.kafkaBrokers,
      stopWorker: async () => void (await stopByPidFile(this.#path, 'worker', STOP)),
      startWorker: async () => {
        const worker = await this.#launchWorker(addresses, workerOps)
        await this.#waitFor(worker, `http://127.0.0.1:${workerOps}`)
        return worker
      },
      stop: () => this.stop(),
    }
  }

  stop(): Promise<void> {
    return stopAll(this.#path)
  }

  #serverPids(): Readonly<Record<string, number>> {
    const found = ['postgres', 'redis', 'kafka'].map((name) => [
      name,
      readPidFile(pidPath(this.#path, name))?.pid,
    ])
    return Object.fromEntries(found.filter(([, pid]) => pid !== undefined))
  }

  async #startReal(
    addresses: Addresses,
    ports: { readonly api: number; readonly apiOps: number; readonly workerOps: number },
  ): Promise<Pipeline> {
    const secrets = { ID_KEY: hexKey(), CURSOR_KEYS: `0:${hexKey()}` }
    const worker = await this.#launchWorker(addresses, ports.workerOps)
    const api = await this.#launch('api', 'apps/api/src/main.ts', [], {
      ...commonEnvironment(addresses),
      ...secrets,
      HOST: '127.0.0.1',
      PORT: String(ports.api),
      OPS_PORT: String(ports.apiOps),
    })
    const workerUrl = `http://127.0.0.1:${ports.workerOps}`
    const apiUrl = `http://127.0.0.1:${ports.api}`
    await this.#waitFor(worker, workerUrl)
    await this.#waitFor(api, apiUrl)
    return { name: 'real', apiUrl, workerMetricsUrl: `${workerUrl}/metrics`, api, worker }
  }

  #launchWorker(addresses: Addresses, opsPort: number): Promise<RunningProcess> {
    const environment = { ...commonEnvironment(addresses), OPS_PORT: String(opsPort) }
    return this.#launch('worker', 'apps/worker/src/main.ts', [], environment)
  }

  async #startBare(
    addresses: Addresses,
    document: Buffer,
    apiPort: number,
    workerPort: number,
  ): Promise<Pipeline> {
    const file = join(this.#path, 'document.json')
    writeFileSync(file, document)
    const flags = [
      ...[
        '--brokers',
        addresses.kafkaBrokers.join(','),
        '--topic',
        BARE_TOPIC,
        '--partitions',
        String(PARTITIONS),
      ],
      ...['--database', addresses.databaseUrl, '--document', file],
    ]
    const environment = { NODE_ENV: 'production' }
    const worker = await this.#launch(
      'bare-worker',
      'load-tests/bare/worker.ts',
      [...flags, '--port', `${workerPort}`],
      environment,
    )
    const api = await this.#launch(
      'bare-api',
      'load-tests/bare/api.ts',
      [...flags, '--port', `${apiPort}`],
      environment,
    )
    const workerUrl = `http://127.0.0.1:${workerPort}`
    const apiUrl = `http://127.0.0.1:${apiPort}`
    await this.#waitFor(worker, workerUrl)
    await this.#waitFor(api, apiUrl)
    return { name: 'bare', apiUrl, workerMetricsUrl: `${workerUrl}/metrics`, api, worker }
  }

  #launch(
    name: string,
    program: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>>,
  ) {
    return launch({
      name,
      command: process.execPath,
      args: [...appNodeOptions, join(checkout, program), ...args],
      folder: this.#path,
      cwd: checkout,
      env: childEnvironment(environment),
      signal: this.#signal,
    })
  }

  #waitFor(running: RunningProcess, url: string): Promise<void> {
    return waitReady(running, () => probeReady(url), READY_DEADLINE_MS, this.#signal)
  }
}

async function stopAll(path: string): Promise<void> {
  await Promise.all(
    ['api', 'worker', 'bare-api', 'bare-worker'].map((name) => stopByPidFile(path, name, STOP)),
  )
  await stopStack(path, true)
  removeStack(path)
}

/** Tables and topics of both pipelines. */
async function prepare({ databaseUrl, kafkaBrokers }: Addresses): Promise<void> {
  await migrate(databaseUrl)
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`CREATE TABLE bare_reservations (id uuid PRIMARY KEY, slot_id uuid NOT NULL, user_id text NOT NULL,
    quantity integer NOT NULL, created_at timestamptz NOT NULL)`)
  await client.end()
  const admin = createLogAdmin({ brokers: kafkaBrokers, clientId: 'bench', logger: silent })
  const names = [...Object.values(topics), BARE_TOPIC]
  await admin.ensureTopics(names.map((topic) => ({ topic, partitions: PARTITIONS, settings: topicSettings })))
  await admin.close()
}

/** As in production, but for authentication, which does not exist yet. */
function commonEnvironment({
  databaseUrl,
  redisUrl,
  kafkaBrokers,
}: Addresses): Readonly<Record<string, string>> {
  return {
    NODE_ENV: 'production',
    ALLOW_NO_AUTH: 'yes',
    AUTH_MODE: 'none',
    LOG_LEVEL: 'info',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    KAFKA_BROKERS: kafkaBrokers.join(','),
    PARTITIONS: String(PARTITIONS),
    OPS_HOST: '127.0.0.1',
  }
}

function hexKey(): string {
  return randomBytes(32).toString('hex')
}
