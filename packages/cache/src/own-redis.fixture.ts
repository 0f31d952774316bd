/** A Redis server of a test's own, to be killed, frozen and flushed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { type ConnectionLogger, connectRedis, redisReady } from './connection.ts'

export interface OwnRedis {
  readonly url: string
  /** A connection that is closed with the server's fixture. */
  connect(commandTimeoutMs?: number): Redis
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

export async function startOwnRedis(how: { readonly cluster?: boolean } = {}): Promise<OwnRedis> {
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
  const kill = async () => {
    if (server === null) return
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
    server = null
  }
  const start = async () => {
    const args = ['--bind', '127.0.0.1', '--port', `${port}`, '--save', '', '--dir', folder]
    if (how.cluster === true) args.push('--cluster-enabled', 'yes')
    server = spawn('redis-server', args, { stdio: 'ignore' })
    const probe = connectRedis(url, {
      name: 'probe',
      logger: { info() {}, warn() {} },
      commandTimeoutMs: 2000,
    })
    const ready = await redisReady(probe, START_DEADLINE_MS)
    probe.disconnect()
    if (!ready) throw new Error(`redis-server on port ${port} did not become ready`)
  }
  await start().catch(async (error: unknown) => {
    await kill()
    throw error
  })
  return {
    url,
    connect,
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
