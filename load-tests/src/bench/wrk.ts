/** wrk as a load generator: closed loop, keep-alive, its latencies corrected for nothing. */
import { fileURLToPath } from 'node:url'
import { findProgram, install, run } from '@ironsys/local'
import { z } from 'zod'
import { LoadTestFault } from '../faults.ts'

const resultSchema = z.object({
  requests: z.number(),
  /** Of all answers, heads included. */
  bytes: z.number(),
  duration_us: z.number(),
  p50_us: z.number(),
  p99_us: z.number(),
  max_us: z.number(),
  /** Answers with a status above 399. */
  status_errors: z.number(),
  socket_errors: z.number(),
  timeouts: z.number(),
})

export interface WrkResult extends z.infer<typeof resultSchema> {
  /** User and system time of wrk itself. */
  readonly cpuSeconds: number
}

export interface WrkRun {
  readonly url: string
  readonly script: 'reserve' | 'read' | 'mix' | 'lives'
  readonly args: readonly string[]
  readonly seconds: number
  readonly connections: number
  readonly threads: number
  readonly signal: AbortSignal
}

/** Installs wrk where that is possible; else throws a fault that says how to get it. */
export async function requireWrk(report: (line: string) => void): Promise<void> {
  if (findProgram('wrk') === null)
    await install({ what: 'wrk, the load generator', packages: ['wrk'] }, report)
}

export async function runWrk({
  url,
  script,
  args,
  seconds,
  connections,
  threads,
  signal,
}: WrkRun): Promise<WrkResult> {
  const file = fileURLToPath(new URL(`../../wrk/${script}.lua`, import.meta.url))
  const flags = [
    '-t',
    `${threads}`,
    '-c',
    `${connections}`,
    '-d',
    `${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    file,
    url,
  ]
  // The shell's `times` gives what its children used: wrk is gone before anybody could look it up.
  const command = 'wrk "$@"; code=$?; times; exit $code'
  const { code, output } = await run('bash', ['-c', command, 'wrk', ...flags, '--', ...args], { signal })
  if (signal.aborted) throw new LoadTestFault('interrupted')
  const line = /^RESULT (\{.*\})$/m.exec(output)?.[1]
  if (code !== 0 || line === undefined) throw new LoadTestFault(`wrk failed (${code}): ${output.slice(-500)}`)
  return { ...resultSchema.parse(JSON.parse(line)), cpuSeconds: childSeconds(output) }
}

/** The second line of `times`: user and system time of the children, as 0m1.234s. */
function childSeconds(output: string): number {
  const lines = [...output.matchAll(/^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/gm)]
  const [, userMinutes, user, systemMinutes, system] = lines[1] ?? []
  return Number(userMinutes) * 60 + Number(user) + Number(systemMinutes) * 60 + Number(system)
}
