/** A private stack for the benchmark: fresh servers on free ports, and both pipelines on them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
import { childEnvironment } from '../config.ts'
import { BARE_TOPIC, commonEnvironment, hexKey, PARTITIONS, prepare } from './preparation.ts'

export type PipelineName = 'bare' | 'real'

export interface Pipeline {
  readonly name: PipelineName
  readonly apiUrl: string
  /** Null: it counts nothing. */
  readonly apiMetricsUrl: string | null
  readonly workerMetricsUrl: string
  readonly api: RunningProcess
  readonly worker: RunningProcess
}

/** An answer of the real API, for the bare one to repeat. */
export interface Answer {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A process that answers cached GETs. */
export interface Reader {
  readonly apiUrl: string
  readonly api: RunningProcess
}

export interface BenchStack {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly real: Pipeline
  startBare(answer: Answer): Promise<Pipeline>
  /** The real server as far as one rung of apps/api/src/read-ladder.ts, which sends its spans to `collector`. */
  startRung(rung: Rung, answer: Answer, collector: string): Promise<Reader>
  /** One more API of the same system. */
  startSecondApi(): Promise<Reader>
  /** Of the servers that are processes of this machine. */
  readonly serverPids: Readonly<Record<string, number>>
  readonly brokers: readonly string[]
  /** So that commands pile up in the log. */
  stopWorker(): Promise<void>
  /** A new one; `real.worker` is then the one from before. */
  startWorker(): Promise<RunningProcess>
  stop(): Promise<void>
}

export const rungs = ['route', 'cache', 'metrics', 'logs', 'tracing', 'limits'] as const
export type Rung = (typeof rungs)[number]

const READY_DEADLINE_MS = 60_000
const STOP = { signal: 'SIGTERM', deadlineMs: 15_000 } as const

/** `name`: of its folder; two with the same name would stop each other. `settings`: of the API, beyond the usual. */
export async function startBenchStack(
  name: string,
  signal: AbortSignal,
  report: (line: string) => void,
  settings: Readonly<Record<string, string>> = {},
): Promise<BenchStack> {
  const path = join(folders.state, name)
  // A run that was killed has left its own behind.
  await stopAll(path)
  const started = new Stack(path, signal, settings)
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
  readonly #settings: Readonly<Record<string, string>>
  readonly #secrets = { ID_KEY: hexKey(), CURSOR_KEYS: `0:${hexKey()}` }

  constructor(path: string, signal: AbortSignal, settings: Readonly<Record<string, string>>) {
    this.#path = path
    this.#signal = signal
    this.#settings = settings
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
      redisUrl: addresses.redisUrl,
      real,
      startBare: (answer) => this.#startBare(addresses, answer, bareApi, bareWorker),
      startRung: (rung, answer, collector) => this.#startRung(rung, answer, collector),
      startSecondApi: () => this.#startSecondApi(addresses),
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
    const worker = await this.#launchWorker(addresses, ports.workerOps)
    const api = await this.#launchApi('api', addresses, { port: ports.api, opsPort: ports.apiOps })
    const workerUrl = `http://127.0.0.1:${ports.workerOps}`
    const apiUrl = `http://127.0.0.1:${ports.api}`
    await this.#waitFor(worker, workerUrl)
    await this.#waitFor(api, apiUrl)
    const apiMetricsUrl = `http://127.0.0.1:${ports.apiOps}/metrics`
    return { name: 'real', apiUrl, apiMetricsUrl, workerMetricsUrl: `${workerUrl}/metrics`, api, worker }
  }

  async #startSecondApi(addresses: Addresses): Promise<Reader> {
    const [port = 0, opsPort = 0] = await findFreePorts(2)
    const api = await this.#launchApi('api-2', addresses, { port, opsPort })
    const apiUrl = `http://127.0.0.1:${port}`
    await this.#waitFor(api, apiUrl)
    return { apiUrl, api }
  }

  #launchApi(
    name: string,
    addresses: Addresses,
    { port, opsPort }: { readonly port: number; readonly opsPort: number },
  ): Promise<RunningProcess> {
    return this.#launch(name, 'apps/api/src/main.ts', [], {
      ...commonEnvironment(addresses),
      ...this.#secrets,
      ...this.#settings,
      HOST: '127.0.0.1',
      PORT: String(port),
      OPS_PORT: String(opsPort),
    })
  }

  #launchWorker(addresses: Addresses, opsPort: number): Promise<RunningProcess> {
    const environment = { ...commonEnvironment(addresses), OPS_PORT: String(opsPort) }
    return this.#launch('worker', 'apps/worker/src/main.ts', [], environment)
  }

  async #startBare(
    addresses: Addresses,
    answer: Answer,
    apiPort: number,
    workerPort: number,
  ): Promise<Pipeline> {
    const file = join(this.#path, 'answer.json')
    writeFileSync(file, JSON.stringify(answer))
    const flags = [
      ...[
        '--brokers',
        addresses.kafkaBrokers.join(','),
        '--topic',
        BARE_TOPIC,
        '--partitions',
        String(PARTITIONS),
      ],
      ...['--database', addresses.databaseUrl, '--answer', file],
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
    return {
      name: 'bare',
      apiUrl,
      apiMetricsUrl: null,
      workerMetricsUrl: `${workerUrl}/metrics`,
      api,
      worker,
    }
  }

  async #startRung(rung: Rung, { body }: Answer, collector: string): Promise<Reader> {
    const [port = 0] = await findFreePorts(1)
    const file = join(this.#path, 'document.json')
    writeFileSync(file, body)
    const args = [rung, String(port), file, collector]
    const api = await this.#launch(`rung-${rung}`, 'apps/api/src/read-ladder.ts', args, {
      NODE_ENV: 'production',
    })
    const apiUrl = `http://127.0.0.1:${port}`
    await this.#waitFor(api, apiUrl)
    return { apiUrl, api }
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
    ['api', 'api-2', 'worker', 'bare-api', 'bare-worker', ...rungs.map((rung) => `rung-${rung}`)].map(
      (name) => stopByPidFile(path, name, STOP),
    ),
  )
  await stopStack(path, true)
  removeStack(path)
}
