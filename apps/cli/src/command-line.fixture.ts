/** `./ironsys` against a test's system, as an operator's shell runs it. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { checkout } from '@ironsys/local'
import type { TestSystem } from '@ironsys/testing'

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Nobody sits at it: what asks finds no terminal. */
export function commandLineOf({ databaseUrl, redisUrl, kafkaBrokers }: TestSystem) {
  const env = {
    PATH: '/usr/bin:/bin',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    KAFKA_BROKERS: kafkaBrokers.join(),
  }
  const main = join(checkout, 'apps', 'cli', 'src', 'main.ts')
  return (...args: readonly string[]): Promise<Ended> => {
    const running = promisify(execFile)(process.execPath, [main, ...args], { env, cwd: checkout })
    running.child.stdin?.end()
    return running.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }),
    )
  }
}
