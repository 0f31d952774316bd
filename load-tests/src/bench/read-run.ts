/** One measured run of cached GETs: the real slot, or the same bytes from bare Fastify. */
import type { BenchConfig } from '../config.ts'
import { cpuSeconds, memory } from './processes.ts'
import type { Pipeline, PipelineName } from './stack.ts'
import { runWrk } from './wrk.ts'

export interface ReadRun {
  readonly pipeline: PipelineName
  readonly answers: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
  readonly wrkCpuSeconds: number
  readonly apiCpuSeconds: number | null
  readonly apiPeakMb: number | null
}

export const READ_CONNECTIONS = 64

export async function measureReads(
  pipeline: Pipeline,
  slotId: string,
  config: BenchConfig,
  seconds: number,
  signal: AbortSignal,
): Promise<ReadRun> {
  const before = cpuSeconds(pipeline.api.pid)
  const wrk = await runWrk({
    url: `${pipeline.apiUrl}/slots/${slotId}`,
    script: 'read',
    args: [],
    seconds,
    connections: READ_CONNECTIONS,
    threads: config.threads,
    signal,
  })
  const after = cpuSeconds(pipeline.api.pid)
  const answers = wrk.requests - wrk.status_errors
  return {
    pipeline: pipeline.name,
    answers,
    perSecond: answers / (wrk.duration_us / 1e6),
    p50Ms: wrk.p50_us / 1000,
    p99Ms: wrk.p99_us / 1000,
    errors: wrk.status_errors + wrk.socket_errors + wrk.timeouts,
    wrkCpuSeconds: wrk.cpuSeconds,
    apiCpuSeconds: before === null || after === null ? null : after - before,
    apiPeakMb: memory(pipeline.api.pid)?.peakMb ?? null,
  }
}
