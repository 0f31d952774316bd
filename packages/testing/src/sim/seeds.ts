/** Many seeds, on all cores. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { SimulationResult } from './simulation.ts'

export interface SeedRun {
  readonly from: number
  readonly count: number
  /** The planted bug, by name; null for the code as it is. */
  readonly mutant: string | null
  /** Ends early when so many seeds have failed. */
  readonly failuresMax: number
  /** Seeds given to a thread at once; every seed before one that ran has run too. */
  readonly chunk?: number
}

export interface SeedSummary {
  readonly seeds: number
  readonly events: number
  readonly accepted: number
  readonly virtualMs: number
  readonly elapsedMs: number
  /** In the order of their seeds. */
  readonly failed: readonly SimulationResult[]
  /** How often each kind of fault struck, most frequent first. */
  readonly strikes: ReadonlyMap<string, number>
}

const THREADS_MAX = 16
const CHUNK = 20

/** Runs `count` seeds from `from` on; `progress` hears of every finished one. Throws what a thread throws. */
export async function runSeeds(
  run: SeedRun,
  progress: (done: number, failed: number) => void,
): Promise<SeedSummary> {
  const startedMs = performance.now()
  const results: SimulationResult[] = []
  const failed: SimulationResult[] = []
  const { chunk: chunkSeeds = CHUNK } = run
  const end = run.from + run.count - 1
  let next = run.from
  const takeChunk = (): { from: number; to: number } | null => {
    if (next > end || failed.length >= run.failuresMax) return null
    const chunk = { from: next, to: Math.min(end, next + chunkSeeds - 1) }
    next = chunk.to + 1
    return chunk
  }
  const hear = (result: SimulationResult): void => {
    results.push(result)
    if (result.violation !== null) failed.push(result)
    progress(results.length, failed.length)
  }
  const threads = Math.min(availableParallelism(), THREADS_MAX, Math.ceil(run.count / chunkSeeds))
  await Promise.all(Array.from({ length: threads }, () => runThread(run.mutant, takeChunk, hear)))
  return summaryOf(results, failed, performance.now() - startedMs)
}

function runThread(
  mutant: string | null,
  takeChunk: () => object | null,
  hear: (result: SimulationResult) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./seed-range.ts', import.meta.url), { workerData: { mutant } })
    const giveChunk = (): void => {
      // Null: it ends by itself.
      thread.postMessage(takeChunk())
    }
    thread.on('message', ({ result }: { result: SimulationResult | null }) => {
      if (result === null) giveChunk()
      else hear(result)
    })
    thread.once('error', reject)
    thread.once('exit', () => resolve())
    giveChunk()
  })
}

function summaryOf(
  results: readonly SimulationResult[],
  failed: readonly SimulationResult[],
  elapsedMs: number,
): SeedSummary {
  const sum = (of: (result: SimulationResult) => number) =>
    results.reduce((total, result) => total + of(result), 0)
  const strikes = new Map<string, number>()
  for (const result of results) {
    for (const [kind, count] of result.strikes) strikes.set(kind, (strikes.get(kind) ?? 0) + count)
  }
  return {
    seeds: results.length,
    events: sum(({ events }) => events),
    accepted: sum(({ accepted }) => accepted),
    virtualMs: sum(({ virtualMs }) => virtualMs),
    elapsedMs,
    failed: failed.toSorted((a, b) => a.seed - b.seed),
    strikes: new Map([...strikes].toSorted(([, a], [, b]) => b - a)),
  }
}
