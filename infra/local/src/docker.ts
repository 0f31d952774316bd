/** The same servers by a Docker engine: docker-compose.yml of the checkout, with this stack's ports. */

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, run } from './commands.ts'
import { inheritedEnvironment } from './config.ts'
import { LocalFault } from './faults.ts'
import { checkout } from './folders.ts'
import { requireFreePort } from './ports.ts'
import type { ServerName, StackFolder } from './server.ts'

const ASK_TIMEOUT_MS = 10_000
const UP_TIMEOUT_MS = 10 * 60_000
const DOWN_TIMEOUT_MS = 2 * 60_000
const COMPOSE_FILE = join(checkout, 'docker-compose.yml')

/** True when an engine answers and has compose: a client alone is not enough. */
export async function hasDocker(): Promise<boolean> {
  const docker = findProgram('docker')
  if (docker === null) return false
  const engine = await run(docker, ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: ASK_TIMEOUT_MS })
  // An old client ends with 0 although nobody answered; it then has no version to show.
  if (engine.code !== 0 || !/^\d+\./.test(engine.output)) return false
  return (await run(docker, ['compose', 'version'], { timeoutMs: ASK_TIMEOUT_MS })).code === 0
}

/** True when this stack's containers were started and not stopped since. */
export function dockerStarted(folder: string): boolean {
  return existsSync(markPath(folder))
}

/** Starts `names` and resolves when their health checks pass. */
export async function startDocker(stack: StackFolder, names: readonly ServerName[]): Promise<void> {
  for (const name of names) await requireFreePort(stack.ports[name], name)
  mkdirSync(stack.path, { recursive: true })
  writeFileSync(markPath(stack.path), `${projectName(stack.path)}\n`)
  stack.report('starting the servers with Docker (images are pulled the first time)')
  const outcome = await compose(stack.path, ['up', '--detach', '--wait', ...names], {
    timeoutMs: UP_TIMEOUT_MS,
    signal: stack.signal,
    env: variables(stack),
    onLine: (line) => {
      if (/(Pulled|Started|Healthy|Error)\s*$/.test(line)) stack.report(`  ${line.trim()}`)
    },
  })
  if (outcome.code === 0) return
  const logs = await compose(stack.path, ['logs', '--tail', '15'], { timeoutMs: ASK_TIMEOUT_MS })
  await stopDocker(stack.path, stack.disposable, stack.report)
  throw new LocalFault(
    'docker compose could not start the servers',
    `${outcome.output.slice(-1500)}\n${logs.output}`,
  )
}

/** Stops the containers; with `removeData` their volumes go too. */
export async function stopDocker(
  folder: string,
  removeData: boolean,
  report: (line: string) => void,
): Promise<void> {
  const args = ['down', '--timeout', '20', ...(removeData ? ['--volumes'] : [])]
  const outcome = await compose(folder, args, { timeoutMs: DOWN_TIMEOUT_MS })
  if (outcome.code !== 0)
    throw new LocalFault('docker compose could not stop the servers', outcome.output.slice(-1500))
  rmSync(markPath(folder), { force: true })
  report('the containers are stopped')
}

/** What runs a program inside a server's container. */
export function dockerExecCommand(
  folder: string,
  server: ServerName,
  interactive: boolean,
): readonly string[] {
  return ['docker', ...composeArgs(folder), 'exec', ...(interactive ? [] : ['-T']), server]
}

/** Removes the containers and volumes of a stack, also of one that is stopped. */
export async function removeDocker(folder: string): Promise<void> {
  if (await hasDocker()) await compose(folder, ['down', '--volumes'], { timeoutMs: DOWN_TIMEOUT_MS })
}

/** The servers' logs, as `docker compose logs` shows them. */
export function dockerLogsCommand(folder: string, follow: boolean): readonly string[] {
  return ['docker', ...composeArgs(folder), 'logs', ...(follow ? ['--follow'] : [])]
}

interface ComposeOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly env?: Readonly<Record<string, string>>
  readonly onLine?: (line: string) => void
}

function compose(folder: string, args: readonly string[], options: ComposeOptions) {
  const env = { ...inheritedEnvironment(), ...options.env }
  return run('docker', [...composeArgs(folder), ...args], { ...options, env, cwd: checkout })
}

/** Two checkouts on one machine are two projects, and so have volumes of their own. */
function composeArgs(folder: string): readonly string[] {
  return ['compose', '--file', COMPOSE_FILE, '--project-name', projectName(folder), '--ansi', 'never']
}

function projectName(folder: string): string {
  return `ironsys-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
}

function variables({ path, ports }: StackFolder): Readonly<Record<string, string>> {
  return {
    IRONSYS_KAFKA_CLUSTER_ID: clusterId(path),
    IRONSYS_POSTGRES_PORT: String(ports.postgres),
    IRONSYS_REDIS_PORT: String(ports.redis),
    IRONSYS_KAFKA_PORT: String(ports.kafka),
  }
}

/** The image's own id is the same everywhere; a log that was thrown away must not come back under its old name. */
function clusterId(folder: string): string {
  const path = join(folder, 'kafka-cluster-id')
  if (!existsSync(path)) writeFileSync(path, randomBytes(16).toString('base64url').replace(/^-/, 'A'))
  return readFileSync(path, 'utf8')
}

function markPath(folder: string): string {
  return join(folder, 'docker')
}
