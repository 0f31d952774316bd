/** One measured run of GETs of one slot that is in memory. */
import { cpuSeconds, memory } from './processes.ts'
import type { Reader } from './stack.ts'
import { runWrk } from './wrk.ts'

export interface ReadRun {
  readonly rung: string
  readonly answers: number
  readonly perSecond: number
  /** Its head and its body. */
  readonly bytesPerAnswer: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
  readonly wrkCpuSeconds: number
  readonly apiCpuSeconds: number | null
  readonly apiPeakMb: number | null
}

export const READ_CONNECTIONS = 64

export interface ReadTarget extends Reader {
  /** What it is in the ladder. */
  readonly rung: string
  readonly path: string
}

export async function measureReads(
  { rung, path, apiUrl, api }: ReadTarget,
  {
    seconds,
    threads,
    signal,
  }: { readonly seconds: number; readonly threads: number; readonly signal: AbortSignal },
): Promise<ReadRun> {
  const before = cpuSeconds(api.pid)
  const wrk = await runWrk({
    url: `${apiUrl}${path}`,
    script: 'read',
    args: [],
    seconds,
    connections: READ_CONNECTIONS,
    threads,
    signal,
  })
  const after = cpuSeconds(api.pid)
  const answers = wrk.requests - wrk.status_errors
  return {
    rung,
    answers,
    perSecond: answers / (wrk.duration_us / 1e6),
    bytesPerAnswer: wrk.bytes / wrk.requests,
    p50Ms: wrk.p50_us / 1000,
    p99Ms: wrk.p99_us / 1000,
    errors: wrk.status_errors + wrk.socket_errors + wrk.timeouts,
    wrkCpuSeconds: wrk.cpuSeconds,
    apiCpuSeconds: before === null || after === null ? null : after - before,
    apiPeakMb: memory(api.pid)?.peakMb ?? null,
  }
}
