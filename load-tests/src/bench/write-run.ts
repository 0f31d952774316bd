/** One measured run of reservations through one pipeline: accepted, committed, and whether the two agree. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { auditDocumentSchema } from '@ironsys/contracts'
import { Client } from 'pg'
import type { BenchConfig } from '../config.ts'
import { LoadTestFault } from '../faults.ts'
import { bucketQuantile, bucketsBetween, readBuckets } from '../quantiles.ts'
import { cpuOf, differences, memory } from './processes.ts'
import type { BenchStack, Pipeline, PipelineName } from './stack.ts'
import { runWrk } from './wrk.ts'

export interface WriteRun {
  readonly pipeline: PipelineName
  /** Requests offered a second; null: as fast as they are answered. */
  readonly pace: number | null
  readonly accepted: number
  readonly acceptedPerSecond: number
  readonly committed: number
  /** Rows by the time from the first request to the last commit. */
  readonly committedPerSecond: number
  readonly acceptP50Ms: number
  readonly acceptP99Ms: number
  readonly acceptMaxMs: number
  readonly committedP50Ms: number | null
  readonly committedP99Ms: number | null
  readonly refused: number
  readonly socketErrors: number
  /** Seconds of CPU by process, from the first request to the last commit. */
  readonly cpuSeconds: Readonly<Record<string, number | null>>
  readonly apiPeakMb: number | null
  readonly workerPeakMb: number | null
  readonly faults: readonly string[]
}

export interface WriteTarget {
  readonly stack: BenchStack
  readonly pipeline: Pipeline
  readonly slotId: string
  readonly config: BenchConfig
  readonly signal: AbortSignal
}

const METRIC = 'ironsys_accepted_to_committed_seconds'
const SCRAPE_MS = 100
/** No further commit for this long: all of it is in. */
const QUIET_MS = 500

export async function measureWrites(
  target: WriteTarget,
  seconds: number,
  pace: number | null,
): Promise<WriteRun> {
  const { stack, pipeline, slotId, config, signal } = target
  const rowsBefore = await countRows(stack, pipeline.name, slotId)
  const before = await scrape(pipeline)
  const cpuBefore = cpuOf(stack, pipeline)
  const startedMs = performance.now()
  const wrk = await runWrk({
    url: pipeline.apiUrl,
    script: 'reserve',
    args: [slotId, `b${randomUUID().slice(0, 8)}`, ...(pace === null ? [] : [String(pace / config.threads)])],
    seconds,
    connections: config.connections,
    threads: config.threads,
    signal,
  })
  const accepted = wrk.requests - wrk.status_errors
  const drained = await drain(target, before, accepted)
  const cpuAfter = cpuOf(stack, pipeline)
  const committed = (await countRows(stack, pipeline.name, slotId)) - rowsBefore
  const lags = bucketsBetween(readBuckets(before, METRIC), readBuckets(drained.text, METRIC))
  const inMs = (value: number | null) => (value === null ? null : value * 1000)
  return {
    pipeline: pipeline.name,
    pace,
    accepted,
    acceptedPerSecond: accepted / (wrk.duration_us / 1e6),
    committed,
    committedPerSecond: committed / ((drained.lastCommitMs - startedMs) / 1000),
    acceptP50Ms: wrk.p50_us / 1000,
    acceptP99Ms: wrk.p99_us / 1000,
    acceptMaxMs: wrk.max_us / 1000,
    committedP50Ms: inMs(bucketQuantile(lags, 0.5)),
    committedP99Ms: inMs(bucketQuantile(lags, 0.99)),
    refused: wrk.status_errors,
    socketErrors: wrk.socket_errors + wrk.timeouts,
    cpuSeconds: { wrk: wrk.cpuSeconds, ...differences(cpuBefore, cpuAfter) },
    apiPeakMb: memory(pipeline.api.pid)?.peakMb ?? null,
    workerPeakMb: memory(pipeline.worker.pid)?.peakMb ?? null,
    faults: [
      ...faultsOfCount(accepted, committed, config.connections + wrk.socket_errors + wrk.timeouts),
      ...(pipeline.name === 'real' ? await faultsOfAudit(pipeline, slotId, rowsBefore + committed) : []),
    ],
  }
}

/** wrk hangs up at the end: at most one request per connection was accepted without being counted. */
function faultsOfCount(accepted: number, committed: number, uncounted: number): readonly string[] {
  if (committed < accepted) return [`${accepted} were accepted, only ${committed} are in the database`]
  if (committed > accepted + uncounted) {
    return [`${committed} rows for ${accepted} counted answers and at most ${uncounted} uncounted ones`]
  }
  return []
}

async function faultsOfAudit({ apiUrl }: Pipeline, slotId: string, rows: number): Promise<readonly string[]> {
  // The audit is cached for a second.
  await delay(1100)
  const answer = await fetch(`${apiUrl}/slots/${slotId}/audit`)
  const audit = auditDocumentSchema.parse(await answer.json())
  const faults = audit.balanced ? [] : ['the audit says that the slot is not balanced']
  return audit.confirmed === rows
    ? faults
    : [...faults, `the audit has ${audit.confirmed} confirmed, the table ${rows}`]
}

/** Waits until as many are committed as were accepted and no more come. */
async function drain({ pipeline, config }: WriteTarget, before: string, accepted: number) {
  const base = commitsOf(before)
  let text = await scrape(pipeline)
  let commits = commitsOf(text)
  let lastCommitMs = performance.now()
  const deadlineMs = lastCommitMs + config.patience * 1000
  while (commits - base < accepted || performance.now() - lastCommitMs < QUIET_MS) {
    if (performance.now() > deadlineMs) {
      throw new LoadTestFault(
        `${pipeline.name}: ${commits - base} of ${accepted} committed after ${config.patience} s`,
      )
    }
    await delay(SCRAPE_MS)
    text = await scrape(pipeline)
    const now = commitsOf(text)
    if (now > commits) lastCommitMs = performance.now()
    commits = now
  }
  return { text, lastCommitMs }
}

function commitsOf(exposition: string): number {
  return readBuckets(exposition, METRIC).get(Number.POSITIVE_INFINITY) ?? 0
}

async function scrape({ workerMetricsUrl }: Pipeline): Promise<string> {
  return (await fetch(workerMetricsUrl)).text()
}

async function countRows({ databaseUrl }: BenchStack, name: PipelineName, slotId: string): Promise<number> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const from = name === 'bare' ? 'bare_reservations WHERE' : "reservations WHERE status = 'confirmed' AND"
    const result = await client.query<{ count: string }>(`SELECT count(*) FROM ${from} slot_id = $1`, [
      slotId,
    ])
    return Number(result.rows[0]?.count)
  } finally {
    await client.end()
  }
}
