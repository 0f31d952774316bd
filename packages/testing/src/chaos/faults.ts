/** How each kind of fault is injected, healed and timed. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerName } from '@ironsys/local'
import { Redis } from 'ioredis'
import type { TcpProxy } from '../tcp-proxy.ts'
import type { AppInstance } from './app-instance.ts'
import type { FaultKind, PlannedFault } from './fault-plan.ts'
import { type NemesisDeps, RECOVERY_DEADLINE_MS, seconds } from './nemesis.ts'
import { ownedPartitions } from './owned-partitions.ts'
import type { Recovery, RecoveryKind } from './recovery.ts'

/** A commit that was on its way when its writer was killed may still come: it is not a new owner's. */
const LAST_GASP_MS = 500
/** Kafka's protocol: the API key after 4 bytes of size; Produce is 0. */
const PRODUCE = { at: 4, key: 0 } as const

export type Inject = (fault: PlannedFault) => Promise<readonly Recovery[]>

/** Resolves when the fault is healed, and what it brought down is back or given up. */
export function createFaults(deps: NemesisDeps): Inject {
  const { system, say } = deps
  const proxyFault = async (
    { kind, durationMs }: PlannedFault,
    begin: () => void,
    end: () => void,
  ): Promise<readonly Recovery[]> => {
    say(`${kind}${durationMs > 0 ? ` for ${seconds(durationMs)}` : ''}`)
    begin()
    await delay(durationMs)
    end()
    return []
  }
  const cut = (fault: PlannedFault, proxy: TcpProxy) =>
    proxyFault(
      fault,
      () => proxy.cutAll(),
      () => undefined,
    )
  const stall = (fault: PlannedFault, proxy: TcpProxy) =>
    proxyFault(
      fault,
      () => proxy.stall(),
      () => proxy.resume(),
    )
  const { proxies } = system
  return async (fault) => {
    switch (fault.kind) {
      case 'kill-worker':
        return killWorker(system.workers[fault.instance], deps)
      case 'freeze-worker':
        return freezeWorker(system.workers[fault.instance], fault.durationMs, deps)
      case 'rival-worker':
        return addRival(system.rival, fault.durationMs, deps)
      case 'kill-api':
        return killApi(system.apis[fault.instance], deps)
      case 'freeze-api':
        return freezeApi(system.apis[fault.instance], fault.durationMs, deps)
      case 'kill-kafka':
        return killKafka(deps)
      case 'kill-postgres':
        return killPostgres(deps)
      case 'kill-redis':
        return killRedis(deps)
      case 'freeze-redis':
        return proxyFault(
          fault,
          () => system.signalServer('redis', 'SIGSTOP'),
          () => system.signalServer('redis', 'SIGCONT'),
        )
      case 'flush-redis':
        return flushRedis(deps)
      case 'cut-kafka':
      case 'cut-redis':
      case 'cut-postgres':
        return cut(fault, proxies[serverOf(fault.kind)])
      case 'stall-kafka':
      case 'stall-redis':
      case 'stall-postgres':
        return stall(fault, proxies[serverOf(fault.kind)])
      case 'lose-kafka-answers':
        return loseAnswers(fault, proxies.kafka, isProduce, deps)
      case 'lose-postgres-answers':
        return loseAnswers(fault, proxies.postgres, commits, deps)
    }
  }
}

function serverOf(kind: Extract<FaultKind, `${'cut' | 'stall'}-${string}`>): ServerName {
  switch (kind) {
    case 'cut-kafka':
    case 'stall-kafka':
      return 'kafka'
    case 'cut-redis':
    case 'stall-redis':
      return 'redis'
    case 'cut-postgres':
    case 'stall-postgres':
      return 'postgres'
  }
}

async function killWorker(worker: AppInstance, deps: NemesisDeps): Promise<readonly Recovery[]> {
  const owned = await ownedPartitions(worker)
  const killedMs = Date.now()
  deps.say(
    `kill-worker: SIGKILL to ${worker.name}, which has ${owned.length} partitions; started again at once`,
  )
  await worker.kill()
  const restarted = worker.start()
  const moved = await untilMoved(owned, killedMs, deps)
  await restarted
  return moved === null ? [] : [recovery('worker-killed', 'kill-worker', moved, killedMs, deps)]
}

async function freezeWorker(
  worker: AppInstance,
  durationMs: number,
  deps: NemesisDeps,
): Promise<readonly Recovery[]> {
  const owned = await ownedPartitions(worker)
  const frozenMs = Date.now()
  deps.say(
    `freeze-worker: SIGSTOP to ${worker.name} for ${seconds(durationMs)}, which has ${owned.length} partitions`,
  )
  worker.freeze()
  const moving = untilMoved(owned, frozenMs, deps)
  await delay(durationMs)
  worker.thaw()
  deps.say(`  ${worker.name} thaws`)
  const moved = await moving
  return moved === null ? [] : [recovery('worker-frozen', 'freeze-worker', moved, frozenMs, deps)]
}

async function addRival(
  rival: AppInstance,
  durationMs: number,
  { say }: NemesisDeps,
): Promise<readonly Recovery[]> {
  say(`rival-worker: a worker of another group for ${seconds(durationMs)}`)
  await rival.start()
  await delay(durationMs)
  await rival.end()
  return []
}

