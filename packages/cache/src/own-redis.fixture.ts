/** Redis servers of a test's own, to be killed, frozen, filled and flushed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { vi } from 'vitest'
import { type ConnectionLogger, connectRedis, redisReady } from './connection.ts'

export interface OwnRedis {
  readonly url: string
  /** A connection that is closed with the server's fixture. */
  connect(commandTimeoutMs?: number): Redis
  /** As {@link OwnRedis.connect}, and it is ready. */
  connected(commandTimeoutMs?: number): Promise<Redis>
  start(): Promise<void>
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  freeze(): void
  thaw(): void
  close(): Promise<void>
  /** What connections logged. */
  readonly logged: string[]
}

const START_DEADLINE_MS = 15_000
const silent: ConnectionLogger = { info() {}, warn() {} }

export async function startOwnRedis(how: { readonly args?: readonly string[] } = {}): Promise<OwnRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'ironsys-redis-'))
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const connections: Redis[] = []
  const logged: string[] = []
  const logger: ConnectionLogger = {
    info: (_fields, message) => void logged.push(message),
    warn: (_fields, message) => void logged.push(message),
  }
  let server: ChildProcess | null = null
  const connect = (commandTimeoutMs = 300) => {
    const redis = connectRedis(url, { name: 'test', logger, commandTimeoutMs })
    connections.push(redis)
    return redis
  }
  const connected = async (commandTimeoutMs?: number) => {
    const redis = connect(commandTimeoutMs)
    await requireReady(redis, url)
    return redis
  }
  const kill = async () => {
    if (server === null) return
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
    server = null
  }
  const start = async () => {
    const args = [
      '--bind',
      '127.0.0.1',
      '--port',
      `${port}`,
      '--save',
      '',
      '--dir',
      folder,
      ...(how.args ?? []),
    ]
    server = spawn('redis-server', args, { stdio: 'ignore' })
    const probe = connectRedis(url, { name: 'probe', logger: silent, commandTimeoutMs: 2000 })
    await requireReady(probe, url).finally(() => probe.disconnect())
  }
  await start().catch(async (error: unknown) => {
    await kill()
    throw error
  })
  return {
    url,
    connect,
    connected,
    start,
    kill,
    logged,
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    async close() {
      for (const redis of connections) redis.disconnect()
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export interface OwnCluster {
  readonly nodes: readonly OwnRedis[]
  readonly urls: readonly [string, ...string[]]
  close(): Promise<void>
}

const CLUSTER_NODES = 3
const HASH_SLOTS = 16_384

/** Three masters without replicas that share the hash slots. */
export async function startOwnCluster(): Promise<OwnCluster> {
  const busPorts: number[] = []
  const nodes: OwnRedis[] = []
  const close = async () => void (await Promise.all(nodes.map((node) => node.close())))
  try {
    for (let i = 0; i < CLUSTER_NODES; i++) {
      const busPort = await freePort()
      busPorts.push(busPort)
      nodes.push(await startOwnRedis({ args: ['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`] }))
    }
    await joinNodes(nodes, busPorts)
  } catch (error) {
    await close()
    throw error
  }
  const [first, ...others] = nodes.map(({ url }) => url)
  if (first === undefined) throw new Error('a cluster without nodes')
  return { nodes, urls: [first, ...others], close }
}

async function joinNodes(nodes: readonly OwnRedis[], busPorts: readonly number[]): Promise<void> {
  const connections = await Promise.all(nodes.map((node) => node.connected(2000)))
  const share = Math.ceil(HASH_SLOTS / nodes.length)
  for (const [i, redis] of connections.entries()) {
    const last = Math.min((i + 1) * share, HASH_SLOTS) - 1
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', `${i * share}`, `${last}`)
    const { port } = new URL(nodes[0]?.url ?? '')
    if (i > 0) await redis.call('CLUSTER', 'MEET', '127.0.0.1', port, `${busPorts[0]}`)
  }
  const isJoined = async (redis: Redis) => {
    const info = await redis.cluster('INFO')
    return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${nodes.length}`)
  }
  const allJoined = async () => {
    const joined = await Promise.all(connections.map(isJoined))
    if (!joined.every(Boolean)) throw new Error('the cluster is not joined')
  }
  await vi.waitFor(allJoined, { timeout: START_DEADLINE_MS, interval: 50 })
}

async function requireReady(redis: Redis, url: string): Promise<void> {
  if (!(await redisReady(redis, START_DEADLINE_MS))) throw new Error(`${url} did not become ready`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
