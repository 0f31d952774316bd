/** Redis as a process of this machine. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, run } from './commands.ts'
import { LocalFault } from './faults.ts'
import { install } from './install.ts'
import { LOOPBACK, requireFreePort } from './ports.ts'
import { probeRedis } from './probes.ts'
import { launch, waitReady } from './processes.ts'
import type { NativeServer, StackFolder } from './server.ts'

const READY_DEADLINE_MS = 20_000
const OLDEST_MAJOR = 7

export function redisServer(stack: StackFolder): NativeServer {
  let program = ''
  return {
    name: 'redis',
    prepare: async () => {
      program = await findRedis(stack.report)
    },
    start: async () => {
      await requireFreePort(stack.ports.redis, 'Redis')
      const data = join(stack.path, 'redis')
      mkdirSync(data, { recursive: true })
      const args = [
        ...['--bind', LOOPBACK, '--port', String(stack.ports.redis), '--dir', data, '--daemonize', 'no'],
        // Redis holds copies only (ARCHITECTURE, pillar 4): losing them costs a refill, so no fsync is paid for.
        ...['--appendonly', 'no', '--save', stack.disposable ? '' : '60 1000'],
      ]
      const running = await launch({
        name: 'redis',
        command: program,
        args,
        folder: stack.path,
        signal: stack.signal,
      })
      await waitReady(
        running,
        () => probeRedis(`redis://${LOOPBACK}:${stack.ports.redis}`),
        READY_DEADLINE_MS,
        stack.signal,
      )
      return running
    },
  }
}

async function findRedis(report: (line: string) => void): Promise<string> {
  const found = findProgram('redis-server')
  if (found === null) await install({ what: 'Redis 7', packages: ['redis-server'] }, report)
  const program = findProgram('redis-server')
  if (program === null) throw new LocalFault('redis-server was installed but is not on PATH')
  const version = (await run(program, ['--version'])).output
  const major = Number(/v=(\d+)/.exec(version)?.[1] ?? 0)
  if (major < OLDEST_MAJOR) {
    throw new LocalFault(`Redis ${OLDEST_MAJOR} or newer is needed, ${program} is: ${version.trim()}`)
  }
  return program
}