interface Moved {
  readonly atMs: number | null
}

/** Each of them committed by somebody after `sinceMs`; null when there are none. */
async function untilMoved(
  partitions: readonly string[],
  sinceMs: number,
  { progress }: NemesisDeps,
): Promise<Moved | null> {
  if (partitions.length === 0) return null
  const atMs = await progress.until(
    (now) => partitions.every((each) => (now.get(each)?.updatedMs ?? 0) > sinceMs + LAST_GASP_MS),
    RECOVERY_DEADLINE_MS,
  )
  return { atMs }
}

async function killApi(api: AppInstance, deps: NemesisDeps): Promise<readonly Recovery[]> {
  deps.say(`kill-api: SIGKILL to ${api.name}, started again at once`)
  const killedMs = Date.now()
  await api.kill()
  await api.start()
  return [recovery('api-killed', 'kill-api', { atMs: Date.now() }, killedMs, deps)]
}

async function freezeApi(
  api: AppInstance,
  durationMs: number,
  { say }: NemesisDeps,
): Promise<readonly Recovery[]> {
  say(`freeze-api: SIGSTOP to ${api.name} for ${seconds(durationMs)}`)
  api.freeze()
  await delay(durationMs)
  api.thaw()
  return []
}

async function killKafka(deps: NemesisDeps): Promise<readonly Recovery[]> {
  deps.say('kill-kafka: SIGKILL, started again at once')
  const killedMs = Date.now()
  await deps.system.killServer('kafka')
  const goneMs = Date.now()
  const accepted = deps.firstAccepted(goneMs, RECOVERY_DEADLINE_MS)
  await deps.system.startServer('kafka')
  const answersMs = Date.now()
  const atMs = await accepted
  return [
    recovery('broker-answers', 'kill-kafka', { atMs: answersMs }, killedMs, deps),
    recovery('broker-acks', 'kill-kafka', { atMs: atMs && Math.max(atMs, answersMs) }, answersMs, deps),
    recovery('broker-killed-acks', 'kill-kafka', { atMs }, killedMs, deps),
  ]
}

async function killPostgres(deps: NemesisDeps): Promise<readonly Recovery[]> {
  deps.say('kill-postgres: SIGKILL to all its processes, started again at once')
  const killedMs = Date.now()
  await deps.system.killServer('postgres')
  const goneMs = Date.now()
  const committed = deps.progress.until(
    (now) => [...now.values()].some(({ updatedMs }) => updatedMs > goneMs),
    RECOVERY_DEADLINE_MS,
  )
  await deps.system.startServer('postgres')
  const answersMs = Date.now()
  const atMs = await committed
  return [
    recovery('database-answers', 'kill-postgres', { atMs: answersMs }, killedMs, deps),
    recovery(
      'database-commits',
      'kill-postgres',
      { atMs: atMs && Math.max(atMs, answersMs) },
      answersMs,
      deps,
    ),
    recovery('database-killed-commits', 'kill-postgres', { atMs }, killedMs, deps),
  ]
}

async function killRedis({ system, say }: NemesisDeps): Promise<readonly Recovery[]> {
  say('kill-redis: SIGKILL, started again at once')
  await system.killServer('redis')
  await system.startServer('redis')
  return []
}

async function flushRedis({ system, say }: NemesisDeps): Promise<readonly Recovery[]> {
  say('flush-redis')
  const redis = new Redis(system.direct.redisUrl, { lazyConnect: true, retryStrategy: null })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    await redis.flushall()
  } catch (error) {
    // Another fault has it down at this moment.
    say(`  Redis cannot be flushed now: ${error instanceof Error ? error.message : error}`)
  } finally {
    redis.disconnect()
  }
  return []
}

/** For the time given: whoever produces, or commits, has done so and never hears of it. */
async function loseAnswers(
  { kind, durationMs }: PlannedFault,
  proxy: TcpProxy,
  matches: (chunk: Buffer) => boolean,
  { say }: NemesisDeps,
): Promise<readonly Recovery[]> {
  say(`${kind} for ${seconds(durationMs)}`)
  let lost = 0
  const untilMs = Date.now() + durationMs
  while (Date.now() < untilMs) {
    const fired = proxy.arm('lost-answer', { matches }).then(() => lost++)
    await Promise.race([fired, delay(untilMs - Date.now())])
  }
  proxy.disarm()
  say(`  ${lost} answers lost`)
  return []
}

function isProduce(chunk: Buffer): boolean {
  return chunk.length > PRODUCE.at + 2 && chunk.readInt16BE(PRODUCE.at) === PRODUCE.key
}

/** The writer's transaction begins with the prepared statement of this name. */
function commits(chunk: Buffer): boolean {
  return chunk.includes('partition-advance')
}

function recovery(
  kind: RecoveryKind,
  fault: FaultKind,
  { atMs }: Moved,
  sinceMs: number,
  { say }: NemesisDeps,
): Recovery {
  const tookMs = atMs === null ? null : atMs - sinceMs
  say(`  ${kind}: ${tookMs === null ? 'NOT in time' : seconds(tookMs)}`)
  return { kind, fault, tookMs }
}
