/** The stack that `up` runs: who it is, where its servers are, and what its apps are told. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Addresses,
  addressesOf,
  folders,
  isRunning,
  LOOPBACK,
  type ProcessMark,
  pidPath,
  readPidFile,
} from '@ironsys/local'
import { z } from 'zod'
import type { Context } from './command.ts'
import type { CliConfig } from './config.ts'
import { deploymentKeys } from './keys.ts'

/** Written when everything answers: by whom it runs, and with which addresses. */
const stateSchema = z.object({
  pid: z.int(),
  started: z.string(),
  databaseUrl: z.string(),
  redisUrl: z.string(),
  kafkaBrokers: z.array(z.string()),
  apiUrl: z.string(),
})
export type RunningState = z.infer<typeof stateSchema>

export const supervisorPidPath = pidPath(folders.stack, 'up')
const statePath = join(folders.stack, 'running.json')

/** The `up` that runs, ready or not. */
export function supervisor(): ProcessMark | null {
  return readPidFile(supervisorPidPath)
}

export function apiUrl(config: CliConfig): string {
  return `http://${LOOPBACK}:${config.apiPort}`
}

/** The state of the stack that is ready now, or null. */
export function runningState(): RunningState | null {
  if (!existsSync(statePath)) return null
  const parsed = stateSchema.safeParse(JSON.parse(readFileSync(statePath, 'utf8')))
  return parsed.success && isRunning(parsed.data) ? parsed.data : null
}

/** Addresses may hold passwords: for the owner's eyes only. */
export function writeRunningState(state: RunningState): void {
  writeFileSync(statePath, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
}

export function removeRunningState(): void {
  rmSync(statePath, { force: true })
}

/** Where the servers are: as the environment says, else as the running stack says, else where `up` would start them. */
export function currentAddresses(config: CliConfig): Addresses {
  const standard = addressesOf(config.local.ports, config.local)
  const running = runningState()
  const { databaseUrl, redisUrl, kafkaBrokers } = config.local.given
  return {
    databaseUrl: databaseUrl ?? running?.databaseUrl ?? standard.databaseUrl,
    redisUrl: redisUrl ?? running?.redisUrl ?? standard.redisUrl,
    kafkaBrokers: kafkaBrokers ?? running?.kafkaBrokers ?? standard.kafkaBrokers,
  }
}

/** All clients of a local stack have one address, and each other limit is for one user. */
const localLimits = { RATE_IP_PER_SECOND: '1000000', RATE_IP_BURST: '1000000' }

/** What every program that belongs to the stack finds in its environment. */
export function stackEnvironment(context: Context, addresses: Addresses): Record<string, string | undefined> {
  const keys = deploymentKeys(context.config)
  return {
    ...localLimits,
    ...context.environment,
    DATABASE_URL: addresses.databaseUrl,
    REDIS_URL: addresses.redisUrl,
    KAFKA_BROKERS: addresses.kafkaBrokers.join(','),
    PARTITIONS: String(context.config.partitionCount),
    ID_KEY: keys.idKey,
    CURSOR_KEYS: keys.cursorKeys,
    API_URL: apiUrl(context.config),
    API_OPS_URL: `http://${LOOPBACK}:${context.config.apiOpsPort}`,
    WORKER_OPS_URL: `http://${LOOPBACK}:${context.config.workerOpsPort}`,
    FORCE_COLOR: undefined,
  }
}
